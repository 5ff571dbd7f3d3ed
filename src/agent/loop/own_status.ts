/** The status that a member broadcasts, made from what it sees of itself. Pure. */
import type { GuardView } from "../../guard/port.ts";
import type { JsonObject } from "../../model/json.ts";
import type { LastStop } from "../../model/last_stop.ts";
import { isUnfenced, type Life } from "../../model/life.ts";
import type { MemberStatus, WatchdogSummary } from "../../model/member_status.ts";
import type { PostgresRole, PostgresView } from "../../model/postgres_view.ts";
import { type DcsState, isInitialized } from "../../model/records.ts";
import type { Sighting } from "../lease/holder_sightings.ts";
import type { Watchdog } from "../lease/watchdog.ts";

export interface OwnStatusInput {
  readonly name: string;
  readonly incarnation: number;
  readonly life: Life;
  readonly seq: number;
  readonly nowMs: number;
  readonly dcs: DcsState;
  readonly postgres: PostgresView;
  readonly guard: GuardView;
  readonly watchdog: WatchdogSummary | undefined;
  readonly watchdogFailed: boolean;
  readonly holding: boolean;
  readonly sighting: Sighting;
  readonly walSettled: boolean;
  readonly streamedTo: readonly string[];
  readonly stopping: boolean;
  readonly nofailover: boolean;
  readonly failoverPriority: number;
  readonly tags: JsonObject;
  readonly connUrl: string;
  readonly apiUrl: string;
  readonly lateMs: number;
  readonly canLose: number | null;
  /** @default null */
  readonly lastStop?: LastStop | null;
}

/**
 * Whether users may be told that they can write here, as far as PostgreSQL and the records go; the lease is
 * asked for beside it. A primary that shuts down is none any more, whatever it still does; one that starts,
 * recovers from a crash or is being promoted takes no writes yet, however long that lasts; one whose
 * bootstrap is not complete is none yet: what is written to it may be set aside.
 */
export function servesAsPrimary(
  postgres: Pick<PostgresView, "process" | "writable" | "inRecovery">,
  dcs: DcsState,
): boolean {
  const { process, writable, inRecovery } = postgres;
  const isUp = process === "running" || process === "frozen";
  return writable && isUp && inRecovery === false && isInitialized(dcs);
}

/**
 * Whether this member is the primary that users are sent to, now. Its lease runs; or, in pause, the epoch is
 * unfenced: it writes without a lease until it is fenced again. By the machine, not by the name: another one
 * may have it.
 */
export function isWritablePrimary(own: {
  readonly postgres: Pick<PostgresView, "process" | "writable" | "inRecovery">;
  readonly dcs: DcsState;
  readonly name: string;
  readonly life: Life;
  readonly paused: boolean;
  readonly leaseLeftMs: number;
}): boolean {
  const { postgres, dcs, name, life, paused, leaseLeftMs } = own;
  if (!servesAsPrimary(postgres, dcs)) return false;
  return leaseLeftMs > 0 || (paused && isUnfenced(dcs.lock, name, life));
}

export function ownStatus(input: OwnStatusInput): MemberStatus {
  const { postgres, dcs, guard } = input;
  const { directory, process } = postgres;
  const running = process === "running" || process === "frozen";
  const bootstrapping = dcs.initialize?.systemId === "" && dcs.initialize.by === input.name &&
    dcs.initialize.incarnation === input.incarnation;
  const hasDirectory = directory.kind === "valid" ||
    (directory.kind === "half-written" && directory.what === "bootstrap");
  return {
    name: input.name,
    incarnation: input.incarnation,
    life: input.life,
    seq: input.seq,
    epochSeen: dcs.lock.epoch,
    lockFreeSeen: dcs.lock.holder === null,
    holderSeenEpoch: input.sighting.epoch,
    holderLsn: input.sighting.lsn,
    walSettled: input.walSettled,
    role: roleOf(input),
    state: postgres.state,
    running,
    lookAgeMs: running && postgres.lastLookMs !== null ? Math.round(input.nowMs - postgres.lastLookMs) : null,
    // A bootstrap that may still fail has no users yet: nobody is told of a primary.
    writable: postgres.writable && postgres.inRecovery === false && process === "running" && input.holding &&
      isInitialized(dcs),
    systemId: postgres.systemId,
    timeline: postgres.timeline,
    walLsn: postgres.walLsn,
    receivedLsn: postgres.receivedLsn,
    replayedLsn: postgres.replayedLsn,
    diskLsn: !running && directory.kind === "valid"
      ? Math.max(directory.control.checkpointLsn, directory.control.minRecoveryLsn)
      : null,
    replicationState: postgres.replicationState,
    streamedTo: input.streamedTo,
    following: postgres.following,
    directoryUsable: running || directory.kind === "valid",
    primaryDirectory: directory.kind === "valid" &&
      ((process === "none" && !directory.standbySignal) || directory.formerPrimary === true),
    bootstrapReady: bootstrapping && hasDirectory && postgres.action?.kind !== "bootstrap" &&
      postgres.last["finish-bootstrap"]?.ok !== false,
    nofailover: input.nofailover,
    failoverPriority: input.failoverPriority,
    watchdogFailed: input.watchdogFailed,
    watchdog: input.watchdog,
    guard: guard.state,
    shuttingDown: input.stopping,
    checkpointAfterPromote: postgres.checkpointAfterPromote,
    tags: input.tags,
    pendingRestart: shortened(postgres.pendingRestart),
    serverVersion: postgres.serverVersion,
    connUrl: input.connUrl,
    apiUrl: input.apiUrl,
    lateMs: input.lateMs,
    canLose: input.canLose,
    ...(input.lastStop ? { lastStop: input.lastStop } : {}),
  };
}

/**
 * Others refuse a status that is too large, and would take this member for gone. Its own REST API shows them
 * whole.
 */
const SHOWN_SETTINGS = 100;
const SHOWN_VALUE = 400;

function shortened(pending: MemberStatus["pendingRestart"]): MemberStatus["pendingRestart"] {
  if (pending === null) return null;
  const cut = (value: string) => value.length > SHOWN_VALUE ? `${value.slice(0, SHOWN_VALUE)}...` : value;
  return Object.fromEntries(
    Object.entries(pending).slice(0, SHOWN_SETTINGS).map((
      [name, { old_value, new_value }],
    ) => [name, { old_value: cut(old_value), new_value: cut(new_value) }]),
  );
}

function roleOf({ postgres, holding, dcs }: OwnStatusInput): PostgresRole {
  if (!isInitialized(dcs)) return "uninitialized";
  const { directory, process } = postgres;
  // A standby that is being promoted has the right to write before it can.
  if (postgres.writable && process !== "none" && postgres.inRecovery !== true) {
    return holding ? "primary" : "demoted";
  }
  if (process === "running" || process === "starting" || process === "frozen") return "replica";
  if (directory.kind === "valid") return directory.standbySignal ? "replica" : "demoted";
  return "uninitialized";
}

/**
 * The state of this member's watchdog, for the others to show; undefined where there is none and none is
 * required.
 */
export function watchdogSummary(watchdog: Watchdog | undefined): WatchdogSummary | undefined {
  const status = watchdog?.status();
  if (status === undefined || status.mode === "off") return undefined;
  const { mode, active, timeoutS } = status;
  return active || mode === "required" ? { mode, active, timeoutS } : undefined;
}

/** Everything of a status but positions and counters: when it changes, others are told at once. */
export function significant(status: MemberStatus): string {
  const {
    seq: _seq,
    walLsn: _wal,
    receivedLsn: _received,
    replayedLsn: _replayed,
    holderLsn: _holder,
    lookAgeMs: _look,
    lateMs: _late,
    ...rest
  } = status;
  return JSON.stringify(rest);
}
