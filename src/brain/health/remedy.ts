/**
 * What an ailment asks of the cluster: nothing but to be seen, or that another member becomes the primary in
 * place of a holder that has it. Pure.
 */
import type { Ailment, AilmentCause } from "../../model/ailment.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { OwnAilment } from "./course.ts";

export interface Remedy {
  /** How PostgreSQL is stopped to hand over. */
  readonly how: "fast" | "kill";
  /** Whether a checkpoint can still be written: the stop is an orderly one then, and loses nothing. */
  readonly checkpoint: boolean;
  /**
   * PostgreSQL could not go on here: if it ends without that checkpoint, others follow it as after a crash,
   * and not only once they have all of its WAL. Its end on this disk was acknowledged to nobody.
   */
  readonly asCrash: boolean;
  /** How long the ailment has to have been critical at least, ms (persistsMs). */
  readonly afterMs: number;
}

/** It comes and goes with the load, and may be mended in the meantime. */
const PERSISTS_MS = 20_000;
const ORDERLY: Remedy = { how: "fast", checkpoint: true, asCrash: false, afterMs: PERSISTS_MS };
const WITHOUT_CHECKPOINT: Remedy = { how: "fast", checkpoint: false, asCrash: true, afterMs: PERSISTS_MS };

/** null: alarm only, since a change of the primary mends nothing, or is for an operator to weigh. */
const REMEDIES: { readonly [cause in AilmentCause]: Remedy | null } = {
  "data-space": ORDERLY,
  "wal-space": ORDERLY,
  "tablespace-space": ORDERLY,
  "read-only": WITHOUT_CHECKPOINT,
  "write-error": WITHOUT_CHECKPOINT,
  // Its processes end with the disk only. Until then they hold what nobody can acknowledge.
  "hung-disk": { how: "kill", checkpoint: false, asCrash: true, afterMs: 0 },
  // The steps of a shutdown that hangs have limits of their own (../shutdown.ts).
  "postmaster-hung": { how: "fast", checkpoint: false, asCrash: false, afterMs: 0 },
  "slow-disk": null,
  // The next primary would have the same clients.
  "connections-exhausted": null,
  // Which copy of the page is the good one is for an operator to say.
  "checksum-failures": null,
};

/** Causes that have one origin: WAL that fills every disk, a storage that all members share. */
const ORIGINS: readonly (readonly AilmentCause[])[] = [
  ["data-space", "wal-space", "tablespace-space"],
  ["read-only", "write-error", "slow-disk", "hung-disk"],
];

/** A look at the server has this limit, and what it says is spread within a second. */
const LOOK_TAKES_MS = 6000;

/**
 * How long a cause must have been critical. Every member has looked again by then, however its looks lie
 * between those of the holder: where all have the cause (one storage, one machine), all say so, and the lock
 * stays.
 */
function persistsMs({ afterMs }: Pick<Remedy, "afterMs">, healthIntervalS: number): number {
  return Math.max(afterMs, healthIntervalS * 1000 + LOOK_TAKES_MS);
}

/**
 * The first ailment for which a holder with it is to hand over, where another member is better off. None that
 * the latest look has not found: a cause of all members ends at each of them at another moment.
 */
export function toHandOver(
  ailments: readonly OwnAilment[],
  nowMs: number,
  healthIntervalS: number,
): { readonly ailment: OwnAilment; readonly remedy: Remedy } | null {
  for (const ailment of ailments) {
    const remedy = REMEDIES[ailment.cause];
    if (remedy === null || ailment.severity !== "critical" || ailment.doubted) continue;
    if (nowMs - ailment.sinceMs >= persistsMs(remedy, healthIntervalS)) return { ailment, remedy };
  }
  return null;
}

/** PostgreSQL there cannot serve as a primary, or soon will not be able to. */
export function isSick(ailments: readonly Ailment[] | undefined): boolean {
  // Members of a later version may have causes that are not known here.
  return ailments?.some(({ cause, severity }) =>
    severity === "critical" && (REMEDIES[cause] ?? null) !== null
  ) ??
    false;
}

/**
 * For the order among members that are not sick: the higher, the worse. The worst is something critical that
 * a change of the primary does not mend (wrong checksums). A member that has not looked is as one with a
 * warning: its disk may be as full as the former primary's.
 */
export function illness(ailments: readonly Ailment[] | undefined): number {
  if (ailments === undefined) return 1;
  if (ailments.some(({ severity }) => severity === "critical")) return 2;
  return ailments.length > 0 ? 1 : 0;
}

/** A member that gave the lock back lately is better off than a holder that has been sick for so long. */
const RELAPSE_MS = 300_000;

/**
 * A member is better off than a holder with that ailment: it has looked, has nothing critical, and not even
 * the beginning of the same. Ailments undefined: it has not looked, or is of an older version, and its disk
 * may be as full. One that could not lead itself a moment ago may fall ill again as soon as it has the
 * clients: where two are sick by turns, a storm of clients would follow the lock to and fro. It is chosen,
 * too, when the holder does not get well: what lasts is no relapse.
 */
export function isBetterOff(
  { ailments, leadFailure }: Pick<MemberStatus, "ailments" | "leadFailure">,
  than: Pick<OwnAilment, "cause" | "sinceMs">,
  nowMs: number,
): boolean {
  if (ailments === undefined) return false;
  if (leadFailure !== undefined && nowMs - than.sinceMs < RELAPSE_MS) return false;
  const shared = ORIGINS.find((causes) => causes.includes(than.cause)) ?? [than.cause];
  return !ailments.some(({ cause, severity }) => severity === "critical" || shared.includes(cause));
}
