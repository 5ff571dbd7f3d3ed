/**
 * Broken rules of the guard and of what feeds the watchdog: who is stopped, who is who, and whose word
 * counts.
 */
import { type Mutation, mutationsOf } from "./mutation.ts";

const fence = mutationsOf("src/guard/fence.ts", ["src/guard/fence.test.ts"], [
  ["freeze-without-a-stop", 'effects: [{ kind: "freeze" }],\n    };', "effects: [],\n    };"],
  [
    "woken-while-frozen",
    'return { state, effects: [{ kind: "freeze" }] };',
    "return { state, effects: [] };",
  ],
  ["thaw-without-time-to-stop", "if (leftMs >= STOP_BUDGET_MS) {", "if (leftMs > 0) {"],
  [
    "frozen-for-ever",
    "if (nowMs >= postmaster.frozenAtMs + state.killAfterMs) return kill(state, true);",
    "",
  ],
  [
    "ended-epoch-armed-again",
    "if (epoch <= state.endedEpoch) {\n    return refuse(",
    "if (epoch < 0) {\n    return refuse(",
  ],
  ["older-epoch-armed", "if (armed !== null && epoch < armed.epoch) {", "if (false) {"],
  ["deadline-of-another-clock", "if (!(deadlineMs <= nowMs + LONGEST_LEASE_MS)) {", "if (false) {"],
  [
    "newer-epoch-leaves-the-older",
    "endedEpoch: armed !== null && !same ? armed.epoch : state.endedEpoch",
    "endedEpoch: same ? state.endedEpoch : state.endedEpoch",
  ],
  [
    "primary-of-another-epoch-runs-on",
    "if (armed === null || armed.epoch !== epoch || epoch <= state.endedEpoch) return kill",
    "if (armed === null || epoch <= state.endedEpoch) return kill",
  ],
  ["ended-beside-a-primary", "if (older && isWritable(postmaster)) {", "if (false) {"],
  ["ended-beside-an-undeclared-server", 'authority.kind === "undeclared" ||', "false ||"],
  [
    "ended-beside-leftovers",
    "state.sweeping && state.sweptDoomed !== true",
    "false",
  ],
  [
    "doomed-without-a-kill",
    'if (postmaster === null || !postmaster.killing) return refuse(state, "nothing',
    'if (postmaster === null) return refuse(state, "nothing',
  ],
  [
    "started-beside-the-doomed",
    "nowMs: number): FenceStep {\n  if (state.postmaster !== null) {",
    "nowMs: number): FenceStep {\n  if (state.postmaster !== null && !state.postmaster.doomed) {",
  ],
  [
    "doom-outlives-the-doomed",
    "fenced: false,\n  };",
    "fenced: false,\n    doomed: state.postmaster?.doomed ?? state.endedEpoch === 0,\n  };",
  ],
  [
    "closed-unasked",
    'if (!postmaster.ending) return refuse(state, "no shutdown',
    'if (false) return refuse(state, "',
  ],
  [
    "closed-by-word-of-another",
    " || postmaster.killing || postmaster.pid !== pid) {",
    " || postmaster.killing) {",
  ],
  ["thawed-to-shut-down", "if (postmaster.frozenAtMs !== null) return kill(state, true);", ""],
  [
    "promoted-while-frozen",
    'if (postmaster.frozenAtMs !== null) return refuse(state, "the postmaster is frozen");\n  const why',
    "const why",
  ],
  [
    "started-under-another-epoch",
    "if (armed === null || armed.epoch !== epoch) return `",
    "if (armed === null) return `",
  ],
  [
    "primary-declared-a-standby-to-the-guard",
    'if (postmaster.authority.kind === "primary" && epoch === null) {',
    "if (false) {",
  ],
  ["found-server-not-fenced", "...(under === undefined ? {} : { epoch: under })", ""],
  ["found-standby-fenced-with-an-old-epoch", "isInForce(state, nowMs) ? armed?.epoch", "true ? armed?.epoch"],
  ["frozen-standby-stays-frozen", "epoch !== null || postmaster.frozenAtMs === null", "true"],
]);

const guard = mutationsOf("src/guard/guard.ts", ["src/guard/guard.test.ts"], [
  [
    "socket-before-the-deadline",
    'this.#wake(request.op !== "arm" && this.#isDue(this.#parts.clock.now()));',
    "this.#wake(false);",
  ],
  [
    "stopped-as-soon-as-told",
    "this.#allStopped = group.allStopped(this.#process);",
    "this.#allStopped = true;",
  ],
  ["stopped-after-a-thaw", "this.#allStopped = this.#saidFrozen = false;", "this.#saidFrozen = false;"],
  ["doomed-unseen", "this.#parts.group.allDoomed(this.#process)", "true"],
  ["next-server-not-looked-for", "    this.#watch(LOOK_AROUND_MS);\n    for", "    for"],
  ["frozen-one-adopted", "if (found === null || frozen !== undefined) {", "if (found === null) {"],
  [
    "moved-directory-forgotten-by-the-next-program",
    "    if (seen !== undefined) this.#parts.group.recall(seen, process);\n",
    "",
  ],
  ["start-outlives-its-agent", "    this.#controllers++;\n", ""],
  ["anothers-server-adopted", 'if (this.#claimed.kind === "taken") return;', ""],
  ["anothers-server-killed", 'if (this.#claimed.kind === "taken") return done(this.#claimReply());', ""],
  ["started-in-anothers-directory", "if (!refused.ok) return done(refused);", ""],
  ["started-in-a-directory-of-its-choice", "if (spec.dataDir !== group.dataDir) {", "if (false) {"],
]);

const owner = mutationsOf("src/guard/directory_owner.ts", ["src/guard/directory_owner.test.ts"], [
  [
    "locked-directory-taken",
    "if (tries === TRIES) return {",
    "if (tries === TRIES) break;\n      if (tries > TRIES) return {",
  ],
  [
    "owner-known-by-its-path",
    'return owner.identity !== "" && owner.identity === identityOf(raftDir);',
    "return owner.raftDir === raftDir;",
  ],
  ["owner-of-another-boot", "&& owner.boot === bootId() ?", "?"],
  ["owner-of-another-directory", "owner?.directory === directory.inode &&", "owner !== null &&"],
  ["owners-agent-forgotten", 'if (lives(owner.agent)) return "that agent runs";', ""],
  ["owners-guard-forgotten", 'if (lives(owner.guard)) return "its guard runs";', ""],
  ["owners-server-forgotten", 'group.members().length > 0 ? "its PostgreSQL runs" : null', "null"],
  [
    "foreign-directory-signed",
    'if (purpose === "look" && isForeign(directory)) return { kind: "foreign" };',
    "",
  ],
  [
    "lent-directory-signed",
    "if (this.#lentTo !== 0 && this.#lentTo === agent) {",
    "if (false) {",
  ],
  [
    "lent-to-an-earlier-agent",
    "if (this.#lentTo !== 0 && this.#lentTo === agent) {",
    "if (this.#lentTo !== 0) {",
  ],
  [
    "anothers-command-overlooked",
    "const why = isLentByAnother(directory.fd, this.#raftDir)",
    "const why = isLentByAnother(directory.fd, this.#raftDir) && owner !== null",
  ],
  ["directory-of-its-own-without-a-name", "this.#signed !== directory.inode;", "true;"],
  ["moved-directory-kept", "if (this.#held?.inode === found.inode) {", "if (this.#held !== null) {"],
]);

const lent = mutationsOf("src/guard/lent_directory.ts", ["src/guard/directory_owner.test.ts"], [
  ["own-command-taken-for-anothers", "byte !== null && byte !== byteOf(raftDir)", "byte !== null"],
  ["replaced-directory-not-followed", "() => this.hold());", "() => {});"],
]);

const server = mutationsOf("src/guard/server.ts", ["src/guard/server.test.ts"], [
  ["earlier-agent-obeyed", "} else if (socket !== this.#controller) {", "} else if (false) {"],
]);

const forgotten = mutationsOf("src/guard/lonely_guard.ts", ["src/guard/guard_process.test.ts"], [
  ["stays-though-it-remembers-nothing", " || this.#remembersNothing() ||", " ||"],
]);

const socket = mutationsOf("src/guard/guard_socket.ts", [
  "src/guard/server.test.ts",
  "src/guard/guard_socket.test.ts",
], [
  ["directory-of-the-socket-for-everybody", "chmodSync(dir, 0o700);", "chmodSync(dir, 0o755);"],
  ["socket-for-everybody", "chmodSync(this.#path, 0o600);", "chmodSync(this.#path, 0o666);"],
  [
    "socket-made-in-a-place-of-another-guard",
    "if (fd === null) return false;",
    "if (fd === null) return true;",
  ],
  ["socket-of-another-guard-removed", "if (this.isThere()) this.#stop();", "this.#stop();"],
  ["lock-of-a-file-that-is-gone", "    this.#lockFd = fd;\n", "    closeSync(fd);\n"],
]);

const life = mutationsOf("src/guard/guard_life.ts", ["src/guard/server.test.ts"], [
  ["guard-of-another-directory-obeyed", "} else if (hello.dataDir !== dataDir) {", "} else if (false) {"],
]);

const controllers = mutationsOf("src/guard/may_control.ts", ["src/guard/server.test.ts"], [
  ["controller-of-another-user", "return uid === own || uid === 0;", "return uid >= 0;"],
  ["guard-ended-beside-a-server-with-a-role", "isUndeclared(postmaster) && ", ""],
  ["guard-ended-with-an-epoch", " && armed === null;", ";"],
]);

export const GUARD_MUTATIONS: readonly Mutation[] = [
  ...fence,
  ...guard,
  ...owner,
  ...lent,
  ...server,
  ...forgotten,
  ...socket,
  ...controllers,
  ...life,
  ...mutationsOf("src/guard/local_fence.ts", ["src/guard/local_fence.test.ts"], [
    [
      "own-freeze-forgotten",
      'if (this.#state === "frozen" || this.#stopped) this',
      'if (this.#state === "frozen") this',
    ],
    ["freeze-of-an-earlier-agent-forgotten", "if (!this.#heard &&", "if (this.#heard &&"],
  ]),
  ...mutationsOf("src/guard/process_id.ts", ["src/guard/process_group.test.ts"], [
    [
      "process-with-a-reused-pid-left-out",
      "return id !== null && isSame(id) ? id : null;",
      "return id;",
    ],
    [
      "zombie-taken-for-alive",
      "return process !== null && !isDead(process) && process.startTicks",
      "return process !== null && process.startTicks",
    ],
    ["reused-pid-taken-for-its-former-owner", " && process.startTicks === id.startTicks;", ";"],
  ]),
  ...mutationsOf("src/guard/process_group.ts", ["src/guard/process_group.test.ts"], [
    [
      "one-stopped-process-taken-for-all",
      "return members.every(isStoppedOrWill);",
      "return members.some(isStoppedOrWill);",
    ],
    [
      "postmaster-stopped-first",
      "this.#signalOnce(SIGSTOP, signalled, postmaster.pid);\n      signalProcess(postmaster, SIGSTOP, this.#send);",
      "signalProcess(postmaster, SIGSTOP, this.#send);\n      this.#signalOnce(SIGSTOP, signalled, postmaster.pid);",
    ],
    [
      "postmaster-goes-on-last",
      "let sent = postmaster !== null && signalProcess(postmaster, SIGCONT, this.#send) ? 1 : 0;\n    for (const pid of pids) if (pid !== postmaster?.pid && this",
      "let sent = 0;\n    for (const pid of pids) if (this",
    ],
    [
      "postmaster-killed-before-it-is-told",
      "if (postmaster !== null) signalProcess(postmaster, SIGQUIT, this.#send);",
      "",
    ],
    ["other-path-of-the-directory-not-looked-for", "      this.#findOtherPath();\n", ""],
    [
      "fork-under-way-forgotten",
      "this.#signalOnce(SIGSTOP, signalled) === 0 && settled",
      "this.#signalOnce(SIGSTOP, signalled) === 0",
    ],
    [
      "one-doomed-process-taken-for-all",
      "this.members().every(isDoomed) &&",
      "this.members().some(isDoomed) &&",
    ],
    ["postmaster-elsewhere-taken-for-doomed", " && (postmaster === null || isDoomed(postmaster));", ";"],
    [
      "backend-taken-for-the-postmaster",
      "named === undefined || members.some((member) => member.pid === named.parentPid)",
      "named === undefined",
    ],
    [
      "lock-of-a-process-that-works-here-removed",
      "if (this.members().length > 0 || this.#mayWorkHere(holder.pid)) return null;",
      "",
    ],
    [
      "removed-lock-of-another",
      "if (lock === null || Math.abs(Number(lock[0])) !== pid) return;",
      "if (lock === null) return;",
    ],
  ]),
  ...mutationsOf("src/guard/process_id.ts", ["src/guard/process_id.test.ts"], [
    ["young-server-told-to-reload", "isSame(id) && takesSignal(id.pid, signal) === false", "false"],
  ]),
];
