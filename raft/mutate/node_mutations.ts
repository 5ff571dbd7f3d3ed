/** Broken rules of RaftNode: what is applied, answered and admitted. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const TESTS = [
  "raft/node/raft_node.test.ts",
  "raft/node/sessions.test.ts",
  "raft/node/core_driver.test.ts",
  "raft/node/reads.test.ts",
  "raft/node/admission.test.ts",
  "raft/sim",
];

export const NODE_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("raft/node/core_driver.ts", TESTS, [
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
    ["founded-by-one", "return agreeing > (1 + others.length) / 2 ?", "return agreeing > 0 ?"],
  ]),
  ...mutationsOf("raft/node/registrar.ts", TESTS, [
    [
      "wiped-member-welcomed",
      'if (joined !== null && joined !== instance) return "refused";',
      'if (joined !== null && joined !== instance) return "welcome";',
    ],
  ]),
];
