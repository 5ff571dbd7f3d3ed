/** Broken rules of the consensus core. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const TESTS = ["raft/core"];

const elections = mutationsOf("raft/core/raft.ts", TESTS, [
  ["stale-term-handled", "if (term < this.#term) return this.#answerStale(message);", ""],
  ["later-term-not-entered", "if (term > this.#term && !this.#enterTerm(message)) return;", ""],
  ["stale-leader-not-answered", "if ((checkQuorum || preVote) && (type ===", "if (false && (type ==="],
  [
    "stale-heartbeat-resets-timer",
    "const { checkQuorum, preVote } = this.options;\n",
    "const { checkQuorum, preVote } = this.options;\n    this.electionElapsed = 0;\n",
  ],
  ["stale-prevote-not-answered", '} else if (type === "preVote") {', "} else if (false) {"],
  [
    "vote-without-log-check",
    "const granted = free && this.log.isUpToDate({ term: message.logTerm, index: message.index });",
    "const granted = free && (!isPreVote || this.log.isUpToDate({ term: message.logTerm, index: message.index }));",
  ],
  [
    "prevote-without-log-check",
    "const granted = free && this.log.isUpToDate({ term: message.logTerm, index: message.index });",
    "const granted = free && (isPreVote || this.log.isUpToDate({ term: message.logTerm, index: message.index }));",
  ],
  ["prevotes-split", "if (isPreVote && this.#goesFirst(message)) return;", ""],
  ["silent-to-rivals-for-ever", "this.electionElapsed <= this.options.heartbeatTicks &&", ""],
  [
    "silent-to-better-log",
    "from < this.id && index === lastIndex && logTerm === lastTerm;",
    "from < this.id;",
  ],
  ["vote-given-twice", "const free = this.#vote === from ||", "const free = true ||"],
  ["vote-not-remembered", "    this.#vote = from;\n", ""],
  [
    "vote-to-follower-of-living-leader",
    "(this.#vote === NONE && this.#leader === NONE)",
    "this.#vote === NONE",
  ],
  [
    "vote-counted-twice",
    "if (!this.#votes.has(from)) this.#votes.set(from, !reject);",
    `const silent = this.log.configuration.voters.find((id) => !this.#votes.has(id));
    this.#votes.set(this.#votes.has(from) ? silent ?? from : from, !reject);`,
  ],
  [
    "prevote-counted-as-vote",
    'if (this.#role !== (isPreVote ? "preCandidate" : "candidate")) return;',
    'if (this.#role !== "preCandidate" && this.#role !== "candidate") return;',
  ],
  [
    "prevote-of-another-term-counted",
    "if (isPreVote && !reject && term !== this.#term + 1) return;",
    "",
  ],
  ["prevote-recorded-as-vote", "if (!granted || isPreVote) return;", "if (!granted) return;"],
  [
    "prevote-raises-term",
    'if (type === "preVote" || (type === "preVoteResponse" && !message.reject)) return true;',
    "",
  ],
  [
    "prevote-skipped",
    'this.#campaign(this.options.preVote ? "preVote" : "election");',
    'this.#campaign("election");',
  ],
  ["disloyal-to-living-leader", "if (inLease && !isTransferCampaign(message)) return false;", ""],
  [
    "transfer-campaign-ignored",
    "if (inLease && !isTransferCampaign(message)) return false;",
    "if (inLease) return false;",
  ],
  ["every-campaign-a-transfer", 'kind === "transfer" ? TRANSFER_CONTEXT : EMPTY_BYTES', "TRANSFER_CONTEXT"],
  ["unknowing-server-votes", "    if (!this.options.mayVote()) return;\n", ""],
  [
    "learner-campaigns",
    "return this.log.configuration.voters.includes(this.id) && !this.log",
    "return !this.log",
  ],
  ["campaign-before-snapshot-restored", "&& !this.log.awaitsSnapshot &&", "&&"],
  ["vote-outlives-term", "      this.#vote = NONE;\n", ""],
  ["vote-forgotten-at-restart", "this.#vote = this.#term === term ? vote : NONE;", "this.#vote = NONE;"],
  [
    "term-forgotten-at-restart",
    "this.#term = Math.max(term, this.log.lastTerm);",
    "this.#term = this.log.lastTerm;",
  ],
  [
    "leadership-outlives-term",
    "    this.#leadership = null;\n    this.#votes",
    "    this.#votes",
  ],
  [
    "two-leaders-tolerated",
    'assert(this.#role !== "leader", `${from} leads in term ${term} as this node does`);',
    "",
  ],
  ["second-leader-of-term-followed", "this.#leader === NONE || this.#leader === from,", "true,"],
  [
    "leader-not-heard",
    "    this.#leader = from;\n    this.electionElapsed = 0;\n",
    "    this.#leader = from;\n",
  ],
  [
    "timeout-not-random",
    "this.#electionTimeout = electionTicks + Math.floor(random() * (electionTicksMax - electionTicks + 1));",
    "this.#electionTimeout = electionTicks + 0 * (random() + electionTicksMax);",
  ],
  ["no-entry-of-own-term", "    leadership.appendNoop();\n", ""],
  [
    "candidate-obeys-timeout-now",
    'if (this.#role === "follower") this.#campaign("transfer");',
    'this.#campaign("transfer");',
  ],
]);

const following = mutationsOf("raft/core/raft.ts", TESTS, [
  [
    "acknowledges-end-of-log",
    "this.send(makeMessage({ ...answer, index: lastNew }));",
    "this.send(makeMessage({ ...answer, index: this.log.lastIndex }));",
  ],
  ["old-append-handled-as-new", "if (index < this.log.committed) {", "if (false) {"],
  [
    "vote-before-durable",
    'type === "voteResponse" || type === "preVoteResponse" ||',
    'type === "preVoteResponse" ||',
  ],
  ["acknowledged-before-durable", 'return type === "appendResponse" || ', "return "],
  [
    "asks-for-votes-before-durable",
    'type === "preVoteResponse" ||\n    type === "vote";',
    'type === "preVoteResponse";',
  ],
  ["old-snapshot-restored", "if (snapshot.index <= this.log.committed) return false;", ""],
  ["snapshot-drops-matching-tail", "if (this.log.matches(snapshot.index, snapshot.term)) {", "if (false) {"],
  [
    "snapshot-not-acknowledged",
    "const index = this.#restore(snapshot) ? this.log.lastIndex : this.log.committed;",
    "this.#restore(snapshot);\n    const index = 0;",
  ],
  ["read-of-an-earlier-process", "if (reader.count() !== this.#incarnation) return;", "reader.count();"],
  ["read-answered-by-anybody", "if (from === this.#leader) this.#acceptRead", "this.#acceptRead"],
  [
    "unknowing-server-hides-loss",
    "const reachable = this.options.mayVote() ? commit :",
    "const reachable = false ? commit :",
  ],
]);

const leading = mutationsOf("raft/core/leader.ts", TESTS, [
  [
    "old-term-committed-by-counting",
    'if (!ownTerm && !this.#host.options.isBroken("commit-old-term")) return false;',
    "",
  ],
  ["config-before-own-term-commit", 'if (!this.hasOwnTermCommit) return dropped("noOwnTermCommit");', ""],
  [
    "two-changes-at-once",
    'if (this.#log.configurationIndex > this.#log.committed) return dropped("configPending");',
    "",
  ],
  [
    "read-before-own-term-commit",
    "if (!this.hasOwnTermCommit || this.#timeoutNowSent) return;",
    "if (this.#timeoutNowSent) return;",
  ],
  [
    "read-after-timeout-now",
    "if (!this.hasOwnTermCommit || this.#timeoutNowSent) return;",
    "if (!this.hasOwnTermCommit) return;",
  ],
  ["reads-survive-timeout-now", "    this.#reads.invalidate();\n", ""],
  [
    "read-without-majority",
    ": this.#reads.takeConfirmed(voters, this.#id);",
    ": this.#reads.takeUnconfirmed();",
  ],
  [
    "own-entries-counted-before-durable",
    "    this.#log.append(entries);\n",
    "    this.#log.append(entries);\n    this.#progress.get(this.#id)!.acknowledge(this.#log.lastIndex);\n",
  ],
  [
    "inherited-entries-counted-before-durable",
    "own.acknowledge(this.#log.stable);",
    "own.acknowledge(this.#log.lastIndex);",
  ],
  [
    "learners-counted",
    "majorityIndex(this.#configuration.voters, (id)",
    "majorityIndex([...this.#progress.keys()], (id)",
  ],
  ["heartbeat-commits-beyond-match", "Math.min(progress.match, this.#log.committed)", "this.#log.committed"],
  ["leader-without-quorum-stays", "this.#host.options.checkQuorum && !this.#quorumActive()", "false"],
  [
    "learners-keep-a-leader",
    "const active = voters.filter((id) => this",
    "const active = [...this.#progress.keys()].filter((id) => this",
  ],
  ["silence-not-noticed", "if (id !== this.#id) progress.recentActive = false;", ""],
  ["leader-removes-itself", 'if (change.id === this.#id) return "removesLeader";', ""],
  ["laggard-promoted", "|| missing > CAUGHT_UP_ENTRIES) return", ") return"],
  ["silent-learner-promoted", "if (!this.#answers(promoted) || missing", "if (missing"],
  ["removal-without-quorum", 'if (!enough(hopeful)) return "wouldLoseQuorum";', ""],
  ["learner-with-a-hung-disk-waits-silently", 'if (this.#diskHangs(promoted)) return "diskHangs";', ""],
  [
    "counted-on-for-talking",
    "if (enough(next.voters.filter((id) => this.#writes(id)))) return null;",
    "if (enough(next.voters.filter((id) => this.#answers(id)))) return null;",
  ],
  [
    "learner-that-never-wrote-promoted",
    "ids.length >= needed && (promoted === NONE || ids.includes(promoted));",
    "ids.length >= needed;",
  ],
  [
    "counted-on-for-a-write-long-ago",
    "this.#ticks - wroteAtTick < electionTicks &&",
    "",
  ],
  [
    "counted-on-while-it-owes",
    "\n      this.#ticks - (owesSinceTick ?? this.#ticks) < electionTicks / 2;",
    " true;",
  ],
  ["nobody-at-rest-shows-that-it-writes", "if (idle && this.#appendOwn([", "if (false && this.#appendOwn(["],
  [
    "transfer-to-learner",
    "if (progress === undefined || !this.#configuration.voters.includes(to))",
    "if (progress === undefined)",
  ],
  [
    "timeout-now-to-one-that-lags",
    "if (from === this.#transferee && progress.match === this.#log.lastIndex) this.#sendTimeoutNow();",
    "if (from === this.#transferee) this.#sendTimeoutNow();",
  ],
  [
    "transfer-never-given-up",
    "this.#transferee !== NONE && ++this.#transferTicks >=",
    "false && ++this.#transferTicks >=",
  ],
  [
    "proposals-during-transfer",
    '    if (this.#transferee !== NONE) return dropped("transferPending");\n    const appended',
    "    const appended",
  ],
  [
    "config-during-transfer",
    '    if (this.#transferee !== NONE) return dropped("transferPending");\n    // Without this',
    "    // Without this",
  ],
  [
    "timeout-now-to-laggard",
    "if (progress.match === this.#log.lastIndex) this.#sendTimeoutNow();\n    else",
    "if (true) this.#sendTimeoutNow();\n    else",
  ],
  ["uncommitted-tail-unbounded", "if (size > 0 && this.#uncommittedBytes > 0 && this", "if (false && this"],
  ["uncommitted-bytes-leak", "Math.max(0, this.#uncommittedBytes - bytes)", "this.#uncommittedBytes"],
  ["snapshot-to-the-silent", "if (!progress.recentActive) return false;", ""],
  [
    "lost-snapshot-waited-for-ever",
    "if (++progress.snapshotTicks >=",
    "if (false && ++progress.snapshotTicks >=",
  ],
  ["window-never-reopened", "    progress.paused = false;\n    // A member", "    // A member"],
  [
    "commit-not-told",
    "if (this.#advanceCommit()) {\n      this.#beginReads();\n      this.broadcastAppend();",
    "if (this.#advanceCommit()) {\n      this.#beginReads();",
  ],
  [
    "late-acknowledger-not-told",
    "from !== this.#id && progress.canLearnCommit(this.#log.committed)",
    "false",
  ],
  ["acknowledgement-beyond-log-accepted", "index <= this.#log.lastIndex,\n", "true,\n"],
  [
    "read-quorum-of-an-old-configuration",
    "const { voters } = this.#configuration;\n    const confirmed",
    "const voters = [this.#id];\n    const confirmed",
  ],
]);

const log = mutationsOf("raft/core/log.ts", TESTS, [
  ["kept-entries-of-any-size", "      if (bytes > keepBytes) break;\n", ""],
  [
    "unconditional-truncation",
    "const fresh = entries.findIndex((entry) => !this.matches(entry.index, entry.term));",
    "const fresh = entries.length > 0 ? 0 : -1;",
  ],
  [
    "commit-beyond-message",
    "this.commitTo(Math.min(commit, lastNew));",
    "this.commitTo(Math.min(commit, this.lastIndex));",
  ],
  [
    "previous-entry-not-checked",
    "if (!this.matches(previous.index, previous.term)) return null;",
    "if (previous.index > this.lastIndex) return null;",
  ],
  ["committed-entry-replaced", "      first.index > this.#committed,\n", "      true,\n"],
  ["overtaken-write-counts", "    this.#limitMarks(from - 1);\n", ""],
  ["overtaken-write-counts-after-snapshot", "    this.#limitMarks(snapshot.index);\n", ""],
  ["stable-not-taken-back", "    this.#stable = Math.min(this.#stable, from - 1);\n", ""],
  ["lost-end-of-log-accepted", "      hardState.commit <= this.lastIndex,\n", "      true,\n"],
  [
    "truncated-configuration-kept",
    "this.#configurations = this.#configurations.filter((at) => at.index < from);",
    "",
  ],
  [
    "configuration-lost-by-compaction",
    "const configuration = this.configurationAt(upTo);",
    "const { configuration } = this.#base;",
  ],
  [
    "shorter-log-is-up-to-date",
    "(last.term === this.lastTerm && last.index >= this.lastIndex)",
    "last.term === this.lastTerm",
  ],
  [
    "longer-log-beats-later-term",
    "return last.term > this.lastTerm || (last.term === this.lastTerm && last",
    "return (last",
  ],
  [
    "applied-before-durable",
    "return durableOnly ? Math.min(this.#committed, this.#stable) : this.#committed;",
    "return this.#committed;",
  ],
  [
    "applied-before-snapshot-restored",
    "if (this.awaitsSnapshot || this.#applyPaused) return [];",
    "if (this.#applyPaused) return [];",
  ],
  [
    "snapshot-of-unapplied-state",
    'assert(snapshot.index <= this.#applied, "a snapshot covers only what is applied");',
    "",
  ],
  ["write-order-not-checked", "assert(oldest === mark,", "assert(true,"],
  [
    "commit-beyond-log-accepted",
    "assert(index <= this.lastIndex, `commit ${index} lies",
    "assert(true, `commit ${index} lies",
  ],
]);

const arithmetic = [
  ...mutationsOf("raft/core/quorum.ts", TESTS, [
    ["half-is-a-majority", "Math.floor(voters / 2) + 1", "Math.ceil(voters / 2)"],
    ["one-has-it-all-have-it", "descending[majority(voters.length) - 1]!", "descending[0]!"],
    [
      "strangers-vote",
      "voters.filter((id) => votes.get(id) === true).length",
      "[...votes.values()].filter((vote) => vote).length",
    ],
    [
      "nobody-commits-everything",
      "if (voters.length === 0) return 0;",
      "if (voters.length === 0) return Infinity;",
    ],
  ]),
  ...mutationsOf("raft/core/read_index.ts", TESTS, [
    ["old-answer-confirms-new-read", "round > confirmed)", "confirmed < 1)"],
    ["unknown-round-accepted", "if (round > this.#lastRound) return;", ""],
    [
      "read-round-reused",
      "this.#pending = [];\n  }\n\n  /** Notes",
      "this.#pending = [];\n    this.#lastRound = 0;\n  }\n\n  /** Notes",
    ],
  ]),
  ...mutationsOf("raft/core/progress.ts", TESTS, [
    [
      "next-falls-to-match",
      "Math.max(Math.min(rejected, hint + 1), this.match + 1)",
      "Math.min(rejected, hint + 1)",
    ],
    ["old-rejection-obeyed", "    if (rejected <= this.match) return false;\n", ""],
    [
      "probing-begins-behind-a-lost-snapshot",
      "    this.pendingSnapshot = 0;\n    this.becomeProbe();",
      "    this.becomeProbe();",
    ],
    ["debt-forgotten-with-each-entry", "this.owesSinceTick ??= tick;", "this.owesSinceTick = tick;"],
    ["window-without-limit", "this.paused = this.inflights.full;", "this.paused = false;"],
    ["probe-without-pause", "if (count > 0) this.paused = true;", ""],
  ]),
  ...mutationsOf("raft/core/inflights.ts", TESTS, [
    ["window-without-limit-of-bytes", " || this.#bytes >= this.#capacityBytes", ""],
  ]),
  ...mutationsOf("raft/core/configuration.ts", TESTS, [
    [
      "added-as-voter",
      "return makeConfiguration(voters, [...learners, id]);",
      "return makeConfiguration([...voters, id], learners);",
    ],
    ["last-voter-removed", 'if (voters.length === 1) return "lastVoter";', ""],
  ]),
  ...mutationsOf("raft/core/raw_node.ts", TESTS, [
    ["vote-needs-no-sync", "snapshot !== null || votingChanged,", "snapshot !== null,"],
    ["entries-need-no-sync", "mustSync: entries.length > 0 || snapshot", "mustSync: snapshot"],
    [
      "own-vote-counted-before-durable",
      "    this.#hardState = hardState;\n    return ready;",
      "    this.#hardState = hardState;\n    for (const message of toSelf) raft.step(message);\n    return ready;",
    ],
    [
      "foreign-message-accepted",
      "if (message.to !== this.id || message.from === this.id || message.from === NONE) return;",
      "",
    ],
  ]),
];

export const CORE_MUTATIONS: readonly Mutation[] = [
  ...elections,
  ...following,
  ...leading,
  ...log,
  ...arithmetic,
];
