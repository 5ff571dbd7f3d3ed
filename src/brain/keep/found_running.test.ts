/** A server that the guard found running: adopted, refused, or ended. */
import { expect, test } from "bun:test";
import type { MemberStatus } from "../../model/member_status.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { duties } from "../duties.ts";
import {
  cluster,
  duty,
  DYNAMIC,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SYSTEM_ID,
} from "../testing.ts";
import { FOUND_RUNNING } from "./found_running.ts";
import { keep } from "./rules.ts";
import { type Case, decides, FAST_AFTER_CHECKPOINT, KILL, MAY_LEAVE, PAUSED } from "./testing.ts";
import type { NodeView } from "./view.ts";

const SILENT = { process: "starting", writable: true, epoch: null, inRecovery: null } as const;
const UNDECLARED = { writable: true, epoch: null } as const;
/** No agent has managed these. */
const PRIMARY = postgres({
  ...RUNNING_PRIMARY,
  ...UNDECLARED,
  directory: { ...PRIMARY_DIRECTORY, unmanaged: true },
});
const STANDBY = postgres({ ...UNDECLARED, directory: { ...STANDBY_DIRECTORY, unmanaged: true } });
const OTHER = "7300000000000000099";

const CLAIM = { kind: "claim-initialize" } as const;
const NEW = cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) });
const FOUNDING = cluster({ initialize: { systemId: "", by: "b", incarnation: 1 }, lock: lock({ epoch: 1 }) });

/** Node b in a cluster without data, beside c in that state. */
function founding(server: PostgresView, other: Partial<MemberStatus> = {}): NodeView {
  const nothing = { running: false, walLsn: null, systemId: null, timeline: null, directoryUsable: false };
  const c = status("c", { ...nothing, replicationState: null, ...other });
  return node({ dcs: NEW, postgres: server, statuses: [seen(c)] });
}

/** The holder in pause, whose guard has found a primary that an agent has managed. */
function restarted(change: Partial<NodeView>): NodeView {
  const server = postgres({ ...RUNNING_PRIMARY, ...UNDECLARED });
  return holder({ ...PAUSED, postgres: server, leaseUsable: false, ...change });
}

const RUNS_PRIMARY = { running: true, walLsn: 1000, directoryUsable: true, timeline: 1 };
const STREAMS = { running: true, directoryUsable: true, replicationState: "streaming", timeline: 1 };
/** A stopped standby of the same data and timeline. */
const FULLER = {
  state: "stopped",
  systemId: SYSTEM_ID,
  timeline: 1,
  directoryUsable: true,
  receivedLsn: null,
  replayedLsn: null,
} as const;
const EMPTY = postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null });
const STOPPED_PRIMARY = postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY });

const CASES: readonly Case[] = [
  ["a running primary founds the cluster", founding(PRIMARY), "found-primary", CLAIM],
  [
    "also beside a stopped primary's directory, whose data may be older",
    founding(PRIMARY, { primaryDirectory: true, directoryUsable: true, systemId: SYSTEM_ID, timeline: 1 }),
    "found-primary",
    CLAIM,
  ],
  ["also beside its standby", founding(PRIMARY, { ...STREAMS, systemId: SYSTEM_ID }), "found-primary", CLAIM],
  ["not beside a second one", founding(PRIMARY, { ...RUNS_PRIMARY, systemId: SYSTEM_ID }), "found-primary"],
  ["nor beside one of other data", founding(PRIMARY, { ...RUNS_PRIMARY, systemId: OTHER }), "found-primary"],
  [
    "not where a later timeline shows that another primary followed it",
    founding(PRIMARY, { ...STREAMS, systemId: SYSTEM_ID, timeline: 2 }),
    "found-primary",
  ],
  ["not while it is being shut down", founding({ ...PRIMARY, process: "stopping" }), "found-primary"],
  [
    "one that an agent has managed founds it again",
    founding({ ...PRIMARY, directory: PRIMARY_DIRECTORY }),
    "found-primary",
    CLAIM,
  ],
  [
    "without the watchdog that it needs a primary founds nothing",
    { ...founding(PRIMARY), watchdogFailed: true },
    "found-primary",
  ],
  [
    "a stopped primary's directory leaves it to a running primary",
    founding(STOPPED_PRIMARY, { ...RUNS_PRIMARY, systemId: SYSTEM_ID }),
    "claim-bootstrap",
  ],
  [
    "and waits for the primary of a running standby",
    founding(STOPPED_PRIMARY, { ...STREAMS, systemId: SYSTEM_ID }),
    "claim-bootstrap",
  ],
  [
    "and for a server that its agent has found, and that does not answer it",
    founding(STOPPED_PRIMARY, { state: "starting", systemId: SYSTEM_ID, timeline: 1, directoryUsable: true }),
    "claim-bootstrap",
  ],
  [
    "and not for a standby that is stopped",
    founding(STOPPED_PRIMARY, { state: "stopped", systemId: SYSTEM_ID, timeline: 1, directoryUsable: true }),
    "claim-bootstrap",
    CLAIM,
  ],
  [
    "and for one that followed it",
    founding(STOPPED_PRIMARY, { systemId: SYSTEM_ID, timeline: 2, directoryUsable: true }),
    "claim-bootstrap",
  ],
  [
    "not where a standby has more of its timeline: the directory is an older copy",
    founding({ ...STOPPED_PRIMARY, receivedLsn: 2000 }, { ...FULLER, receivedLsn: 2001 }),
    "claim-bootstrap",
  ],
  [
    "a standby that has as much is one that followed it",
    founding({ ...STOPPED_PRIMARY, receivedLsn: 2000 }, { ...FULLER, receivedLsn: 2000 }),
    "claim-bootstrap",
    CLAIM,
  ],
  [
    "nor does a running primary found it beside such a standby",
    founding({ ...PRIMARY, walLsn: 2000 }, { ...FULLER, diskLsn: 2001 }),
    "found-primary",
  ],
  [
    "one that streams has it from there",
    founding({ ...PRIMARY, walLsn: 2000 }, { ...STREAMS, systemId: SYSTEM_ID, receivedLsn: 2001 }),
    "found-primary",
    CLAIM,
  ],
  [
    "two such directories found nothing",
    founding(STOPPED_PRIMARY, { primaryDirectory: true, directoryUsable: true }),
    "claim-bootstrap",
  ],
  ["a stopped standby founds nothing", founding(postgres(STOPPED)), "claim-bootstrap"],
  ["nor does a running one", founding(postgres()), "claim-bootstrap"],
  ["one alone does", founding(STOPPED_PRIMARY), "claim-bootstrap", CLAIM],
  ["an empty node leaves it to a running primary", founding(EMPTY, RUNS_PRIMARY), "claim-bootstrap"],
  ["and waits for the primary of a standby", founding(EMPTY, STREAMS), "claim-bootstrap"],
  [
    "once the right to found the cluster is claimed, the primary waits for the lock",
    node({ dcs: FOUNDING, postgres: PRIMARY, leaseUsable: true }),
    "found-primary",
  ],
  [
    "and for its lease",
    node({ dcs: FOUNDING, postgres: PRIMARY, tenure: "holding" }),
    "found-primary",
  ],
  [
    "then it is taken over while it runs",
    node({ dcs: FOUNDING, postgres: PRIMARY, tenure: "holding", leaseUsable: true }),
    "found-primary",
    { kind: "adopt-primary", epoch: 1 },
  ],
  [
    "in pause the holder's primary, restarted by others, goes on under its epoch",
    restarted({ dcs: cluster({ lock: lock({ unfenced: true }) }), leaseUsable: true }),
    "found-primary",
    { kind: "adopt-primary", epoch: 3 },
  ],
  [
    "unfenced, it waits for the lease to be confirmed, and runs on",
    restarted({ dcs: cluster({ lock: lock({ unfenced: true }) }) }),
    "found-primary",
  ],
  [
    "with a lease that runs and an armed guard it need not be unfenced yet",
    restarted({ leaseUsable: true }),
    "found-primary",
    { kind: "adopt-primary", epoch: 3 },
  ],
  [
    "it goes on where maintenance mode has ended, and its epoch is not fenced again yet",
    restarted({
      leaseUsable: true,
      dynamic: DYNAMIC,
      dcs: cluster({ lock: lock({ holder: "a", unfenced: true }) }),
    }),
    "found-primary",
    { kind: "adopt-primary", epoch: 3 },
  ],
  ["with neither it is stopped", restarted({}), "found-primary", FAST_AFTER_CHECKPOINT],
  [
    "so is one of another member than the holder",
    restarted({ tenure: "none", dcs: cluster({ lock: lock({ holder: "c", unfenced: true }) }) }),
    "found-primary",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "and one beside a lease that is no pause's: nothing has fenced it",
    restarted({ leaseUsable: true, dynamic: DYNAMIC }),
    "found-primary",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "and one in a standby cluster, where nobody may write",
    restarted({
      leaseUsable: true,
      dynamic: { ...PAUSED.dynamic, standbyCluster: { host: "10.0.0.9" } },
    }),
    "found-primary",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "a primary waits while another member founds the cluster",
    node({
      dcs: cluster({ initialize: { systemId: "", by: "c", incarnation: 1 } }),
      postgres: PRIMARY,
      tenure: "holding",
      leaseUsable: true,
    }),
    "found-primary",
  ],
  [
    "a second primary of the same data is refused, and not touched",
    node({ postgres: PRIMARY }),
    "refuse-running",
    { kind: "exit", message: expect.stringContaining("two primaries: the cluster has a as its primary") },
  ],
  [
    "so is one whose member the records name as the holder: they are of an earlier time",
    node({ postgres: PRIMARY, name: "a" }),
    "refuse-running",
    { kind: "exit", message: expect.stringContaining("no agent has managed it since the cluster was made") },
  ],
  [
    "a server of another cluster is refused, with or without an agent in its past",
    node({ postgres: postgres({ ...RUNNING_PRIMARY, ...UNDECLARED, systemId: OTHER }) }),
    "refuse-running",
    { kind: "exit", message: expect.stringContaining(`${SYSTEM_ID} != ${OTHER}`) },
  ],
  [
    "a standby of another cluster, too",
    node({ postgres: { ...STANDBY, systemId: OTHER } }),
    "refuse-running",
    { kind: "exit", message: expect.stringContaining("system ID mismatch, node b") },
  ],
  [
    "a standby that follows a later primary is refused",
    node({ postgres: { ...STANDBY, timeline: 2 } }),
    "refuse-running",
    { kind: "exit", message: expect.stringContaining("beyond timeline 1 of the primary a") },
  ],
  ["a standby founds nothing, and waits", founding(STANDBY), "found-standby"],
  [
    "it waits while its primary is being taken over",
    node({ dcs: FOUNDING, postgres: STANDBY }),
    "found-standby",
  ],
  [
    "it is taken over once its primary is heard",
    node({ postgres: STANDBY }),
    "found-standby",
  ],
  [
    "a standby that was found running is left to run",
    node({ postgres: postgres(UNDECLARED) }),
    "found-standby",
  ],
  [
    "SIGTERM leaves a primary that was not taken over as it is",
    { ...founding(PRIMARY), stopping: true },
    "not-taken-over",
    MAY_LEAVE,
  ],
  [
    "before the records are known, too",
    { ...founding(PRIMARY), stopping: true, joined: false },
    "records-unknown",
    MAY_LEAVE,
  ],
  [
    "nothing is decided before its directory is read",
    founding({ ...PRIMARY, directory: { kind: "absent" } }),
    "found-running",
  ],
  [
    "one that does not answer and that no agent has managed is left alone",
    node({ undeclaredForMs: 60_000, postgres: postgres({ ...SILENT, directory: PRIMARY.directory }) }),
    "found-running",
  ],
  [
    "a primary that was found running is stopped cleanly, not killed",
    node({ postgres: postgres({ ...RUNNING_PRIMARY, epoch: null }) }),
    "found-primary",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "one that does not answer is killed after a while, as another member may write by now",
    node({ undeclaredForMs: 3000, postgres: postgres(SILENT) }),
    "found-running",
    KILL,
  ],
  [
    "it is given time to answer",
    node({ undeclaredForMs: 2999, postgres: postgres(SILENT) }),
    "found-running",
  ],
  [
    "it is not killed where nobody else has the lock: it may be all that is left",
    node({ undeclaredForMs: 60_000, postgres: postgres(SILENT), dcs: cluster({ lock: lock(FREE) }) }),
    "found-running",
  ],
  [
    "nor in pause",
    node({ ...PAUSED, undeclaredForMs: 60_000, postgres: postgres(SILENT) }),
    "found-running",
  ],
  [
    "a standby that was found running is left to run",
    node({ postgres: postgres({ writable: true, epoch: null }) }),
    "found-standby",
  ],
];

decides(FOUND_RUNNING, CASES);

test("the guard hears that a server is a standby only when it is known to be one of the cluster", () => {
  const declared = (view: NodeView) => duties(duty(view)).some(({ kind }) => kind === "declare-standby");
  expect(declared(node({ postgres: STANDBY }))).toBe(true);
  expect(declared(node({ postgres: STANDBY, statuses: [seen(primaryStatus("a"), 5000)] }))).toBe(false);
  const holding = seen(primaryStatus("a", { epochSeen: 1 }));
  expect(declared(node({ postgres: STANDBY, dcs: FOUNDING, statuses: [holding] }))).toBe(false);
  expect(declared(node({ postgres: { ...STANDBY, systemId: OTHER } }))).toBe(false);
  expect(declared(node({ postgres: { ...STANDBY, timeline: 2 } }))).toBe(false);
  expect(declared(founding(STANDBY))).toBe(false);
  // One that an agent has managed before: it is a standby wherever its primary is.
  expect(declared(node({ postgres: postgres(UNDECLARED), statuses: [] }))).toBe(true);
  expect(declared(node({ postgres: PRIMARY }))).toBe(false);
});

test("the records name an adopted primary only once its directory shows that it is an agent's", () => {
  const adopted = (unmanaged: boolean) =>
    keep(node({
      dcs: FOUNDING,
      tenure: "holding",
      leaseUsable: true,
      postgres: postgres({ ...RUNNING_PRIMARY, epoch: 1, directory: { ...PRIMARY_DIRECTORY, unmanaged } }),
    }));
  expect(adopted(true).actions).toEqual([]);
  expect(adopted(false).actions).toEqual([{ kind: "complete-initialize", systemId: SYSTEM_ID }]);
});
