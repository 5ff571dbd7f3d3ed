/** A shutdown under way. */
import type { PostgresView } from "../../model/postgres_view.ts";
import { cluster, holder, postgres, RUNNING_PRIMARY, seen, status, STOPPED } from "../testing.ts";
import { SHUTDOWN } from "./shutdown.ts";
import { type Case, decides, FAST, IMMEDIATE, PAUSED, RELEASE } from "./testing.ts";
import type { NodeView } from "./view.ts";

/** What is under way is the subject; how long each step lasts has tests of its own beside ../shutdown.ts. */
function shuttingDown(server: Partial<PostgresView>, change: Partial<NodeView> = {}): NodeView {
  return holder({
    postgres: postgres({ ...RUNNING_PRIMARY, process: "stopping", ...server }),
    ...change,
  });
}
const STOP = { kind: "stop", sinceMs: 80_000, detail: "fast" } as const;
const SHUT_DOWN = {
  writable: false,
  action: STOP,
  shutdown: { stage: "closed", beganMs: 80_000, stageMs: 99_900 },
} as const;
const CASES: readonly Case[] = [
  ["a shutdown that this agent did not begin is seen to", shuttingDown({}), "shutdown-unattended", FAST],
  ["in pause it is watched", shuttingDown({}, PAUSED), "shutdown-unattended"],
  [
    "a lock to hand over goes as soon as a standby has the shutdown checkpoint",
    shuttingDown(SHUT_DOWN, { stopping: true, dcs: cluster() }),
    "past-checkpoint",
    RELEASE,
  ],
  [
    "a restart that took too long hands over like that, too",
    shuttingDown({
      ...SHUT_DOWN,
      last: { restart: { kind: "restart", ok: false, atMs: 80_000, detail: "", failures: 1 } },
    }, { restartTimeoutS: 30 }),
    "past-checkpoint",
    RELEASE,
  ],
  ["a restart of ours waits for the archiver", shuttingDown(SHUT_DOWN), "past-checkpoint"],
  [
    "what was killed and is kept by the kernel hands over",
    shuttingDown({
      writable: false,
      action: { ...STOP, detail: "kill" },
      shutdown: { stage: "ending", beganMs: 95_000, stageMs: 95_000 },
    }),
    "doomed",
    RELEASE,
  ],
  [
    "a restart that is past its shutdown checkpoint by the guard's word was not killed",
    shuttingDown({
      writable: false,
      action: { kind: "restart", sinceMs: 95_000, detail: "" },
      shutdown: { stage: "checkpoint", beganMs: 95_000, stageMs: 95_000 },
    }),
    "busy",
  ],
  [
    "one that was killed in the end was",
    shuttingDown({
      writable: false,
      action: { kind: "restart", sinceMs: 95_000, detail: "kill: it does not end" },
      shutdown: { stage: "ending", beganMs: 95_000, stageMs: 95_000 },
    }),
    "doomed",
    RELEASE,
  ],
  [
    "so does what an earlier guard has left behind",
    holder({ postgres: postgres({ ...STOPPED, process: "orphans", doomed: true }) }),
    "doomed",
    RELEASE,
  ],
  [
    "in pause nobody would be promoted for it",
    holder({ ...PAUSED, postgres: postgres({ ...STOPPED, process: "orphans", doomed: true }) }),
    "pause-holder",
  ],
  [
    "a shutdown that hangs goes on to the next step",
    shuttingDown({ action: STOP, shutdown: { stage: "ending", beganMs: 20_000, stageMs: 20_000 } }),
    "shutdown-overdue",
    IMMEDIATE,
  ],
  [
    "a standby that others have promoted has not the shutdown checkpoint, whatever its position",
    shuttingDown(SHUT_DOWN, {
      stopping: true,
      dcs: cluster(),
      statuses: [seen(status("b", { timeline: 2, walLsn: 9000, receivedLsn: null, replayedLsn: null }))],
    }),
    "past-checkpoint",
  ],
  [
    "a standby on an older timeline has not the shutdown checkpoint, whatever its position",
    shuttingDown({ ...SHUT_DOWN, timeline: 2 }, { stopping: true, dcs: cluster() }),
    "past-checkpoint",
  ],
];

decides(SHUTDOWN, CASES);
