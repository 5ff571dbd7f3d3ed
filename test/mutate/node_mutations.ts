/** Broken rules of RaftNode: what is applied, answered and admitted. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const TESTS = [
  "raft/node/raft_node.test.ts",
  "raft/node/sessions.test.ts",
  "raft/node/core_driver.test.ts",
  "raft/node/reads.test.ts",
  "raft/node/admission.test.ts",
  "raft/node/proposals.test.ts",
];
const MEMBERSHIP = [
  "raft/node/membership.test.ts",
  "raft/node/member_records.test.ts",
  "raft/node/member_changes.test.ts",
];

export const NODE_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("raft/node/versions.ts", ["raft/node/versions.test.ts"], [
    ["version-agreed-without-learners", "return [...voters, ...learners];", "return [...voters];"],
    [
      "version-agreed-by-a-majority",
      "    const known = Math.min(...members.map",
      "    const known = Math.max(...members.map",
    ],
    [
      "unheard-member-taken-for-new",
      "members.map((id) => this.#versionOf(id) ?? 0)",
      "members.map((id) => this.#versionOf(id) ?? this.#options.own)",
    ],
    [
      "new-command-proposed-too-early",
      "if (version <= sessions.agreedVersion) return null;\n    const who",
      "if (version <= this.#options.own) return null;\n    const who",
    ],
    [
      "version-recorded-again-and-again",
      "if (known <= sessions.agreedVersion) return;\n",
      "",
    ],
  ]),
  ...mutationsOf("raft/node/replicated_state.ts", ["raft/node/versions.test.ts"], [
    [
      "later-entry-applied",
      "this.sessions.agree(envelope.version);\n      this.#mustKnowAgreed();\n",
      "this.sessions.agree(envelope.version);\n",
    ],
    ["any-version-recorded", "if (envelope.version === this.sessions.agreedVersion + 1) this", "this"],
    [
      "later-snapshot-restored",
      "      this.sessions.restore(sessions);\n      this.#mustKnowAgreed();\n",
      "      this.sessions.restore(sessions);\n",
    ],
  ]),
  ...mutationsOf("raft/node/replicated_state.ts", ["raft/node/log_garbage.test.ts"], [
    ["command-of-another-passed-on", "if (envelope.origin !== from) return", "if (false) return"],
    ["restored-unjudged", "new MemberRecords().restore(members);\n", ""],
  ]),
  ...mutationsOf("raft/node/envelope.ts", [
    "raft/node/log_garbage.test.ts",
    "raft/node/member_records.test.ts",
  ], [
    ["bad-record-applied", "return memberFlaw(record) === null ? {", "return memberFlaw(record) !== '' ? {"],
  ]),
  ...mutationsOf("raft/node/sessions.ts", ["raft/node/versions.test.ts"], [
    [
      "version-forgotten-by-a-snapshot",
      "this.#agreedVersion = json.version ?? 1;",
      "this.#agreedVersion = 1;",
    ],
  ]),
  ...mutationsOf("raft/node/recover_cluster.ts", ["raft/node/versions.test.ts"], [
    ["version-forgotten-by-a-recovery", "  state.sessions.agree(old.sessions.agreedVersion);\n", ""],
  ]),
  ...mutationsOf("raft/node/step_aside.ts", ["raft/node/step_aside.test.ts", "raft/node/raft_node.test.ts"], [
    ["full-leader-takes-commands", "return this.#leads ? this.#shortage : null;", "return null;"],
    ["full-leader-takes-commands-passed-on", ' || (type === "propose" && this.#leads)', ""],
    ["full-member-takes-leadership", 'return type === "timeoutNow" || (', "return ("],
    ["full-leader-asks-one-only", "this.#offer(this.#offers++);", "this.#offer(0);"],
    ["full-member-keeps-its-log", "      this.#options.driver()?.shrinkLog();\n", ""],
    ["leader-with-hung-disk-offers-nothing", "    this.#offer(0);\n", ""],
    ["hung-disk-not-seen", "return storage.oldestPendingMs() > electionMinMs;", "return false;"],
  ]),
  ...mutationsOf("raft/node/core_driver.ts", TESTS, [
    ["snapshot-of-a-state-that-is-replaced", "if (this.core.firstIndex > state.index + 1) return false;", ""],
    [
      "news-of-a-commit-kept",
      "if (this.#notices.size === 0) this.#options.soon(",
      "if (to < 0) this.#options.soon(",
    ],
    ["answered-before-written", 'const early = broken.has("ack-before-fsync");', "const early = true;"],
    [
      "vote-not-written",
      'const kept = broken.has("vote-not-persisted") ? null : hardState;',
      "const kept = null;",
    ],
    [
      "answered-before-earlier-writes",
      "while (!this.#stopped && this.#writing[0]?.durable) {",
      "while (!this.#stopped && this.#writing.at(-1)?.durable) {",
    ],
    [
      "compacted-before-snapshot-durable",
      "    this.#append({ hardState: null, entries: [], snapshot, sync: true }, () => {\n",
      "    this.#append({ hardState: null, entries: [], snapshot, sync: true }, () => {});\n    queueMicrotask(() => {\n",
    ],
    [
      "leader-with-hung-disk-keeps-followers",
      "const sent = !(ofLeader && this.mutedAsLeader) &&",
      "const sent =",
    ],
  ]),
  ...mutationsOf("raft/node/sessions.ts", TESTS, [
    [
      "repeated-command-applied-again",
      "return seq >= session.floor && !session.applied.has(seq);",
      "return true;",
    ],
    [
      "settled-command-applied-again",
      "return seq >= session.floor && !session.applied.has(seq);",
      "return !session.applied.has(seq);",
    ],
    [
      "directory-forgotten",
      "if (!this.#joined.has(member)) this.#joined.set(member, instance);",
      "this.#joined.set(member, instance);",
    ],
  ]),
  ...mutationsOf("raft/node/reads.ts", TESTS, [
    [
      "read-before-applied",
      "else if (index !== null && index <= applied) this",
      "else if (index !== null) this",
    ],
    [
      "read-of-an-earlier-term-answered",
      "if (term !== leadingTerm) this.#end(",
      "if (leadingTerm === null) this.#end(",
    ],
  ]),
  ...mutationsOf("raft/node/proposals.ts", TESTS, [
    [
      "sent-command-reported-as-rejected",
      'const kind = pending.sentAtMs === null ? "rejected" : "unknown";',
      'const kind = "rejected" as const;',
    ],
    [
      "proposed-in-another-term",
      "if (onlyInTerm !== null && leadingTerm() !== onlyInTerm) {",
      "if (false) {",
    ],
  ]),
  ...mutationsOf("raft/node/admission.ts", TESTS, [
    [
      "founded-before-everybody-connected-has-answered",
      "[...this.#connected].map((id) => this.#verdicts.get(id));",
      "[...this.#connected].flatMap((id) => this.#verdicts.get(id) ?? []);",
    ],
    ["founded-by-one", "agreeing > (1 + others.length) / 2 :", "agreeing > 0 :"],
    [
      "founded-with-strangers",
      "others.filter((id) => this.#connected.has(id)).length",
      "this.#connected.size",
    ],
    ["told-of-a-log-forgotten", 'if (message.verdict !== "noLog") this.#toldOfLog = true;', ""],
    ["founded-beside-a-term", "term === 0 ? agreeing >", "term >= 0 ? agreeing >"],
    ["founded-never-beside-a-term", ": agreeing === 1 + others.length;", ": false;"],
    [
      "vote-of-a-founder-unspent",
      'return enough ? { kind: "founder", term } : null;',
      'return enough ? { kind: "founder", term: 0 } : null;',
    ],
  ]),
  ...mutationsOf("raft/node/registrar.ts", TESTS, [
    [
      "wiped-member-welcomed",
      'if (joined !== null && joined !== instance) return "refused";',
      'if (joined !== null && joined !== instance) return "welcome";',
    ],
  ]),
  ...mutationsOf("raft/node/member_records.ts", MEMBERSHIP, [
    [
      "removed-id-used-again",
      "    if (this.#removed.has(record.id)) return;\n",
      "",
    ],
    [
      "members-address-forgotten",
      "if (!this.#members.includes(id) && this.#records.delete(id)) this.version++;",
      "if (this.#records.delete(id)) this.version++;",
    ],
    ["removed-members-forgotten", "      this.#removed.set(id, name);\n", ""],
    [
      "removed-members-lost-in-snapshot",
      "    this.#removed = new Map(json.removed);\n",
      "    this.#removed = new Map();\n",
    ],
  ]),
  ...mutationsOf("raft/node/member_changes.ts", MEMBERSHIP, [
    [
      "member-before-its-address",
      "      if (!this.#recorded(core.configuration, record)) return null;\n      return this.#propose",
      "      return this.#propose",
    ],
    [
      "removed-before-all-are-recorded",
      "    if (!this.#recorded(core.configuration, null)) return null;\n",
      "",
    ],
    ["address-used-twice", "      if (other?.addr === record.addr) {", "      if (false) {"],
    [
      "uncommitted-change-reported-as-done",
      'return !configurationPending && this.#recorded(core.configuration, record) ? { kind: "done" } : null;',
      'return { kind: "done" };',
    ],
    [
      "everybody-gets-a-vote",
      "= votes && listens\n",
      "= listens\n",
    ],
    [
      "replaced-before-the-new-one-votes",
      ": hasArrived(configuration, record) && contains(configuration, replaces)",
      ": contains(configuration, replaces)",
    ],
    [
      "removal-without-asking",
      "if (objection !== null && !running.proposed) return",
      "if (false) return",
    ],
    [
      "replacement-completed-without-asking",
      'const objection = change.kind === "remove" ? this.#options.mayRemove(change.id) : null;',
      "const objection: string | null = null;",
    ],
    [
      "hung-disk-not-named",
      "refusalText(reason, hanging.map(({ id }) => this.#nameOf(id)))",
      "refusalText(reason)",
    ],
    ["waits-said-at-each-look", "if (this.#waits.get(newcomer) === text) return;", ""],
    ["living-member-replaced-by-itself", "      if (this.#takesOwnPlace(record)) {", "      if (false) {"],
    [
      "living-member-elsewhere-not-replaced",
      "return replaces !== NONE && this.#options.infoOf(replaces)?.addr === addr;",
      "return replaces !== NONE;",
    ],
    [
      "member-taken-for-silent-between-two-heartbeats",
      "    this.#options.contacts.counted(core.id, core.status().progress);\n",
      "",
    ],
    [
      "silence-believed-by-a-leader-that-has-heard-nobody",
      "        if (this.#isYoung) return null;\n",
      "",
    ],
    ["rejected-member-stays-recorded", "      if (!proposed) this.#forget(operation);\n", ""],
    [
      "leader-asked-to-go-stays",
      "if (!handOver(core)) running.lastReason",
      "if (core === null) running.lastReason",
    ],
    [
      "refused-by-a-leader-that-has-heard-nobody",
      'const passing = passes(result.reason) || (this.#isYoung && result.reason === "wouldLoseQuorum");',
      "const passing = passes(result.reason);",
    ],
  ]),
  ...mutationsOf("raft/node/membership.ts", MEMBERSHIP, [
    ["removed-member-not-told", "    if (!records.isRemoved(from)) return false;\n", "    return false;\n"],
    [
      "objection-not-asked-for",
      'mayRemove: (member) => mayRemove(this.infoOf(member) ?? { id: member, name: null, addr: "" }),',
      "mayRemove: () => null,",
    ],
    ["transport-not-told", "transport.setPeers?.(", "void ("],
  ]),
  ...mutationsOf("raft/node/snapshot_sender.ts", ["raft/node/snapshot_transfer.test.ts"], [
    ["lost-piece-not-sent-again", "transfer.sent = transfer.received;\n        this", "this"],
    ["transfer-without-end", "now - transfer.progressMs >= GIVE_UP_AFTER_MS", "now < 0"],
    ["old-leader-goes-on", "if (transfer.message.term !== term) {", "if (term === -1) {"],
    ["lost-beginning-not-sent-again", "transfer.begun = false;\n", ""],
    ["snapshot-window-without-limit", "transfer.sent - transfer.received < WINDOW * pieceBytes", "true"],
  ]),
  ...mutationsOf("raft/node/snapshot_receiver.ts", ["raft/node/snapshot_transfer.test.ts"], [
    ["piece-anywhere", "offset === incoming.received && data", "data"],
    ["size-believed", "total === 0 || total > maxBytes", "total === 0"],
    ["pieces-kept-for-good", ">= FORGET_AFTER_MS", ">= Infinity"],
  ]),
  ...mutationsOf("raft/core/leader.ts", ["raft/core/story/stories.test.ts"], [
    ["progress-does-not-count", 'if (progress?.state === "snapshot") progress.snapshotTicks = 0;', ""],
  ]),
  ...mutationsOf("raft/node/member_flaw.ts", [
    "raft/node/member_flaw.test.ts",
    "raft/node/membership.test.ts",
  ], [
    ["voter-that-cannot-be-dialed", "return votes ? `${addr}", "return false ? `${addr}"],
    ["port-of-zero", "return port > 0 && HOST", "return HOST"],
  ]),
  ...mutationsOf("raft/node/inbox.ts", ["raft/node/log_garbage.test.ts"], [
    ["passed-on-unjudged", 'if (type !== "propose" || core', "if (type !== 'append' || core"],
  ]),
  ...mutationsOf("raft/node/components.ts", ["raft/node/step_aside.test.ts"], [
    ["votes-with-a-hung-disk", "mayVote: () => !this.stepAside.diskHangs,", "mayVote: () => true,"],
  ]),
  ...mutationsOf("raft/node/components.ts", ["raft/node/versions.test.ts"], [
    ["lost-greeting-not-made-up-for", "        this.#greetLeader();\n", ""],
  ]),
  ...mutationsOf("raft/node/components.ts", MEMBERSHIP, [
    ["joining-member-votes-as-a-founder", "initialVoters: join ? [] :", "initialVoters: false ? [] :"],
  ]),
  ...mutationsOf("raft/node/taking_part.ts", ["raft/node/admission.test.ts"], [
    ["added-member-knows-of-no-log", "return this.#options.join || this.#admitted", "return this.#admitted"],
    ["welcomed-member-knows-of-no-log", ' || this.#admitted?.kind === "welcome"', ""],
  ]),
  ...mutationsOf("raft/node/taking_part.ts", MEMBERSHIP, [
    ["joining-member-founds", "mayFound: !join,", "mayFound: true,"],
  ]),
  ...mutationsOf("raft/node/admission_channel.ts", ["raft/node/admission.test.ts"], [
    ["term-of-a-founder-not-told", "term: takingPart.term, lastIndex", "term: 0, lastIndex"],
  ]),
  ...mutationsOf("raft/node/contacts.ts", ["raft/node/contacts.test.ts"], [
    [
      "member-in-contact-for-ever",
      "(this.#activeMs.get(id) ?? -Infinity) < ANSWERED_WITHIN_MS;",
      "(this.#activeMs.get(id) ?? -Infinity) < Infinity;",
    ],
    [
      "absent-while-counted",
      "Math.max(LEAST_ABSENCE_MS, ANSWERED_WITHIN_MS + options.electionMaxMs)",
      "LEAST_ABSENCE_MS",
    ],
    ["counted-and-never-heard", "assert(this.#heardMs.has(id), `", "assert(true, `"],
    ["contact-outlives-the-leadership", "    this.#activeMs.clear();\n", ""],
    ["connected-member-is-silent", "    if (this.#connected.has(id)) return 0;\n", ""],
  ]),
  ...mutationsOf("raft/node/core_driver.ts", MEMBERSHIP, [
    [
      "snapshot-without-voters",
      "    if (snapshot.configuration.voters.length === 0) return false;\n",
      "",
    ],
  ]),
  ...mutationsOf("raft/transport/handshake.ts", [
    "raft/transport/handshake.test.ts",
    "raft/node/recorded_peer.test.ts",
  ], [
    [
      "older-version-refused",
      "if (version < oldest || version > newest) return version;",
      "if (version !== newest) return version;",
    ],
    [
      "later-version-let-in",
      "if (version < oldest || version > newest) return version;",
      "if (version < oldest) return version;",
    ],
    ["older-version-never-offered", "common < this.#version) this.olderVersion", "false) this.olderVersion"],
    ["version-offered-for-ever", " && common < this.#version) this", ") this"],
    [
      "version-given-up-still-offered",
      "common >= own.oldest && ",
      "",
    ],
    [
      "recorded-refusal-not-understood",
      "if (reader.remaining < 4) return {",
      "if (reader.remaining < 0) return {",
    ],
  ]),
  ...mutationsOf("raft/transport/peer_link.ts", ["raft/node/recorded_peer.test.ts"], [
    [
      "older-version-not-dialed",
      "        else if (dialer.olderVersion !== null) this.#connect(attempt, ip, port, dialer.olderVersion);\n",
      "",
    ],
  ]),
  ...mutationsOf("raft/node/admission_messages.ts", ["raft/node/recorded_peer.test.ts"], [
    [
      "recorded-hello-not-understood",
      "const version = reader.remaining === 0 ? 1 : reader.u16()",
      "const version = reader.u16()",
    ],
  ]),
  ...mutationsOf("raft/core/message.ts", ["raft/node/recorded_peer.test.ts"], [
    [
      "message-in-another-order",
      "    logTerm: reader.count(),\n    index: reader.count(),",
      "    index: reader.count(),\n    logTerm: reader.count(),",
    ],
  ]),
  ...mutationsOf("raft/node/lie_of.ts", ["raft/node/mad_member.test.ts"], [
    ["second-leader-heard", "core.leader !== NONE && core.leader !== from;", "core.leader === from;"],
    ["lost-confirmation-believed", "commit > core.lastIndex &&", "commit < 0 &&"],
    ["false-acknowledgement-heard", "index > core.lastIndex) {", "index < 0) {"],
    ["take-over-of-no-leader-heard", "|| from !== core.leader)", ")"],
    ["last-term-of-all-heard", "term - core.term > MAX_TERM_JUMP", "term < 0"],
  ]),
  ...mutationsOf("raft/node/hand_over.ts", ["raft/node/mad_member.test.ts"], [
    ["marked-vote-of-anybody", "return !mustBeWanted ||", "return true ||"],
  ]),
  ...mutationsOf("raft/node/hand_over.ts", ["raft/node/hand_over.test.ts"], [
    ["hand-over-announced-by-anybody", "&& from === core.leader) {", ") {"],
    ["hand-over-not-announced", 'if (type !== "timeoutNow") return [];', "return [];"],
  ]),
  ...mutationsOf("raft/node/channel_budget.ts", ["raft/node/mad_member.test.ts"], [
    ["wishes-without-limit", "BURST - BURST / 4 : 0;", "0 : 0;"],
  ]),
  ...mutationsOf("raft/node/inbox.ts", ["raft/node/mad_member.test.ts"], [
    ["requests-without-limit", "costOf(typeOfMessage(payload), payload.length)", "0"],
  ]),
  ...mutationsOf("raft/node/snapshot_transfers.ts", ["raft/node/mad_member.test.ts"], [
    ["snapshot-of-a-later-term-kept", "return term === core.term\n", "return term >= core.term\n"],
    ["snapshot-of-no-leader-kept", "? lieOf(head, core)", "? null"],
  ]),
];
