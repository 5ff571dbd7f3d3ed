/** A server that was found running while the cluster's records are unknown. */
import {
  cluster,
  DYNAMIC,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  STANDBY_DIRECTORY,
  SWITCHOVER,
} from "../testing.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { FOUND_UNLEASED } from "./found_unleased.ts";
import { type Case, decides, FAST, KILL, PAUSED } from "./testing.ts";
import type { NodeView } from "./view.ts";

const UNDECLARED = { writable: true, epoch: null } as const;
const SILENT = { process: "starting", inRecovery: null } as const;
const STOP = { kind: "stop", sinceMs: 99_000, detail: "fast" } as const;

/** Member b, which no majority has told anything since its start. */
function cutOff(server: Partial<PostgresView>, change: Partial<NodeView> = {}): NodeView {
  const found = postgres({ ...RUNNING_PRIMARY, ...UNDECLARED, ...server });
  return node({ joined: false, postgres: found, ...change });
}

const UNFENCED = lock({ holder: "b", unfenced: true });
const OWN_PAUSE = { ...PAUSED, ownsUnfenced: true, dcs: cluster({ lock: UNFENCED }) };
/** An accepted request: the epoch may have been given up for it. */
const REQUEST = { ...SWITCHOVER, leader: "b", candidate: "c", epoch: UNFENCED.epoch };

const CASES: readonly Case[] = [
  ["a primary in an agent's directory is stopped at once", cutOff({}), "found-unleased", FAST],
  [
    "one that no agent has managed runs on",
    cutOff({ directory: { ...PRIMARY_DIRECTORY, unmanaged: true } }),
    "records-unknown",
  ],
  [
    "a standby runs on",
    cutOff({ inRecovery: true, walLsn: null, directory: STANDBY_DIRECTORY }),
    "records-unknown",
  ],
  ["a primary whose guard knows its epoch has a deadline", cutOff({ epoch: 3 }), "records-unknown"],
  ["in pause the own unfenced primary runs on", cutOff({}, OWN_PAUSE), "records-unknown"],
  [
    "a copy of its machine does not, nor the machine after another boot",
    cutOff({}, { ...OWN_PAUSE, ownsUnfenced: false }),
    "found-unleased",
    FAST,
  ],
  [
    "nor one that was to hand over",
    cutOff({}, { ...OWN_PAUSE, dcs: cluster({ lock: UNFENCED, failover: REQUEST }) }),
    "found-unleased",
    FAST,
  ],
  [
    "nor one whose maintenance mode is over",
    cutOff({}, { ...OWN_PAUSE, dynamic: DYNAMIC }),
    "found-unleased",
    FAST,
  ],
  ["a primary that the guard fences has a deadline, too", cutOff({ foundUnder: 3 }), "records-unknown"],
  ["a server that does not answer has 3 s", cutOff(SILENT, { undeclaredForMs: 2999 }), "records-unknown"],
  ["then it is killed", cutOff(SILENT, { undeclaredForMs: 3000 }), "found-unleased", KILL],
  [
    "a standby that does not answer yet is waited for",
    cutOff({ ...SILENT, directory: STANDBY_DIRECTORY }, { undeclaredForMs: 9000 }),
    "records-unknown",
  ],
  [
    "a directory that was not read yet says nothing",
    cutOff({ directory: { kind: "absent" } }),
    "records-unknown",
  ],
  ["its stop is waited for", cutOff({ process: "stopping", action: STOP }), "found-unleased"],
  [
    "and goes on to the next step when it hangs",
    cutOff({
      process: "stopping",
      action: STOP,
      shutdown: { stage: "ending", beganMs: 20_000, stageMs: 20_000 },
    }),
    "found-unleased",
    { kind: "stop", how: "immediate", checkpoint: false },
  ],
];

decides([FOUND_UNLEASED], CASES);
