/** The status that a member broadcasts, made from its view of itself. Pure. */
import type { Ailment } from "../../model/ailment.ts";
import { isUnjoined } from "../../brain/keep/view.ts";
import type { GuardView } from "../../model/guard_view.ts";
import type { Cut } from "../../model/cut.ts";
import type { JsonObject } from "../../model/json.ts";
import type { LeadFailure } from "../../model/lead_failure.ts";
import type { LastStop } from "../../model/last_stop.ts";
import { isUnfenced, type Life } from "../../model/life.ts";
import type { MemberStatus, WatchdogSummary } from "../../model/member_status.ts";
import { dataIdIn, type PostgresRole, type PostgresView } from "../../model/postgres_view.ts";
import type { CertificateEnd } from "../../model/certificate.ts";
import type { ReloadRefused } from "../../model/reload_refused.ts";
import { type DcsState, isInitialized } from "../../model/records.ts";
import { isPromised } from "../../sync/record.ts";
import { slotsAtRisk } from "../../model/slot_risk.ts";
import type { SyncTrouble } from "../../model/sync_trouble.ts";
import type { Sighting } from "../lease/holder_sightings.ts";
import { differBeyond, isOther, MOVES } from "../peers/short_status.ts";
import type { Watchdog } from "../lease/watchdog.ts";

export interface OwnStatusInput {
  readonly name: string;
  readonly incarnation: number;
  readonly life: Life;
  readonly seq: number;
  readonly nowMs: number;
  /** The wall clock. @default not told */
  readonly wallMs?: number;
  readonly dcs: DcsState;
  readonly postgres: PostgresView;
  readonly guard: GuardView;
  readonly watchdog: WatchdogSummary | undefined;
  readonly watchdogFailed: boolean;
  readonly holding: boolean;
  /** The cluster follows another one. */
  readonly inStandbyCluster: boolean;
  readonly sighting: Sighting;
  readonly walSettled: boolean;
  readonly cut: Cut | null;
  readonly streamedTo: readonly string[];
  readonly stopping: boolean;
  /** @default false */
  readonly endsSoon?: boolean;
  readonly nofailover: boolean;
  readonly failoverPriority: number;
  readonly tags: JsonObject;
  readonly connUrl: string;
  readonly apiUrl: string;
  readonly lateMs: number;
  readonly canLose: number | null;
  /** @default null */
  readonly lastStop?: LastStop | null;
  /** @default null */
  readonly leadFailure?: LeadFailure | null;
  /** @default null */
  readonly needsReinit?: string | null;
  /** @default null */
  readonly reloadRefused?: ReloadRefused | null;
  readonly certificatesEnding?: readonly CertificateEnd[];
  /** @default null */
  readonly ailments?: readonly Ailment[] | null;
  /** @default none */
  readonly syncTroubles?: readonly SyncTrouble[];
}

/**
 * Whether users may be told that they can write here, by PostgreSQL and the records; the lease is checked
 * separately. A primary that shuts down does not count any more. One that starts, recovers from a crash or is
 * being promoted takes no writes yet, however long that lasts. One whose bootstrap is not complete does not
 * count yet: its data may be set aside.
 */
export function servesAsPrimary(
  postgres: Pick<PostgresView, "process" | "writable" | "inRecovery">,
  dcs: DcsState,
): boolean {
  const { process, writable, inRecovery } = postgres;
  const isUp = process === "running" || process === "frozen";
  return writable && isUp && inRecovery === false && isInitialized(dcs);
}

/** Whether users may be told that this is a standby leader; the lease is checked separately. */
function servesAsStandbyLeader(
  { process, writable, inRecovery }: Pick<PostgresView, "process" | "writable" | "inRecovery">,
  dcs: DcsState,
): boolean {
  return process === "running" && !writable && inRecovery === true && isInitialized(dcs);
}

/**
 * In synchronous modes clients are sent to a primary only after a transaction of the agent's own has got the
 * acknowledgements that theirs will wait for.
 */
function awaitsProof(
  { wroteUnder, epoch }: Pick<PostgresView, "wroteUnder" | "epoch">,
  { sync }: DcsState,
): boolean {
  return isPromised(sync) && (wroteUnder === null || wroteUnder !== epoch);
}

/**
 * Whether this member is the leader that users are sent to, now: the primary, or in a standby cluster the
 * standby leader. Its lease runs; or, in pause, the epoch is unfenced: it goes on without a lease until it
 * is fenced again. Decided by the machine, not by the name, which another machine may have.
 */
export function isLeader(own: {
  readonly postgres: Pick<PostgresView, "process" | "writable" | "inRecovery" | "wroteUnder" | "epoch">;
  readonly dcs: DcsState;
  readonly name: string;
  readonly life: Life;
  readonly paused: boolean;
  readonly inStandbyCluster: boolean;
  readonly leaseLeftMs: number;
}): boolean {
  const { postgres, dcs, name, life, paused, inStandbyCluster, leaseLeftMs } = own;
  const serves = inStandbyCluster ? servesAsStandbyLeader : servesAsPrimary;
  if (!serves(postgres, dcs)) return false;
  if (!inStandbyCluster && awaitsProof(postgres, dcs)) return false;
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
    // A bootstrap that may still fail has no users yet: no primary is announced.
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
    directoryUsable: hasUsableData(input),
    primaryDirectory: isFormerPrimary(postgres) || (postgres.inRecovery !== false && isUnjoined(input)),
    bootstrapReady: bootstrapping && hasDirectory && postgres.action?.kind !== "bootstrap" &&
      postgres.last["finish-bootstrap"]?.ok !== false,
    nofailover: input.nofailover,
    failoverPriority: input.failoverPriority,
    watchdogFailed: input.watchdogFailed,
    watchdog: input.watchdog,
    guard: guard.state,
    shuttingDown: input.stopping,
    ...(input.endsSoon ? { endsSoon: true } : {}),
    checkpointAfterPromote: postgres.checkpointAfterPromote,
    tags: input.tags,
    pendingRestart: shortened(postgres.pendingRestart),
    serverVersion: postgres.serverVersion,
    connUrl: input.connUrl,
    apiUrl: input.apiUrl,
    lateMs: input.lateMs,
    ...(input.wallMs === undefined ? {} : { wallMs: input.wallMs }),
    canLose: input.canLose,
    ...seldom(input),
  };
}

/** A bootstrap that may still fail has no data that anybody would wait for. */
function hasUsableData({ postgres: { directory, process }, dcs }: OwnStatusInput): boolean {
  if (directory.kind === "valid") return true;
  if (directory.kind === "half-written" && !isInitialized(dcs)) return false;
  return process === "running" || process === "frozen";
}

/**
 * The directory holds WAL that may be no part of the cluster's history: a former primary's, or that of a
 * standby which somebody had promoted, and which was started as a standby again.
 */
function isFormerPrimary({ directory, process, inRecovery }: PostgresView): boolean {
  if (directory.kind !== "valid") return false;
  return (process === "none" && !directory.standbySignal) || directory.formerPrimary === true ||
    (directory.wroteAlone === true && inRecovery === true);
}

/** Fields that most statuses do not have. */
function seldom(input: OwnStatusInput): Partial<MemberStatus> {
  return {
    ...dataToken(input),
    ...(input.cut === null ? {} : { cut: input.cut }),
    ...(input.lastStop ? { lastStop: input.lastStop } : {}),
    ...(input.leadFailure ? { leadFailure: input.leadFailure } : {}),
    ...(input.needsReinit ? { needsReinit: input.needsReinit.slice(0, SHOWN_VALUE) } : {}),
    ...(input.postgres.action?.copy ? { copy: input.postgres.action.copy } : {}),
    ...copyFailed(input.postgres),
    ...(input.reloadRefused ? { reloadRefused: input.reloadRefused } : {}),
    ...(input.certificatesEnding?.length ? { certificatesEnding: input.certificatesEnding } : {}),
    ...(input.holding && input.inStandbyCluster ? permanentSlots(input.postgres) : {}),
    ...(input.holding && input.postgres.writable
      ? { ...permanentSlots(input.postgres), wroteUnder: input.postgres.wroteUnder ?? 0 }
      : {}),
    ...atRisk(input.postgres),
    ...ailing(input.ailments ?? null),
    ...(input.syncTroubles?.length ? { syncTroubles: input.syncTroubles } : {}),
  };
}

function dataToken({ life, postgres: { directory } }: OwnStatusInput): Pick<MemberStatus, "dataToken"> {
  const id = dataIdIn(directory);
  return id === undefined ? {} : { dataToken: `${life.machine}:${id}` };
}

function atRisk({ slots }: PostgresView): Pick<MemberStatus, "slotsAtRisk"> {
  const found = slotsAtRisk(slots);
  return found.length === 0 ? {} : { slotsAtRisk: found };
}

/** Without what only this member itself needs to know. */
function ailing(ailments: readonly Ailment[] | null): Pick<MemberStatus, "ailments"> {
  if (ailments === null) return {};
  return {
    ailments: ailments.map(({ cause, severity, since, detail }) => ({ cause, severity, since, detail })),
  };
}

function permanentSlots({ slots }: PostgresView): Pick<MemberStatus, "slots"> {
  const known = slots.filter(({ permanent, position }) => permanent && position !== null);
  return known.length === 0
    ? {}
    : { slots: Object.fromEntries(known.map(({ name, position }) => [name, position!])) };
}

/** As long as it has no data of its own; a copy under way is shown beside it. */
function copyFailed({ last: { clone }, directory }: PostgresView): Pick<MemberStatus, "copyFailed"> {
  if (clone === undefined || clone.ok || directory.kind === "valid") return {};
  const times = clone.failures > 1 ? `${clone.failures} times, last ` : "";
  return { copyFailed: `${times}${clone.detail}`.slice(0, SHOWN_VALUE) };
}

/**
 * The others refuse a status that is too large, and would take this member for gone. The member's own REST
 * API shows the settings in full.
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

function roleOf({ postgres, holding, inStandbyCluster, dcs }: OwnStatusInput): PostgresRole {
  if (!isInitialized(dcs)) return "uninitialized";
  const { directory, process } = postgres;
  // A standby that is being promoted has the right to write before it can.
  if (postgres.writable && process !== "none" && postgres.inRecovery !== true) {
    return holding ? "primary" : "demoted";
  }
  if (process === "running" || process === "starting" || process === "frozen") {
    return holding && inStandbyCluster && !postgres.writable ? "standby_leader" : "replica";
  }
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

/** Positions and counters change all the time, and so do the details of copies, ailments and troubles. */
const DETAILS = ["copy", "slots", "slotsAtRisk", "ailments", "syncTroubles"] as const satisfies readonly (
  keyof MemberStatus
)[];
const UNTOLD: ReadonlySet<string> = new Set([...MOVES, ...DETAILS]);

/** Whether more than positions and counters differ: then the others are told at once. */
export function differs(before: MemberStatus, status: MemberStatus): boolean {
  if (before.copy?.from !== status.copy?.from) return true;
  if (isOther(before.ailments?.map(severityOf), status.ailments?.map(severityOf))) return true;
  if (isOther(before.syncTroubles?.map(kindOf), status.syncTroubles?.map(kindOf))) return true;
  return differBeyond(UNTOLD, before, status);
}

function severityOf({ cause, severity }: Pick<Ailment, "cause" | "severity">): readonly string[] {
  return [cause, severity];
}

function kindOf({ kind }: SyncTrouble): string {
  return kind;
}
