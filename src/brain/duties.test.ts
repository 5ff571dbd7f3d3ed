/** Each standing duty in the states in which it is owed, and just outside of them. */
import { expect, test } from "bun:test";
import { duties, type Duty, type DutyView, missesWal } from "./duties.ts";
import type { NodeView } from "./keep/view.ts";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  STOPPED,
} from "./testing.ts";
import { leaseFromTtl } from "../lease/timing.ts";

const of = (view: NodeView, change: Partial<DutyView> = {}): DutyView => ({
  ...view,
  leaseUntilMs: Infinity,
  checkpointedForMs: null,
  heardMs: new Map(["a", "b", "c"].map((name) => [name, view.nowMs])),
  ...change,
});
const HALF_MS = leaseFromTtl(cluster().grantTtlMs) / 2;
const SLOTS: Duty = { kind: "slots", members: ["b", "c"], gone: [] };
/** b was heard so long ago, c just now. */
const heard = (agoMs: number) => new Map([["b", 100_000 - agoMs], ["c", 100_000]]);
/** member_slots_ttl, and the time after which a member counts as missing. */
const KEPT_MS = 1_800_000 + cluster().waitTtlMs;
const LINE = [1, 5000, "no recovery target specified"] as const;
const HISTORY = { ...RUNNING_PRIMARY, timelineHistory: [LINE] };
const copying = (kind: "clone" | "rewind") =>
  postgres({ ...STOPPED, action: { kind, sinceMs: 0, detail: "" } });
const CANCELLED: Duty = { kind: "cancel-copy", why: "the member that we copy from is gone" };

const CASES: readonly [string, DutyView, ...Duty[]][] = [
  ["a standby owes nothing", of(node())],
  ["a holder owes slots to the others", of(holder()), SLOTS],
  [
    "a member that has been missing for a while keeps its slot",
    of(holder(), { heardMs: heard(KEPT_MS) }),
    SLOTS,
  ],
  ["one that has been missing for longer does not", of(holder(), { heardMs: heard(KEPT_MS + 1) }), {
    kind: "slots",
    members: ["c"],
    gone: ["b"],
  }],
  [
    "its time begins anew with each primary",
    of(holder({ heldSinceMs: 90_000 }), { heardMs: heard(KEPT_MS + 1) }),
    SLOTS,
  ],
  ["one that was never heard is not missing yet", of(holder(), { heardMs: new Map() }), SLOTS],
  ["a holder owes them before its promotion, too", of(holder({ postgres: postgres() })), SLOTS],
  ["a holder whose PostgreSQL does not run owes none", of(holder({ postgres: postgres(STOPPED) }))],
  ["a primary whose lock is gone owes none", of(holder({ tenure: "none" }))],
  [
    "a standby that the guard found running is declared",
    of(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: true }) })),
    { kind: "declare-standby" },
  ],
  [
    "one that has not answered yet is not",
    of(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: null }) })),
  ],
  [
    "a primary that was found running is not",
    of(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: false }) })),
  ],
  ["a copy from a running holder goes on", of(node({ postgres: copying("clone") }))],
  [
    "a copy from a holder that has been silent for long is cancelled",
    of(node({ postgres: copying("clone"), statuses: [seen(primaryStatus("a"), 12_001)] })),
    CANCELLED,
  ],
  [
    "one that has been silent for a while is given time",
    of(node({ postgres: copying("rewind"), statuses: [seen(primaryStatus("a"), 12_000)] })),
  ],
  [
    "a rewind whose source has lost the lock is cancelled",
    of(node({ postgres: copying("rewind"), dcs: cluster({ lock: lock(FREE) }) })),
    CANCELLED,
  ],
  [
    "a copy is cancelled when the agent is to end",
    of(node({ postgres: copying("clone"), stopping: true })),
    { kind: "cancel-copy", why: "the agent is stopping" },
  ],
  [
    "the history of a new timeline is recorded, with the time of the grant",
    of(holder({
      postgres: postgres(HISTORY),
      dcs: cluster({
        events: [{ index: 1, at: "2026-01-01T00:00:00Z", member: "a", kind: "grant", text: "" }],
      }),
    })),
    SLOTS,
    { kind: "record-history", epoch: 3, line: LINE, at: "2026-01-01T00:00:00Z" },
  ],
  [
    "what is recorded already is not recorded again",
    of(holder({ postgres: postgres(HISTORY), dcs: cluster({ history: [[1, 5000, "", "", ""]] }) })),
    SLOTS,
  ],
  [
    "a standby that is to be promoted records nothing",
    of(holder({ postgres: postgres({ timelineHistory: [LINE] }) })),
    SLOTS,
  ],
  [
    "half of the lease without a renewal: a checkpoint",
    of(holder(), { leaseUntilMs: 100_000 + HALF_MS }),
    SLOTS,
    { kind: "checkpoint", leaseUntilMs: 100_000 + HALF_MS },
  ],
  ["not before", of(holder(), { leaseUntilMs: 100_001 + HALF_MS }), SLOTS],
  [
    "and once for each lease",
    of(holder(), { leaseUntilMs: 100_000 + HALF_MS, checkpointedForMs: 100_000 + HALF_MS }),
    SLOTS,
  ],
  ["without a lease there is nothing to run out", of(holder(), { leaseUntilMs: null }), SLOTS],
];

for (const [name, view, ...expected] of CASES) {
  test(name, () => expect(duties(view)).toEqual(expected));
}

test("a standby misses the WAL of the holder that it follows when it does not stream its timeline", () => {
  const misses = (change: Parameters<typeof postgres>[0], timeline = 1) =>
    missesWal(postgres(change), cluster(), [seen(primaryStatus("a", { timeline }))]);
  expect(misses({})).toBe(false);
  expect(misses({ replicationState: null })).toBe(true);
  expect(misses({ replicationState: "in archive recovery" })).toBe(true);
  expect(misses({}, 2)).toBe(true);
  expect(misses({ replicationState: null, following: "c" })).toBe(false);
  expect(misses({ replicationState: null, process: "starting" })).toBe(false);
});
