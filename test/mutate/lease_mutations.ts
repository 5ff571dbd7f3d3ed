/** Broken rules of the lease on the lock, which rest on raft's: who may write, and until when. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const holder = mutationsOf("src/lease/holder.ts", ["src/lease"], [
  ["lease-counted-from-receipt", 'this.#broken.has("lease-from-receipt") ? nowMs : sentMs', "nowMs"],
  [
    "lease-as-long-as-ttl",
    'this.#broken.has("no-jk-room") ? grantMs : this.#leaseFromTtl(grantMs)',
    "grantMs",
  ],
  [
    "acknowledgement-of-another-epoch",
    "if (ack.epoch !== this.#epoch || ack.incarnation",
    "if (ack.incarnation",
  ],
  [
    "acknowledgement-of-an-earlier-process",
    "|| ack.incarnation !== this.#incarnation) return false;",
    ") return false;",
  ],
  ["dead-lease-starts", "    if (until <= nowMs) return false;\n", ""],
  [
    "old-acknowledgement-shortens-lease",
    "if (this.#validUntilMs !== null && until <= this.#validUntilMs) return false;",
    "",
  ],
  ["held-before-acknowledged", "this.#acknowledged = adoptedUntilMs !== null;", "this.#acknowledged = true;"],
  [
    "lease-outlives-its-end",
    "    this.#epoch = null;\n    this.#validUntilMs = null;\n    this.#acknowledged = false;",
    "    this.#epoch = null;\n    this.#acknowledged = false;",
  ],
  ["lease-not-shortened", "      this.#validUntilMs = until;\n      return true;", "      return true;"],
  ["promised-before-the-guard-knows", "known.guardUntilMs <= this.#validUntilMs!", "known.guardUntilMs >= 0"],
  [
    "old-acknowledgements-taken-after-the-promise",
    "mostMs: Math.min(mostMs, countsOnMs)",
    "mostMs",
  ],
]);

const grantor = mutationsOf("src/lease/grantor.ts", ["src/lease"], [
  ["new-leader-does-not-wait", "    this.#leaderSinceMs = nowMs;\n", ""],
  [
    "deadline-forgets-the-election",
    "return Math.max(this.#leaderSinceMs, this.#countedFromMs) + longestWaitMs(state);",
    "return this.#countedFromMs + longestWaitMs(state);",
  ],
  [
    "deadline-from-an-earlier-renewal",
    "Math.max(this.#countedFromMs, pending.receivedMs)",
    "Math.min(this.#countedFromMs, pending.receivedMs)",
  ],
  [
    "deadline-counts-grant-ttl",
    "this.#countedFromMs) + longestWaitMs(state);",
    "this.#countedFromMs) + state.grantTtlMs;",
  ],
  ["confirmed-in-another-term", "if (this.#term !== pending.term) return null;", ""],
  [
    "confirmed-for-another-epoch",
    "if (state.lock.epoch !== renewal.epoch) return null;",
    "",
  ],
  [
    "confirmed-for-another-holder",
    'if (claimOn(state.lock, renewal.holder, renewal.life) !== "own") return null;',
    "",
  ],
  [
    "acknowledged-while-expiring",
    "    if (this.#expiring === renewal.epoch) return null;\n    this.#counted",
    "    this.#counted",
  ],
  [
    "received-while-expiring",
    "if (this.#term === null || this.#expiring === renewal.epoch) return null;",
    "if (this.#term === null) return null;",
  ],
  ["granted-without-a-full-ttl", "      this.#countedFromMs = nowMs;\n", ""],
  [
    "unfenced-epoch-expires",
    "return !state.lock.unfenced && this.leaseOver(state, nowMs);",
    "return this.leaseOver(state, nowMs);",
  ],
  [
    "expired-too-early",
    "nowMs >= this.deadlineMs(state);",
    "nowMs >= this.deadlineMs(state) - longestWaitMs(state) / 2;",
  ],
  [
    "ttl-raised-grant-first",
    "if (waitTtlMs < wantedMs) return { grantMs: grantTtlMs, waitMs: wantedMs };",
    "if (waitTtlMs < wantedMs) return { grantMs: wantedMs, waitMs: waitTtlMs };",
  ],
  [
    "ttl-lowered-at-once",
    "if (this.#firstAckUnderGrantMs === null || nowMs < this.#firstAckUnderGrantMs + longestWaitMs(state)) {",
    "if (this.#firstAckUnderGrantMs === null) {",
  ],
  ["ttl-lowered-without-the-promise", "countsOnMs <= state.grantTtlMs &&", "countsOnMs >= 0 &&"],
  ["promise-of-before-the-grant", "(renewal.revision ?? -1) >= this.#grantRevision", "true"],
  [
    "promise-outlives-the-grant",
    "      this.#firstAckUnderGrantMs = null;\n      this.#promised = false;",
    "      this.#firstAckUnderGrantMs = null;",
  ],
  [
    "grant-under-way-not-counted",
    "this.#granting !== null && this.#granting.epoch > epoch ? this.#granting.holders : []",
    "[] as string[]",
  ],
  [
    "applied-grant-still-under-way",
    "this.#granting !== null && this.#granting.epoch > epoch ?",
    "this.#granting !== null ?",
  ],
  [
    "second-grant-forgets-first",
    "this.#granting?.epoch === epoch ? this.#granting.holders : []",
    "[] as string[]",
  ],
  [
    "failed-grant-of-another-epoch",
    "if (this.#term !== term || this.#granting?.epoch !== epoch) return;",
    "if (this.#term !== term || this.#granting === null) return;",
  ],
  [
    "failed-expiry-of-another-epoch",
    "if (this.#term === term && this.#expiring === epoch) this.#expiring = null;",
    "if (this.#term === term) this.#expiring = null;",
  ],
]);

const removals = [
  ...mutationsOf("src/lease/grantor.ts", ["src/agent/lease/leadership.test.ts"], [
    [
      "failed-expiry-of-an-earlier-term",
      "if (this.#term === term && this.#expiring === epoch) this.#expiring = null;",
      "if (this.#expiring === epoch) this.#expiring = null;",
    ],
    [
      "failed-grant-of-an-earlier-term",
      "if (this.#term !== term || this.#granting?.epoch !== epoch) return;",
      "if (this.#granting?.epoch !== epoch) return;",
    ],
  ]),
  ...mutationsOf("src/agent/lease/leadership.ts", ["src/agent/lease/leadership.test.ts"], [
    [
      "unknown-expiry-forgotten",
      'const failed = outcome.kind === "refused" ||',
      'const failed = outcome.kind !== "done" ||',
    ],
    [
      "decided-before-the-own-term-is-applied",
      "if (!raft.leadsWithOwnTerm()) return;",
      "",
    ],
    [
      "end-of-a-lease-looked-at-all-the-time",
      "if (deadlineMs > this.#decidedMs) return deadlineMs;",
      "return deadlineMs;",
    ],
    ["refused-proposed-at-once", "this.#refused.set(key, nowMs + AGAIN_MS);", ""],
    ["expiry-not-noted", 'if (body.op === "expire") this.#grantor.expiring(body.epoch);', ""],
    ["decided-in-any-term", "    }, term);", "    });"],
    ["grant-not-noted", 'if (body.op === "grant") this.#grantor.granting(body.epoch, body.holder);', ""],
    [
      "unknown-grant-forgotten",
      'if (body.op === "grant" && outcome.kind === "refused") {',
      'if (body.op === "grant" && outcome.kind !== "done") {',
    ],
    [
      "refused-grant-keeps-member",
      'if (body.op === "grant" && outcome.kind === "refused") {',
      'if (false && body.op === "grant") {',
    ],
    [
      "removed-member-granted",
      "removed: leftGroup(view.statuses, raft.status().members, this.#options.nodeOf),",
      "removed: [],",
    ],
    ["holder-of-an-older-version-known-by-address-only", "=== addr || nodeOf(name) === id", "=== addr"],
    [
      "holder-of-an-older-version-known-by-id-only",
      "known?.raftAddr === addr || nodeOf(name) === id",
      "nodeOf(name) === id",
    ],
    [
      "holder-known-by-its-namesake",
      "name === lock.holder && lock.life !== null ? lock.life.node : known",
      "known",
    ],
    ["address-of-the-holder-kept", ": node === id;", ": node === id || known?.raftAddr === addr;"],
  ]),
  ...mutationsOf("src/brain/cluster/candidate.ts", ["src/brain"], [
    ["handed-over-to-one-that-others-promoted", "return !isPromotedByOthers(status) && ", "return "],
  ]),
  ...mutationsOf("src/brain/cluster/successor.ts", ["src/brain"], [
    ["removed-member-chosen", "seen.ageMs < FRESH_MS && isMember(seen, view))", "seen.ageMs < FRESH_MS)"],
    ["second-grant-for-a-request-complete", "hasAll && (isFirst || cleanStart)", "hasAll"],
    ["promoted-by-others-goes-first", "    outside(a) - outside(b) ||\n", ""],
    ["promoted-by-others-has-everything", "  if (isPromotedByOthers(status)) return false;\n", ""],
    [
      "promoted-by-others-chosen-before-the-reports",
      "others.every(isPromotedByOthers) && !reported.includes(status)",
      "false",
    ],
    ["promoted-by-others-not-even-by-request", "if (!isMeant && !hasEverything", "if (!hasEverything"],
    [
      "promoted-by-others-switched-over-to",
      "const isMeant = namesCandidate(request) && ",
      "const isMeant = ",
    ],
    [
      "promoted-by-others-named-after-a-clean-stop",
      "const isMeant = namesCandidate(request) && cleanEnd(view.dcs.lock) === null;",
      "const isMeant = namesCandidate(request);",
    ],
    [
      "report-of-before-the-lock-was-free-counts",
      "status.epochSeen === lock.epoch && status.lockFreeSeen",
      "status.epochSeen === lock.epoch",
    ],
    [
      "report-of-another-epoch-counts",
      "status.epochSeen === lock.epoch && status.lockFreeSeen",
      "status.lockFreeSeen",
    ],
    [
      "late-member-with-more-passed-over",
      "late !== undefined && view.freeForMs < CANDIDATE_WAIT_MS",
      "false",
    ],
    [
      "late-member-waited-for-without-limit",
      "late !== undefined && view.freeForMs < CANDIDATE_WAIT_MS",
      "late !== undefined",
    ],
    ["late-member-with-less-waited-for", "order(status, best) < 0", "true"],
    [
      "late-member-that-cannot-lead-waited-for",
      "canTakeOver(status, view) &&\n    order(status, best)",
      "order(status, best)",
    ],
    [
      "late-member-waited-for-although-all-is-proven",
      "  if (isPromised(view.dcs.sync)) return undefined;\n",
      "",
    ],
  ]),
];

const failsafe = mutationsOf("src/lease/failsafe.ts", ["src/lease/failsafe.test.ts"], [
  [
    "set-that-may-be-logged-forgotten",
    "if (!this.#possible.some((each) => sameMembers(membersOf(each), wanted))) this.#possible.push(command);",
    "this.#possible = [...this.#possible.filter((each) => !sameMembers(membersOf(each), wanted)), command];",
  ],
  [
    "removal-under-way-not-counted",
    "      if (members === null) return null;\n",
    "      if (members === null) continue;\n",
  ],
]);

/** Names can come twice: what belongs to one machine is touched by another. */
const lives = [
  ...mutationsOf("src/model/life.ts", ["src/model/life.test.ts", "src/dcs", "src/lease/tenure.test.ts"], [
    ["raft-id-is-enough", "a.node === b.node && a.machine === b.machine", "a.node === b.node"],
    ["machine-is-enough", "a.node === b.node && a.machine === b.machine", "a.machine === b.machine"],
    ["any-boot", "&& a?.boot === b?.boot", ""],
    ["former-life-releases", '(claim === "former" && lock.unfenced)', 'claim === "former"'],
    ["name-is-enough", "if (lock.life === null) return", "if (lock.life !== undefined) return"],
  ]),
  ...mutationsOf("src/dcs/grant.ts", ["src/dcs"], [
    [
      "granted-to-another-machine",
      "if (command.life !== undefined && !isSameLife(",
      "if (false && !isSameLife(",
    ],
    ["granted-without-proof", "if (unproven !== null)", "if (false)"],
  ]),
  ...mutationsOf("src/dcs/sync_record.ts", ["src/dcs"], [
    ["sync-by-any-life", 'claimOn(lock, by, life) !== "own") {', "lock.holder !== by) {"],
    ["sync-from-any-revision", "if (sync.revision !== expectRevision) {", "if (false) {"],
    ["sync-unsound", "(!isSound(sync, after, flushed) &&", "(false &&"],
    ["sync-votes-of-other-data", "const isOne = isVoter(sync, holder, grounds.token)", "const isOne = true"],
    [
      "sync-clean-by-word",
      "return cleanEnd(lock) !== null",
      "return lock.ended !== null",
    ],
  ]),
  ...mutationsOf("src/sync/record.ts", ["src/sync", "src/dcs"], [
    [
      "sync-covers-too-much",
      "return quorum + setting.count >= all.size;",
      "return quorum + setting.count >= all.size - 1;",
    ],
    ["sync-old-data-stays", "|| old[name] !== next[name]).length", ").length"],
    ["sync-anybody-covered", "if (takesAnybody(setting)) return false;", ""],
    ["sync-fewer-votes-after-a-grant", "token, voters, sync.quorum);", "token, voters, 0);"],
  ]),
  ...mutationsOf("src/sync/plan.ts", ["src/sync/plan.test.ts"], [
    [
      "sync-mixture",
      "return without?.mixtures ? [setting, goal] : mixtures(setting, goal);",
      "return [setting, goal];",
    ],
    ["sync-set-unsettled", "if (acknowledges && flushed === null)", "if (false)"],
    ["sync-promised-to-strangers", "filter(([name]) => streaming.includes(name))", "filter(() => true)"],
    [
      "sync-mixture-of-a-third",
      'own.method === "FIRST" && own.count === 1 ? own',
      'own.method === "FIRST" ? own',
    ],
  ]),
  ...mutationsOf("src/sync/succession.ts", ["src/sync"], [
    ["sync-one-vote-less", "voters.size > sync.quorum", "voters.size >= sync.quorum"],
    ["sync-elected-without-its-vote", "return voters.has(candidate) && voters", "return voters"],
    ["sync-old-cut", "&& cut?.epoch === epoch ? cut", "&& cut !== undefined ? cut"],
    ["sync-position-before-timeline", "cut.timeline < own.timeline ||", "false ||"],
  ]),
  ...mutationsOf("src/dcs/state_machine.ts", ["src/dcs"], [
    ["released-by-name", "|| !mayRelease(lock, claim)) {", "|| lock.holder !== command.by) {"],
    [
      "unfenced-by-name",
      'claimOn(lock, command.by, command.life ?? null) !== "own") {',
      "lock.holder !== command.by) {",
    ],
    ["fencing-unordered", "(lock.fencingRevision ?? null) !== command.expectRevision", "false"],
  ]),
  ...mutationsOf("src/dcs/member_record.ts", ["src/dcs"], [
    [
      "name-taken-from-the-holder",
      'return { refuse: "another machine holds the lock under this name", code: "name-holds-lock" };',
      "",
    ],
    [
      "name-taken-without-asking",
      "if (known !== undefined && !isSameMember(known, facts) && !replace)",
      "if (false)",
    ],
  ]),
  ...mutationsOf("src/dcs/failsafe_set.ts", ["src/dcs", "src/lease"], [
    ["failsafe-set-by-name", 'claimOn(lock, by, life ?? null) !== "own") {', "lock.holder !== by) {"],
  ]),
  ...mutationsOf("src/agent/lease/tenancy.ts", ["src/agent/lease/tenancy.test.ts"], [
    [
      "fence-lifted-early",
      "return isCurrent && (this.#fencingEpoch !== lock.epoch ||",
      "return isCurrent && (true ||",
    ],
    ["fencing-names-nothing", "raft.status().agreedVersion < FENCING_REVISION_SINCE", "true"],
  ]),
  ...mutationsOf("src/lease/tenure.ts", ["src/lease/tenure.test.ts"], [
    ["silent-guard-taken-for-none", "return view.guardSpoke ?", "return true ?"],
    ["epoch-of-a-namesake", 'if (!mayRelease(lock, claim)) return { kind: "none" };', ""],
    ["epoch-of-a-former-boot-held", 'if (claim === "own" && epoch', "if (epoch"],
  ]),
  ...mutationsOf("src/model/machine.ts", ["src/model/machine.test.ts"], [
    [
      "copied-directory-is-the-same",
      'if (kept.inode !== here.inode) return "the raft directory is a copy";',
      "",
    ],
    ["copied-disk-is-the-same", "return kept.host === here.host ? null", "return true ? null"],
  ]),
];

export const LEASE_MUTATIONS: readonly Mutation[] = [
  ...holder,
  ...grantor,
  ...removals,
  ...failsafe,
  ...lives,
];
