import { expect, test } from "bun:test";
import { type ClusterEvent, COMMAND_EVENTS, NOTED_EVENTS } from "../../model/event.ts";
import { seededRandom } from "../../../raft/core/seeded_random.ts";
import { chainOf, linkEvents } from "./event_causes.ts";

type Line = readonly [
  kind: string,
  member: string,
  facts?: ClusterEvent["facts"],
  atS?: number,
  text?: string,
];

/** Events with the ids from 1 on, or from `first`, a second apart. */
function told(lines: readonly Line[], first = 1): ClusterEvent[] {
  return lines.map(([kind, member, facts, atS, text], nth) => ({
    index: 10 + nth,
    id: first + nth,
    at: new Date((atS ?? nth) * 1000).toISOString(),
    member,
    kind,
    text: text ?? kind,
    ...(facts === undefined ? {} : { facts }),
  }));
}

function chain(lines: readonly Line[], id: number, first = 1): readonly string[] {
  const linked = linkEvents(told(lines, first));
  return chainOf(linked, linked.find((event) => event.id === id)!).map(({ kind, member }) =>
    `${kind} ${member}`
  );
}

/** `of`: the id of the event at the end of the chain; left out: the last one. */
const CASES: readonly (readonly [
  story: string,
  lines: readonly Line[],
  chain: readonly string[],
  of?: number,
])[] = [
  ["a crash", [
    ["lock-granted", "node1", { epoch: 7 }],
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["promoted", "node2", { epoch: 8, tookMs: 190 }],
  ], ["postgres-crashed node1", "lock-released node1", "lock-granted node2", "promoted node2"]],

  [
    "a crash that the member could tell only after the release",
    [
      ["lock-granted", "node1", { epoch: 7 }, 0],
      ["lock-released", "node1", { epoch: 7 }, 20],
      ["lock-granted", "node2", { epoch: 8 }, 21],
      ["promoted", "node2", { epoch: 8 }, 22],
      ["postgres-crashed", "node1", { epoch: 7 }, 10],
    ],
    ["postgres-crashed node1", "lock-released node1", "lock-granted node2", "promoted node2"],
    4,
  ],

  ["a full disk behind the crash", [
    ["ailment-began", "node1", { cause: "slow-disk" }, 0, "slow-disk (warning): 2 s"],
    ["ailment-began", "node1", { cause: "data-space" }, 0, "data-space (critical): 1 MB left"],
    ["ailment-began", "node1", { cause: "wal-space" }, 0, "wal-space (critical): 1 MB left"],
    ["ailment-ended", "node1", { cause: "wal-space" }, 0],
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["ailment-began node1", "postgres-crashed node1", "lock-released node1", "lock-granted node2"]],

  ["a sick holder that hands over, of the ailment that it names", [
    ["ailment-began", "node1", { cause: "data-space" }],
    ["ailment-began", "node1", { cause: "slow-disk" }],
    ["cannot-lead", "node1", { epoch: 7 }, 2, "this host is sick (data-space: 1 MB left)"],
    ["lock-released", "node1", { epoch: 7 }, 2],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["ailment-began node1", "cannot-lead node1", "lock-released node1", "lock-granted node2"]],

  ["an ailment that a release does not name did not cause it", [
    ["ailment-began", "node1", { epoch: 7, cause: "slow-disk" }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["lock-released node1", "lock-granted node2"]],

  ["a crash that had passed is not why an agent that stops gives the lock back", [
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["postgres-back", "node1", { epoch: 7 }],
    ["agent-stopping", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["agent-stopping node1", "lock-released node1", "lock-granted node2"]],

  ["a crash that had passed explains nothing", [
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["postgres-back", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["lock-released node1", "lock-granted node2"]],

  ["a lost host, which the raft leader notices before or after the end of its lease", [
    ["lock-expired", "node1", { epoch: 7 }],
    ["member-lost", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
  ], ["member-lost node1", "lock-expired node1", "lock-granted node2"]],

  ["a holder whose earlier loss has nothing to do with this end", [
    ["lock-granted", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["member-lost", "node2", { epoch: 6 }],
    ["member-back", "node2"],
    ["lock-expired", "node2", { epoch: 8 }],
  ], ["lock-expired node2"]],

  ["a promotion that is told after the next grant", [
    ["lock-granted", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["promoted", "node1", { epoch: 7 }],
  ], ["lock-granted node1", "promoted node1"]],

  ["a switchover", [
    ["switchover-requested", "node1", { request: "r" }],
    ["request-accepted", "node1", { request: "r", epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["promoted", "node2", { epoch: 8 }],
    ["request-done", "node2", { request: "r", epoch: 7 }],
  ], [
    "switchover-requested node1",
    "request-accepted node1",
    "lock-released node1",
    "lock-granted node2",
    "promoted node2",
    "request-done node2",
  ]],

  ["a candidate that could not become the primary", [
    ["lock-released", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["cannot-lead", "node2", { epoch: 8 }],
    ["lock-released", "node2", { epoch: 8 }],
    ["lock-granted", "node3", { epoch: 9 }],
  ], [
    "lock-released node1",
    "lock-granted node2",
    "cannot-lead node2",
    "lock-released node2",
    "lock-granted node3",
  ]],

  ["a primary that crashed and is given up", [
    ["lock-granted", "node1", { epoch: 7 }],
    ["promoted", "node1", { epoch: 7 }],
    ["postgres-crashed", "node1", { epoch: 7 }, 5],
    ["cannot-lead", "node1", { epoch: 7 }, 5],
    ["lock-released", "node1", { epoch: 7 }, 5],
    ["lock-granted", "node2", { epoch: 8 }, 6],
  ], ["postgres-crashed node1", "cannot-lead node1", "lock-released node1", "lock-granted node2"]],

  ["the former primary comes back by a rewind", [
    ["lock-expired", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["promoted", "node2", { epoch: 8 }],
    ["rewound", "node1", { epoch: 8 }],
  ], ["lock-expired node1", "lock-granted node2", "promoted node2", "rewound node1"]],

  ["the former primary gives up WAL, and comes back by a rewind", [
    ["lock-expired", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["promoted", "node2", { epoch: 8 }],
    ["wal-lost", "node1", { epoch: 8 }],
    ["wal-lost", "node3", { epoch: 8 }],
    ["rewound", "node1", { epoch: 8 }],
  ], ["lock-expired node1", "lock-granted node2", "promoted node2", "wal-lost node1", "rewound node1"]],

  ["the former primary gives up WAL, and is copied anew", [
    ["lock-granted", "node2", { epoch: 8 }],
    ["wal-lost", "node1", { epoch: 8 }],
    ["cloned", "node1", { epoch: 8 }],
  ], ["lock-granted node2", "wal-lost node1", "cloned node1"]],

  ["what was given up after an earlier failover is not why it is rewound now", [
    ["promoted", "node2", { epoch: 8 }],
    ["wal-lost", "node1", { epoch: 8 }],
    ["promoted", "node3", { epoch: 9 }],
    ["rewound", "node1", { epoch: 9 }],
  ], ["promoted node3", "rewound node1"]],

  ["a request that had failed is not why a later crash costs the lock", [
    ["switchover-requested", "node1", { request: "r" }],
    ["request-accepted", "node1", { request: "r", epoch: 7 }],
    ["request-failed", "node1", { request: "r", epoch: 7 }],
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
  ], ["postgres-crashed node1", "lock-released node1"]],

  ["a request that had failed is not why a later lease expires", [
    ["request-accepted", "node1", { request: "r", epoch: 7 }],
    ["request-failed", "node1", { request: "r", epoch: 7 }],
    ["lock-expired", "node1", { epoch: 7 }],
  ], ["lock-expired node1"]],

  ["a release that names the request, though that had failed by then", [
    ["switchover-requested", "node1", { request: "r" }],
    ["request-accepted", "node1", { request: "r", epoch: 7 }],
    ["request-failed", "node1", { request: "r", epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }, 3, "lock of node1, epoch 7, released: switchover requested"],
  ], ["switchover-requested node1", "request-accepted node1", "lock-released node1"]],

  ["a crash of a primary that a request was to stop", [
    ["request-accepted", "node1", { request: "r", epoch: 7 }],
    ["postgres-crashed", "node1", { epoch: 7 }],
    ["lock-released", "node1", { epoch: 7 }],
  ], ["postgres-crashed node1", "lock-released node1"]],

  ["a holder that had been back for long when its lease expired", [
    ["member-lost", "node1", { epoch: 7 }],
    ["member-back", "node1"],
    ["lock-expired", "node1", { epoch: 7 }],
  ], ["lock-expired node1"]],

  [
    "a holder that was lost only long after its lease had expired",
    [
      ["lock-expired", "node1", { epoch: 7 }, 0],
      ["member-lost", "node1", { epoch: 7 }, 3600],
    ],
    ["lock-expired node1"],
    1,
  ],

  ["a copy that no request of today asked for", [
    ["reinit-requested", "node2"],
    ["cloned", "node2"],
    ["cloned", "node2"],
  ], ["cloned node2"]],

  ["a restart that was not asked for, after one that was", [
    ["restart-requested", "node2"],
    ["postgres-restarted", "node2"],
    ["postgres-restarted", "node2"],
  ], ["postgres-restarted node2"]],

  ["a member that is heard again", [
    ["member-lost", "node2"],
    ["member-back", "node2"],
  ], ["member-lost node2", "member-back node2"]],

  ["a guard that acted while no agent ran, told without the epoch", [
    ["member-lost", "node1", { epoch: 7 }],
    ["lock-expired", "node1", { epoch: 7 }],
    ["lock-granted", "node2", { epoch: 8 }],
    ["postgres-killed", "node1"],
    ["postgres-back", "node1"],
  ], ["member-lost node1", "lock-expired node1", "postgres-killed node1", "postgres-back node1"]],

  ["the guard of a member that was cut off, told late", [
    ["lock-expired", "node1", { epoch: 7 }, 10],
    ["postgres-frozen", "node1", { epoch: 7 }, 4],
    ["postgres-killed", "node1", { epoch: 7 }, 9],
  ], ["postgres-frozen node1", "postgres-killed node1"]],
];

for (const [story, lines, expected, of = lines.length] of CASES) {
  test(`the chain of ${story}`, () => expect(chain(lines, of)).toEqual(expected));
}

test("a cause that is not kept any more is said to be gone, and no id leads nowhere", () => {
  const linked = linkEvents(
    told([["lock-granted", "node2", { epoch: 8 }], ["promoted", "node2", { epoch: 8 }]], 41),
  );
  expect(linked.map(({ id, because, earlierGone }) => [id, because, earlierGone])).toEqual([
    [41, [], true],
    [42, [41], false],
  ]);
  const whole = linkEvents(told([["lock-granted", "node2", { epoch: 1 }]]));
  expect(whole[0]!.earlierGone).toBe(false);
});

test("events of older versions have causes as well", () => {
  const events: ClusterEvent[] = [
    { index: 5, at: "", member: "q", kind: "expire", text: "" },
    { index: 9, at: "", member: "q", kind: "grant", text: "" },
  ];
  expect(linkEvents(events).map(({ id, kind, because }) => [id, kind, because])).toEqual([
    [5, "lock-expired", []],
    [9, "lock-granted", [5]],
  ]);
});

test("records with far more events than are ever kept are read in no time, the last ones", () => {
  const kinds = ["ailment-began", "postgres-crashed", "lock-released", "cloned"] as const;
  const many = told(Array.from({ length: 100_000 }, (_, n) => [kinds[n % 4]!, "node1", { epoch: 7 }]));
  const began = performance.now();
  const linked = linkEvents(many);
  expect(performance.now() - began).toBeLessThan(3000);
  expect([linked.length, linked.at(-1)!.id]).toEqual([200, 100_000]);
});

test("whatever the events are, causes are among them, and no chain is a circle", () => {
  const random = seededRandom(20);
  const below = (n: number) => Math.floor(random() * n);
  const kinds = [...COMMAND_EVENTS, ...NOTED_EVENTS, "grant", "of a later version"];
  let links = 0;
  for (let round = 0; round < 300; round++) {
    const events = Array.from({ length: 30 }, (_, nth): ClusterEvent => ({
      index: nth,
      ...(below(9) === 0 ? {} : { id: below(4) === 0 ? below(30) : nth }),
      at: below(9) === 0 ? "no time" : new Date(below(30) * 1000).toISOString(),
      member: `node${below(2)}`,
      kind: kinds[below(kinds.length)]!,
      text: "",
      facts: { epoch: below(3), request: `r${below(2)}`, cause: "c" },
    }));
    const linked = linkEvents(events);
    const ids = new Set(linked.map(({ id }) => id));
    for (const event of linked) {
      links += event.because.length;
      expect(event.because.every((id) => ids.has(id) && id !== event.id)).toBe(true);
      expect(chainOf(linked, event).length).toBeLessThanOrEqual(linked.length);
    }
  }
  expect(links).toBeGreaterThan(1000);
});
