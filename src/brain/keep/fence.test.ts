/** What comes before everything else: fencing, and epochs that are given back. */
import { expect, test } from "bun:test";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
} from "../testing.ts";
import type { PostgresView, Shutdown } from "../../model/postgres_view.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { FENCE, RECORDS_UNKNOWN } from "./fence.ts";
import { keep } from "./rules.ts";
import {
  type Case,
  decides,
  FAST_AFTER_CHECKPOINT,
  KILL,
  MAY_LEAVE,
  PAUSED,
  PROMOTE,
  RELEASE,
} from "./testing.ts";

function promotedAndStopping(stage: Shutdown["stage"]): PostgresView {
  return postgres({
    inRecovery: false,
    process: "stopping",
    action: { kind: "stop", sinceMs: 99_000, detail: "fast" },
    shutdown: { stage, beganMs: 99_000, stageMs: 99_000 },
  });
}

const CASES: readonly Case[] = [
  [
    "a primary whose lock went to another is killed",
    holder({ tenure: "none", dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    "lock-lost",
    KILL,
  ],
  [
    "a primary of an older epoch of ours is killed",
    holder({ dcs: cluster({ lock: lock({ epoch: 4 }) }) }),
    "lock-lost",
    KILL,
  ],
  [
    "a primary whose lock is free is killed",
    holder({ tenure: "none", dcs: cluster({ lock: lock(FREE) }) }),
    "lock-lost",
    KILL,
  ],
  [
    "before the records are known nothing is started or ended",
    holder({ joined: false, tenure: "none" }),
    "records-unknown",
  ],
  [
    "a standby that others have promoted is killed",
    node({ postgres: postgres({ inRecovery: false }) }),
    "promoted-by-others",
    KILL,
  ],
  [
    "also when it was told to end, and a process of it does not",
    node({ stopping: true, postgres: promotedAndStopping("ending") }),
    "promoted-by-others",
    KILL,
  ],
  [
    "but not when it acknowledges nothing any more",
    node({ stopping: true, postgres: promotedAndStopping("checkpoint") }),
    "stop-to-leave",
  ],
  [
    "and while that goes on nothing else is done",
    node({
      postgres: postgres({ inRecovery: false, action: { kind: "stop", sinceMs: 99_000, detail: "kill" } }),
    }),
    "promoted-by-others",
  ],
  [
    "an epoch of a former start is given back",
    node({
      name: "a",
      tenure: "to-release",
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "give-back",
    RELEASE,
  ],
  [
    "an epoch is not given back while processes of PostgreSQL live",
    node({ name: "a", tenure: "to-release", postgres: postgres({ ...STOPPED, process: "orphans" }) }),
    "give-back",
    KILL,
  ],
  [
    "an agent that is to end ends without a majority, too, a ttl after raft was lost",
    node({
      name: "a",
      tenure: "to-release",
      stopping: true,
      raftLostForMs: 5000,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "give-back",
    MAY_LEAVE,
  ],
  [
    "until then it tries to hand the lock over",
    node({
      name: "a",
      tenure: "to-release",
      stopping: true,
      raftLostForMs: 2999,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "give-back",
    RELEASE,
  ],
  [
    "one that is not to end waits for a majority",
    node({
      name: "a",
      tenure: "to-release",
      raftLostForMs: 60_000,
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "give-back",
    RELEASE,
  ],
  [
    "it is, beside processes that were killed and that the kernel keeps",
    node({
      name: "a",
      tenure: "to-release",
      postgres: postgres({ ...STOPPED, process: "orphans", doomed: true }),
    }),
    "give-back",
    RELEASE,
  ],
  [
    "an epoch is not given back while its primary may write",
    holder({ tenure: "to-release" }),
    "lock-lost",
    KILL,
  ],
  [
    "in pause a primary whose lock is another's is ended all the same",
    holder({ ...PAUSED, tenure: "none", dcs: cluster({ lock: lock({ epoch: 4, holder: "c" }) }) }),
    "lock-lost",
    KILL,
  ],
  [
    "a lock that is lost while PostgreSQL is being killed changes nothing",
    holder({
      tenure: "none",
      postgres: postgres({ ...RUNNING_PRIMARY, action: { kind: "stop", sinceMs: 99_000, detail: "kill" } }),
    }),
    "lock-lost",
  ],
  [
    "a lock that is lost outweighs SIGTERM: a shutdown in order could still acknowledge",
    holder({ tenure: "none", stopping: true }),
    "lock-lost",
    KILL,
  ],
  [
    "SIGTERM before the records are known stops PostgreSQL in order",
    holder({ joined: false, tenure: "none", stopping: true }),
    "records-unknown",
    FAST_AFTER_CHECKPOINT,
  ],
];

decides([RECORDS_UNKNOWN, ...FENCE], CASES);

test("in pause a standby that an operator promotes is the operator's affair", () => {
  expect(keep(node({ ...PAUSED, postgres: postgres({ inRecovery: false }) })).actions).toEqual([]);
});

test("nor is one that may be all that is left: the lock is free, its own, or nobody hears its holder", () => {
  const promoted = { postgres: postgres({ inRecovery: false }) };
  const actions = (change: Parameters<typeof node>[0]) => keep(node({ ...promoted, ...change })).actions;
  expect(actions({})).toEqual([KILL]);
  expect(actions({ statuses: [] })).not.toContainEqual(KILL);
  expect(actions({ statuses: [seen(primaryStatus("a"), FRESH_MS)] })).not.toContainEqual(KILL);
  expect(actions({ dcs: cluster({ lock: lock(FREE) }) })).not.toContainEqual(KILL);
  const own = {
    name: "b",
    tenure: "holding",
    leaseUsable: true,
    dcs: cluster({ lock: lock({ holder: "b" }) }),
  } as const;
  expect(actions({ ...own, statuses: [seen(status("b"))] })).toEqual([PROMOTE]);
});
