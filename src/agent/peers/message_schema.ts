/**
 * The form of what members tell each other on raft's opaque channels. The sender has the password or a
 * certificate. It may still be faulty, or have another version. A message without this form must not reach a
 * decision: an exception there ends every member that hears it.
 *
 * Unlike commands (src/dcs/command_schema.ts) nothing here is kept: the form may change, as long as messages
 * of the last releases are accepted. A field of a later version is left out of the result, so that no
 * unchecked value goes on.
 */
import { type JsonBounds, parseBounded } from "../../model/bounded_json.ts";
import { isLife } from "../../model/life.ts";
import { MAX_ENTRIES } from "../../model/limits.ts";
import {
  type Check,
  type Fields,
  finite,
  flag,
  json,
  line,
  list,
  map,
  openFields,
  orNull,
  text,
  tuple,
  wholeNumber,
} from "../../model/shape.ts";

/**
 * Bounds of a whole message. A status is 2 kB long; with tags and settings that wait for a restart it may be
 * 100 kB.
 */
export const MESSAGE_BOUNDS: JsonBounds = {
  maxBytes: 256 * 1024,
  maxDepth: 12,
  maxValues: 10_000,
  maxText: 16 * 1024,
};
/** A status in another message: as text, so escaped. */
const RELAY_BOUNDS: JsonBounds = { ...MESSAGE_BOUNDS, maxBytes: 1024 * 1024, maxText: 256 * 1024 };
/** The same bounds as for the tags in a record. */
const TAGS_BOUNDS: JsonBounds = { maxBytes: 16 * 1024, maxDepth: 8, maxValues: 500, maxText: 4096 };
const MAX_LSN = 2 ** 64;
const MAX_MS = 2 ** 53;
const MAX_SETTINGS = 1000;
/** The same limit as for the members in a record. */
const MAX_MEMBERS = 128;
const MAX_RISKS = 100;
/** A later version may know more causes. */
const MAX_CERTIFICATES = 20;
const MAX_AILMENTS = 50;

const count = wholeNumber();
const isLine = line(256);
const name: Check = (value, bounded) =>
  isLine(value, bounded) ?? (value === "__proto__" ? "this is no name of a member" : null);
/** One of a few words; a later version may have more of them. */
const word = text(64);
const address = text(1024);
const lsn = orNull(finite(0, MAX_LSN));
const ms = finite(-MAX_MS, MAX_MS);
const bytes = finite(0, MAX_LSN);
const life: Check = (value) => isLife(value) ? null : "a life is expected";

interface Shape {
  readonly names: readonly string[];
  readonly check: Check;
}

function shape(
  required: { readonly [field: string]: Check },
  optional: { readonly [field: string]: Check } = {},
): Shape {
  return {
    names: [...Object.keys(required), ...Object.keys(optional)],
    check: openFields(required, optional),
  };
}

const CERTIFICATES = list(openFields({ key: word, ends: word }), MAX_CERTIFICATES);

export const STATUS = shape({
  name,
  incarnation: count,
  seq: count,
  epochSeen: count,
  lockFreeSeen: flag,
  holderSeenEpoch: count,
  walSettled: flag,
  role: word,
  state: word,
  running: flag,
  writable: flag,
  systemId: orNull(word),
  timeline: orNull(count),
  walLsn: lsn,
  receivedLsn: lsn,
  replayedLsn: lsn,
  diskLsn: lsn,
  replicationState: orNull(word),
  following: orNull(address),
  directoryUsable: flag,
  primaryDirectory: flag,
  bootstrapReady: flag,
  nofailover: flag,
  failoverPriority: finite(-(2 ** 31), 2 ** 31),
  watchdogFailed: flag,
  guard: word,
  shuttingDown: flag,
  checkpointAfterPromote: flag,
  tags: json(TAGS_BOUNDS, TAGS_BOUNDS),
  pendingRestart: orNull(
    map(text(256), openFields({ old_value: text(16 * 1024), new_value: text(16 * 1024) }), MAX_SETTINGS),
  ),
  serverVersion: orNull(count),
  connUrl: address,
  apiUrl: address,
  lateMs: ms,
}, {
  life,
  wallMs: ms,
  holderLsn: lsn,
  lookAgeMs: orNull(ms),
  streamedTo: list(name, MAX_MEMBERS),
  endsSoon: flag,
  wroteUnder: count,
  slots: map(text(63), finite(0, MAX_LSN), MAX_ENTRIES),
  slotsAtRisk: list(
    openFields({
      name: text(63),
      heldBytes: finite(0, MAX_LSN),
      safeBytes: orNull(finite(-MAX_LSN, MAX_LSN)),
    }),
    MAX_RISKS,
  ),
  watchdog: openFields({ mode: word, active: flag, timeoutS: orNull(ms) }),
  lastStop: openFields({ at: word, steps: list(word, 10), why: text(1000), over: flag }),
  leadFailure: openFields({ at: word, why: text(1000), times: count, sitsOut: flag }),
  reloadRefused: openFields({ at: word, why: text(1000) }),
  certificatesEnding: CERTIFICATES,
  canLose: orNull(count),
  copy: openFields({
    from: name,
    fromStandby: flag,
    doneBytes: bytes,
    totalBytes: orNull(bytes),
    bytesPerSecond: orNull(bytes),
  }, { by: name }),
  copyFailed: text(1000),
  needsReinit: text(1000),
  ailments: list(
    openFields({ cause: word, severity: word, since: word, detail: text(1000) }),
    MAX_AILMENTS,
  ),
  syncTroubles: list(openFields({ kind: word, since: word, detail: text(1000) }), MAX_AILMENTS),
  dataToken: text(200),
  cut: openFields({ epoch: count, timeline: count, lsn: finite(0, MAX_LSN) }),
});

export const WITNESS = shape({
  name,
  raftAddr: address,
  apiUrl: address,
  canLose: orNull(count),
}, { holderSeenEpoch: count, holderLsn: lsn, certificatesEnding: CERTIFICATES });

const RENEWAL = shape({ holder: name, life, epoch: count, incarnation: count, seq: count }, {
  countsOnMs: count,
  revision: count,
});
const ACK = shape({ epoch: count, incarnation: count, seq: count, grantTtlMs: count });

const decoder = new TextDecoder();

/** null: it is no JSON within the bounds, or not of that form. Never throws. */
export function readMessage(bytes: Uint8Array, { names, check }: Shape): Fields | null {
  const value = parse(bytes, MESSAGE_BOUNDS);
  return value !== null && check(value, true) === null ? only(value, names) : null;
}

const SHORT_BOUNDS: JsonBounds = { maxBytes: 512, maxDepth: 1, maxValues: 32, maxText: 0 };
/** incarnation, base, seq, and what moves, in the order of short_status.ts with the bounds of STATUS. */
const SHORT = tuple(count, count, count, lsn, lsn, lsn, lsn, orNull(ms), ms, ms);

export function readShort(bytes: Uint8Array): readonly (number | null)[] | null {
  if (bytes.length > SHORT_BOUNDS.maxBytes) return null;
  const parsed = parseBounded(decoder.decode(bytes), SHORT_BOUNDS);
  if (!parsed.ok || SHORT(parsed.value, true) !== null) return null;
  return parsed.value as (number | null)[];
}

export type LeaseFields =
  | { readonly kind: "renew"; readonly renewal: Fields }
  | { readonly kind: "ack"; readonly ack: Fields };

export function readLease(bytes: Uint8Array): LeaseFields | null {
  const value = parse(bytes, MESSAGE_BOUNDS);
  if (value?.kind === "renew" && RENEWAL.check(value.renewal, true) === null) {
    return { kind: "renew", renewal: only(value.renewal as Fields, RENEWAL.names) };
  }
  if (value?.kind === "ack" && ACK.check(value.ack, true) === null) {
    return { kind: "ack", ack: only(value.ack as Fields, ACK.names) };
  }
  return null;
}

export function readRelayed(bytes: Uint8Array): { readonly from: number; readonly status: string } | null {
  const value = parse(bytes, RELAY_BOUNDS);
  if (value === null || count(value.from, true) !== null || typeof value.status !== "string") return null;
  return { from: value.from as number, status: value.status };
}

function parse(bytes: Uint8Array, bounds: JsonBounds): Fields | null {
  if (bytes.length > bounds.maxBytes) return null;
  const parsed = parseBounded(decoder.decode(bytes), bounds);
  const { value = null } = parsed.ok ? parsed : {};
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
}

function only(value: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(
    names.filter((field) => Object.hasOwn(value, field)).map((field) => [field, value[field]]),
  );
}
