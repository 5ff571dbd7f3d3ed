/**
 * What one look at the disks, or at PostgreSQL, says of a member: symptoms, which become ailments when they
 * last (course.ts). Pure.
 */
import {
  type Ailment,
  AILMENT_CAUSES,
  type AilmentCause,
  type AilmentSeverity,
  MAX_AILMENT_DETAIL,
} from "../../model/ailment.ts";
import { fullText } from "./filling.ts";
import type { DynamicConfig } from "../../model/config.ts";
import { PLACE_KINDS, type PlaceKind, type PlaceReading } from "../../model/place_reading.ts";

/** The thresholds of the dynamic configuration. */
export type HealthLimits = Pick<
  DynamicConfig,
  "diskWarningPercent" | "diskCriticalPercent" | "diskCapBytes"
>;

export interface Symptom {
  readonly cause: AilmentCause;
  readonly severity: AilmentSeverity;
  readonly detail: string;
}

/** The causes that a look at PostgreSQL speaks of. */
export const SERVER_CAUSES: readonly AilmentCause[] = [
  "postmaster-hung",
  "connections-exhausted",
  "checksum-failures",
];

/** Those of them that end with the postmaster. */
export const POSTMASTER_CAUSES: readonly AilmentCause[] = ["postmaster-hung", "connections-exhausted"];

/** The causes that a probe of the disks which has ended speaks of: the others. */
export const DISK_CAUSES: readonly AilmentCause[] = AILMENT_CAUSES.filter((cause) =>
  !SERVER_CAUSES.includes(cause)
);

/** What a new connection to PostgreSQL has found. */
export type ServerReading =
  | {
    readonly answers: true;
    /** Connections of clients, without that of the look itself. */
    readonly used: number;
    /** max_connections. */
    readonly most: number;
    /** Those of `most` that ordinary users do not get. */
    readonly reserved: number;
    /** Pages with a wrong checksum, in databases that had one in the last 24 hours. */
    readonly checksumFailures: number;
    readonly databases: string;
  }
  /** It was refused, for want of a connection. */
  | { readonly answers: false; readonly why: "full" }
  | { readonly answers: false; readonly why: "silent"; readonly limitMs: number };

const SPACE: { readonly [kind in PlaceKind]: AilmentCause } = {
  data: "data-space",
  wal: "wal-space",
  tablespace: "tablespace-space",
};
/** A write of a small file takes some ms; one of a disk that is busy, some hundred. */
const SLOW_MS = 1000;
/** Room has to become larger than the limit by so much before its ailment ends. */
const RECOVERED = 1.25;
const NO_ROOM = ["ENOSPC", "EDQUOT"];
/** The directory is moved or removed at this moment, which is found out elsewhere. */
const NOT_THERE = ["ENOENT", "ENOTDIR"];

/** The worst symptom of each cause. `fullIn`: ms until the place is full, as far as that is known. */
export function diskSymptoms(
  places: readonly PlaceReading[],
  limits: HealthLimits,
  shown: readonly Pick<Ailment, "cause" | "severity">[],
  fullIn: (place: PlaceReading) => number | null = () => null,
): readonly Symptom[] {
  const found: Symptom[] = [];
  for (const place of ownDevices(places)) found.push(...room(place, limits, shown, fullIn(place)));
  for (const place of places) found.push(...writing(place));
  return worstOfEach(found);
}

/** A place on the device of an earlier one has no room of its own. */
function ownDevices(places: readonly PlaceReading[]): readonly PlaceReading[] {
  const order = ({ kind }: PlaceReading) => PLACE_KINDS.indexOf(kind);
  const sorted = [...places].sort((a, b) => order(a) - order(b));
  return sorted.filter(({ device }, index) => sorted.findIndex((other) => other.device === device) === index);
}

function room(
  { kind, path, totalBytes, freeBytes, failure }: PlaceReading,
  limits: HealthLimits,
  shown: readonly Pick<Ailment, "cause" | "severity">[],
  fullInMs: number | null,
): readonly Symptom[] {
  const cause = SPACE[kind];
  const percent = totalBytes > 0 ? Math.floor((100 * freeBytes) / totalBytes) : 0;
  const free = `${sizeText(freeBytes)} of ${sizeText(totalBytes)} free (${percent} %)`;
  const soon = fullInMs === null ? "" : `, ${fullText(fullInMs)}`;
  const detail = `${free} in the file system of ${path}${soon}`;
  if (failure !== null && NO_ROOM.includes(failure.code)) {
    return [symptom(cause, "critical", `a small file cannot be written (${failure.code}): ${detail}`)];
  }
  if (totalBytes === 0) return [];
  const before = shown.find((each) => each.cause === cause)?.severity;
  const counted = Math.min(totalBytes, limits.diskCapBytes) / 100;
  const isShort = (severity: AilmentSeverity, limitPercent: number) => {
    const stays = before === severity || before === "critical";
    return limitPercent > 0 && freeBytes < counted * limitPercent * (stays ? RECOVERED : 1);
  };
  if (isShort("critical", limits.diskCriticalPercent)) return [symptom(cause, "critical", detail)];
  if (isShort("warning", limits.diskWarningPercent)) return [symptom(cause, "warning", detail)];
  return [];
}

function writing({ path, writeMs, failure }: PlaceReading): readonly Symptom[] {
  if (failure === null) {
    if (writeMs === null || writeMs < SLOW_MS) return [];
    const detail = `a small file in ${path} took ${(writeMs / 1000).toFixed(1)} s to write`;
    return [symptom("slow-disk", "warning", detail)];
  }
  const { call, code } = failure;
  if (NO_ROOM.includes(code) || NOT_THERE.includes(code)) return [];
  if (code === "EROFS") return [symptom("read-only", "critical", `the file system of ${path} is read-only`)];
  return [symptom("write-error", "critical", `${call} of a small file in ${path} failed with ${code}`)];
}

/** A small file that has not been written and read for a while, at the place where the probe is. */
export interface Unfinished {
  readonly kind: PlaceKind;
  readonly path: string;
  readonly forMs: number;
}

/**
 * A disk that wrote WAL in the meantime does not hang. A new file has to wait for much else: where a bulk
 * load has filled the page cache, for minutes. Committed WAL does not, and a kill would lose it.
 * `last`: the places as the last probe that ended has found them; empty: none has, and the disk hangs.
 */
export function hungSymptom(
  { kind, path, forMs }: Unfinished,
  last: readonly PlaceReading[],
  walMoves: boolean,
): Symptom {
  const text = `a small file in ${path} has not been written and read for ${Math.round(forMs / 1000)} s`;
  const device = (of: PlaceKind) => last.find((place) => place.kind === of)?.device;
  const holdsWal = kind === "wal" || (kind === "data" && device("data") !== undefined &&
    device("data") === device("wal"));
  return walMoves && holdsWal
    ? symptom("slow-disk", "warning", `${text}, but WAL has`)
    : symptom("hung-disk", "critical", text);
}

export function serverSymptoms(reading: ServerReading): readonly Symptom[] {
  if (!reading.answers) {
    if (reading.why === "full") {
      const detail = "every connection is taken, those of superusers and WAL senders too";
      return [symptom("connections-exhausted", "critical", detail)];
    }
    const detail = `its process lives, and a new connection got no answer for ${reading.limitMs / 1000} s`;
    return [symptom("postmaster-hung", "critical", detail)];
  }
  const { used, most, reserved, checksumFailures, databases } = reading;
  const found: Symptom[] = [];
  if (used >= most - reserved) {
    const detail =
      `${used} of ${most} connections are taken, and ${reserved} are reserved: others cannot connect`;
    found.push(symptom("connections-exhausted", "critical", detail));
  }
  if (checksumFailures > 0) {
    const pages = checksumFailures === 1 ? "page" : "pages";
    const detail = `${checksumFailures} ${pages} with a wrong checksum in ${databases}`;
    found.push(symptom("checksum-failures", "critical", detail));
  }
  return found;
}

export function symptom(cause: AilmentCause, severity: AilmentSeverity, detail: string): Symptom {
  return { cause, severity, detail: detail.slice(0, MAX_AILMENT_DETAIL) };
}

function worstOfEach(found: readonly Symptom[]): readonly Symptom[] {
  const critical = found.filter(({ severity }) => severity === "critical");
  const sorted = [...critical, ...found.filter(({ severity }) => severity !== "critical")];
  return sorted.filter(({ cause }, index) => sorted.findIndex((other) => other.cause === cause) === index);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function sizeText(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const number = bytes / 1024 ** step;
  return `${step === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)} ${UNITS[step]}`;
}
