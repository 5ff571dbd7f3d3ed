/**
 * Reads the records from a snapshot, of this program or of an older one that did not have every field. Only
 * types are judged, as older programs took values that this one refuses; no reader of records may throw on a
 * value that passes.
 */
import { type JsonBounds, parseBounded } from "../model/bounded_json.ts";
import type { DcsState } from "../model/records.ts";
import { LOOSE_BOUNDS } from "./command_schema.ts";
import {
  fields,
  flag,
  isFields,
  json,
  list,
  map,
  oneOf,
  orNull,
  text,
  tuple,
  wholeNumber,
} from "../model/shape.ts";

/** A snapshot holds many commands' worth of records, each within LOOSE_BOUNDS. */
const SNAPSHOT_BOUNDS: JsonBounds = {
  maxBytes: 512 * 1024 * 1024,
  maxDepth: LOOSE_BOUNDS.maxDepth + 8,
  maxValues: 20_000_000,
  maxText: 16 * 1024 * 1024,
};

const number = wholeNumber();
const any = text(Infinity);
const tree = json(LOOSE_BOUNDS, LOOSE_BOUNDS);
const life = fields({ node: number, machine: any, boot: any });
const texts = list(any, Infinity);

const isState = fields({
  revision: number,
  clusterEpoch: number,
  initialize: orNull(fields({ systemId: any, by: any, incarnation: number })),
  config: orNull(fields({ value: tree, revision: number }, { at: any, by: any })),
  lock: fields({
    epoch: number,
    holder: orNull(any),
    reason: any,
    lastHolder: orNull(any),
    ended: orNull(fields({
      how: oneOf("released", "expired"),
      lsn: orNull(number),
      timeline: orNull(number),
    })),
    cleanStart: flag,
    unfenced: flag,
    life: orNull(life),
  }, { fencingRevision: number }),
  failover: orNull(fields({
    kind: oneOf("switchover", "failover"),
    leader: orNull(any),
    candidate: orNull(any),
    scheduledAt: orNull(any),
    id: any,
    accepted: flag,
    epoch: number,
    revision: number,
  })),
  failoverResults: list(fields({ id: any, ok: flag, text: any }), Infinity),
  sync: fields({ leader: orNull(any), syncStandby: texts, quorum: number, revision: number }, {
    data: map(any, any, Infinity),
    unknown: flag,
  }),
  history: list(tuple(number, number, any, any, any), Infinity),
  failsafe: orNull(
    fields({ epoch: number, holder: any, members: map(any, any, Infinity), revision: number }, {
      life,
      nodes: map(any, number, Infinity),
    }),
  ),
  members: map(
    any,
    fields({
      name: any,
      connUrl: any,
      apiUrl: any,
      proxyUrl: orNull(any),
      raftAddr: any,
      tags: tree,
      version: any,
    }, { life }),
    Infinity,
  ),
  grantTtlMs: number,
  waitTtlMs: number,
  events: list(
    fields({ index: number, at: any, member: any, kind: any, text: any }, {
      id: number,
      by: any,
      facts: fields({}, {
        epoch: number,
        timeline: number,
        lsn: number,
        tookMs: number,
        request: any,
        revision: number,
        other: any,
        cause: any,
        end: number,
        bytes: number,
        transactions: number,
        kept: any,
      }),
      times: number,
      firstAt: any,
    }),
    Infinity,
  ),
}, {
  restarts: map(
    any,
    fields({ id: any, schedule: any }, {
      restart_pending: flag,
      role: oneOf("primary", "standby_leader", "replica"),
      postgres_version: any,
      timeout: number,
    }),
    Infinity,
  ),
  losses: list(
    fields({ member: any, at: any, timeline: number, lsn: number, end: number, bytes: number }, {
      transactions: number,
      kept: any,
    }),
    Infinity,
  ),
  configHistory: list(
    fields({ value: tree, revision: number, at: orNull(any), by: orNull(any) }),
    Infinity,
  ),
});

export type StateRead =
  | { readonly ok: true; readonly state: DcsState }
  | { readonly ok: false; readonly flaw: string };

/**
 * `empty`: the values of fields that the snapshot does not have. No bytes at all are the empty state. Never
 * throws.
 */
export function readState(data: Uint8Array, empty: DcsState): StateRead {
  if (data.length === 0) return { ok: true, state: empty };
  const read = parseBounded(new TextDecoder().decode(data), SNAPSHOT_BOUNDS);
  if (!read.ok) return { ok: false, flaw: `the records are ${read.problem}` };
  const { value } = read;
  if (!isFields(value)) return { ok: false, flaw: "the records are no map" };
  const lock = isFields(value.lock) ? { ...empty.lock, ...value.lock } : value.lock ?? empty.lock;
  const state = { ...empty, ...value, lock };
  const flaw = isState(state, false);
  return flaw === null ? { ok: true, state: state as DcsState } : { ok: false, flaw: `the records: ${flaw}` };
}
