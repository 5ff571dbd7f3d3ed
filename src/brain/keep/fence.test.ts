/** What comes before everything else: fencing, and epochs that are given back. */
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  STOPPED,
} from "../testing.ts";
import { FENCE } from "./fence.ts";
import { type Case, decides, FAST_AFTER_CHECKPOINT, KILL, PAUSED, RELEASE } from "./testing.ts";

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
    "a primary that was found running is stopped cleanly, not killed",
    node({ postgres: postgres({ ...RUNNING_PRIMARY, epoch: null }) }),
    "found-running",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "a standby that was found running is left to run",
    node({ postgres: postgres({ writable: true, epoch: null }) }),
    "found-running",
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

decides(FENCE, CASES);
