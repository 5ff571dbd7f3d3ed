/** Each standing duty in the states in which it is owed, and just outside of them; slots: slots.test.ts. */
import { expect, test } from "bun:test";
import { beginCopy } from "../model/copy_status.ts";
import { duties, type Duty, missesWal } from "./duties.ts";
import type { DutyView } from "./duty_view.ts";
import {
  cluster,
  duty,
  FREE,
  holder,
  lock,
  node,
  postgres,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
} from "./testing.ts";
import { leaseFromTtl } from "../lease/timing.ts";

const HALF_MS = leaseFromTtl(cluster().grantTtlMs) / 2;
const LINE = [1, 5000, "no recovery target specified"] as const;
const HISTORY = { ...RUNNING_PRIMARY, timelineHistory: [LINE] };
const copying = (kind: "clone" | "rewind") =>
  postgres({ ...STOPPED, action: { kind, sinceMs: 0, detail: "" } });
const copyingFrom = (from: string, fromStandby: boolean, by?: string) =>
  postgres({
    ...STOPPED,
    action: {
      kind: "clone",
      sinceMs: 0,
      detail: "",
      copy: { ...beginCopy(from, fromStandby), ...(by === undefined ? {} : { by }) },
    },
  });
const cancelled = (why: string, sourceFails = true): Duty => ({ kind: "cancel-copy", why, sourceFails });
/** From a, and so many bytes of ten; nothing came for the ms. */
const stalled = (doneBytes: number, forMs: number, totalBytes: number | null = 10) => {
  const copy = { ...beginCopy("a", false), doneBytes, totalBytes };
  const action = { kind: "clone", sinceMs: 0, detail: "", movedMs: 100_000 - forMs, copy } as const;
  return duty(node({ postgres: postgres({ ...STOPPED, action }) }));
};
const CANCELLED = cancelled("a, which is copied, is gone");

const CASES: readonly [string, DutyView, ...Duty[]][] = [
  ["a standby owes nothing", duty(node())],
  [
    "a standby that the guard found running is declared",
    duty(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: true }) })),
    { kind: "declare-standby" },
  ],
  [
    "one that has not answered yet is not",
    duty(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: null }) })),
  ],
  [
    "a primary that was found running is not",
    duty(node({ postgres: postgres({ writable: true, epoch: null, inRecovery: false }) })),
  ],
  ["a copy from a running holder goes on", duty(node({ postgres: copying("clone") }))],
  [
    "a copy from a holder that has been silent for long is cancelled",
    duty(node({ postgres: copyingFrom("a", false), statuses: [seen(primaryStatus("a"), 12_001)] })),
    CANCELLED,
  ],
  [
    "one that has been silent for a while is given time",
    duty(node({ postgres: copying("rewind"), statuses: [seen(primaryStatus("a"), 12_000)] })),
  ],
  [
    "a rewind whose source has lost the lock is cancelled",
    duty(node({ postgres: copying("rewind"), dcs: cluster({ lock: lock(FREE) }) })),
    cancelled("the primary, which is copied, is gone"),
  ],
  [
    "a copy from the primary is cancelled when that has lost the lock",
    duty(node({ postgres: copyingFrom("a", false), dcs: cluster({ lock: lock(FREE) }) })),
    CANCELLED,
  ],
  [
    "a copy from a standby outlives the primary",
    duty(node({
      postgres: copyingFrom("c", true),
      dcs: cluster({ lock: lock(FREE) }),
      statuses: [seen(status("c"))],
    })),
  ],
  [
    "a copy from a standby is cancelled when that falls silent, while the primary is well",
    duty(
      node({
        postgres: copyingFrom("c", true),
        statuses: [seen(primaryStatus("a")), seen(status("c"), 12_001)],
      }),
    ),
    cancelled("c, which is copied, is gone"),
  ],
  [
    "a copy from a standby is cancelled when that is promoted",
    duty(node({ postgres: copyingFrom("c", true), dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) })),
    cancelled("c is promoted, and a copy of a standby must end before that"),
  ],
  [
    "a copy by a command of the user's own goes on without its member",
    duty(
      node({ postgres: copyingFrom("c", true, "backup"), dcs: cluster({ lock: lock(FREE) }), statuses: [] }),
    ),
  ],
  [
    "a restore without a leader goes on without one",
    duty(node({ postgres: copying("clone"), dcs: cluster({ lock: lock(FREE) }), statuses: [] })),
  ],
  ["a copy that stands still for a while is given time", stalled(5, 299_999)],
  [
    "a copy that stands still for long is cancelled",
    stalled(5, 300_000),
    cancelled("nothing has come from a for 5 min"),
  ],
  ["a source may take long to begin", stalled(0, 900_000)],
  ["nobody knows what is left before the source has said so", stalled(5, 900_000, null)],
  ["a copy of which all has come may take long to be written", stalled(10, 900_000)],
  [
    "a copy from a member that was the primary at its beginning goes on under a later epoch",
    duty(node({ postgres: copyingFrom("a", false), dcs: cluster({ lock: lock({ epoch: 5 }) }) })),
  ],
  [
    "a copy is cancelled when the agent is to end",
    duty(node({ postgres: copying("clone"), stopping: true })),
    cancelled("the agent is stopping", false),
  ],
  [
    "the history of a new timeline is recorded, with the time of the grant",
    duty(holder({
      postgres: postgres(HISTORY),
      dcs: cluster({
        events: [{ index: 1, at: "2026-01-01T00:00:00Z", member: "a", kind: "grant", text: "" }],
      }),
    })),
    { kind: "record-history", epoch: 3, line: LINE, at: "2026-01-01T00:00:00Z" },
  ],
  [
    "what is recorded already is not recorded again",
    duty(holder({ postgres: postgres(HISTORY), dcs: cluster({ history: [[1, 5000, "", "", ""]] }) })),
  ],
  [
    "a standby that is to be promoted records nothing",
    duty(holder({ postgres: postgres({ timelineHistory: [LINE] }) })),
  ],
  [
    "half of the lease without a renewal: a checkpoint",
    duty(holder(), { leaseUntilMs: 100_000 + HALF_MS }),
    { kind: "checkpoint", leaseUntilMs: 100_000 + HALF_MS },
  ],
  ["not before", duty(holder(), { leaseUntilMs: 100_001 + HALF_MS })],
  [
    "and once for each lease",
    duty(holder(), { leaseUntilMs: 100_000 + HALF_MS, checkpointedForMs: 100_000 + HALF_MS }),
  ],
  ["without a lease there is nothing to run out", duty(holder(), { leaseUntilMs: null })],
];

for (const [name, view, ...expected] of CASES) {
  test(name, () => expect(duties(view).filter(({ kind }) => kind !== "slots")).toEqual(expected));
}

test("a standby misses the WAL of the holder that it follows when it does not stream its timeline", () => {
  const misses = (change: Parameters<typeof postgres>[0], timeline = 1) =>
    missesWal(node({
      postgres: postgres(change),
      statuses: [
        seen(primaryStatus("a", { timeline })),
        seen(status("b", { tags: { replicatefrom: "c" } })),
        seen(status("c", { running: change?.following === "c" })),
      ],
    }));
  expect(misses({})).toBe(false);
  expect(misses({ replicationState: null })).toBe(true);
  expect(misses({ replicationState: "in archive recovery" })).toBe(true);
  expect(misses({}, 2)).toBe(true);
  expect(misses({ replicationState: null, following: "c" })).toBe(true);
  expect(misses({ replicationState: null, following: "d" })).toBe(false);
  expect(misses({ replicationState: null, following: null })).toBe(false);
  expect(misses({ replicationState: null, process: "starting" })).toBe(false);
});
