/**
 * The form of each command, and of the values in it: names, times, addresses, sizes. Used by the one parser
 * of commands (commands.ts) wherever one is proposed, passed on or applied.
 *
 * Nothing here may be tightened: members whose programs judge one entry of the log differently would have
 * different records from then on. A new refusal, and each new field, takes the next version of commands, and
 * is judged by the version in force at the entry's place.
 */
import type { JsonBounds } from "../model/bounded_json.ts";
import type { JsonObject } from "../model/json.ts";
import { MAX_TIMEOUT_S } from "../model/limits.ts";
import type { FailoverRecord } from "../model/records.ts";
import { TAGS_BOUNDS } from "../config/tags.ts";
import { NOTED_EVENTS } from "../model/event.ts";
import type { CommandBody } from "./command.ts";
import {
  type Check,
  fields,
  flag,
  json,
  line,
  list,
  map,
  matching,
  oneOf,
  orNull,
  text,
  tuple,
  wholeNumber,
} from "../model/shape.ts";

/** Bounds of a whole command. raft takes 1 MiB. */
export const COMMAND_BOUNDS: JsonBounds = {
  maxBytes: 1024 * 1024,
  maxDepth: 24,
  maxValues: 20_000,
  maxText: 64 * 1024,
};
/** Where only types are judged: bounds that keep the code that walks a configuration from overflowing. */
export const LOOSE_BOUNDS: JsonBounds = {
  maxBytes: 1024 * 1024,
  maxDepth: 64,
  maxValues: 200_000,
  maxText: 1024 * 1024,
};
const CONFIG_BOUNDS: JsonBounds = { ...COMMAND_BOUNDS, maxBytes: 512 * 1024, maxDepth: 20 };

/**
 * A week, for entries that are in logs already. New proposals have the limit of all leases (commandRefusal).
 */
const MAX_TTL_MS = 7 * 24 * 3600 * 1000;
const MAX_NAME = 256;
const MAX_ADDRESS = 1024;
/**
 * The longest reason or result; the encoder cuts a longer one, so that no decision fails for its own
 * explanation.
 */
export const MAX_REASON = 1000;
const MAX_SET = 128;

const isLine = line(MAX_NAME);
/** Names are keys of maps, and this one is not an ordinary key everywhere. */
const name: Check = (value, bounded) =>
  isLine(value, bounded) ?? (value === "__proto__" ? "this is no name of a member" : null);
const reason = text(MAX_REASON);
const address = text(MAX_ADDRESS);
const number = wholeNumber();
const revision = orNull(number);
const stamp = text(64);
const id = line(64);
/** ISO 8601 with time zone, which Date.parse reads. Day 31 of a shorter month is one of the next. */
const time = matching(
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/,
  "an ISO 8601 time with seconds and time zone",
);

const config = json(CONFIG_BOUNDS, LOOSE_BOUNDS);

const failover = fields({
  kind: oneOf("switchover", "failover"),
  leader: orNull(name),
  candidate: orNull(name),
  scheduledAt: orNull(time),
  id,
  accepted: flag,
  epoch: number,
});

const restart = fields({ schedule: time }, {
  restart_pending: flag,
  role: oneOf("primary", "standby_leader", "replica"),
  postgres_version: text(32),
  timeout: wholeNumber(MAX_TIMEOUT_S, 1),
});

/** Which machine is meant (raft id, machine, boot): a name can come twice. */
const token = matching(/^[0-9a-zA-Z._-]{1,64}$/, "an id of at most 64 letters and digits");
const life = fields({ node: wholeNumber(2 ** 48, 1), machine: token, boot: token });

const facts = fields({
  name,
  connUrl: address,
  apiUrl: address,
  proxyUrl: orNull(address),
  raftAddr: address,
  tags: json(TAGS_BOUNDS, LOOSE_BOUNDS),
  version: text(64),
}, { life });

/** The most events of one command, and the longest text of one. */
export const MAX_NOTED = 16;
export const MAX_EVENT_TEXT = 512;
/** The longest path of a directory in one. */
export const MAX_KEPT = 512;

const event = fields({ kind: oneOf(...NOTED_EVENTS), member: name, at: stamp, text: text(MAX_EVENT_TEXT) }, {
  facts: fields({}, {
    epoch: number,
    timeline: number,
    lsn: number,
    tookMs: number,
    request: id,
    revision: number,
    other: name,
    cause: text(64),
    end: number,
    bytes: number,
    transactions: number,
    kept: text(MAX_KEPT),
  }),
  times: wholeNumber(1_000_000_000, 2),
});

/** Which data a member has: its machine and the id of its data directory. */
const dataToken = matching(/^[0-9a-zA-Z._:-]{1,200}$/, "an id of at most 200 letters and digits");
const grounds = fields({
  by: oneOf("holder", "clean", "votes", "operator"),
  votes: list(name, MAX_SET),
}, { token: dataToken });

/** Beside `op`, and the stamp that every command has. Fields that may be missing come second. */
const BODIES: Readonly<
  Record<
    CommandBody["op"],
    readonly [{ readonly [field: string]: Check }, { readonly [field: string]: Check }?]
  >
> = {
  claimInitialize: [{ incarnation: number }],
  completeInitialize: [{ incarnation: number, systemId: text(64) }],
  clearInitialize: [{ of: name, incarnation: number }],
  setConfig: [{ value: config, expectRevision: revision }],
  grant: [{ epoch: number, holder: name, reason, complete: flag }, { life, sync: grounds }],
  expire: [{ epoch: number, reason }, { forced: flag }],
  release: [{ epoch: number, reason, lsn: orNull(number), timeline: orNull(number) }, { life }],
  setUnfenced: [{ epoch: number, unfenced: flag }, { life, expectRevision: revision }],
  setFailover: [{ record: failover, expectRevision: revision }],
  acceptFailover: [{ id }],
  endFailover: [{ id, ok: flag, text: reason }],
  setRestart: [{ member: name, id, restart, expectId: orNull(id) }],
  endRestart: [{ member: name, id, text: reason }],
  setMember: [{ facts, incarnation: number, replace: flag }],
  dropMember: [{ name, raftAddr: address }],
  addHistory: [{
    epoch: number,
    line: tuple(number, number, text(512), stamp, name),
    maxLines: number,
  }],
  setFailsafe: [{ epoch: number, members: orNull(map(name, address, MAX_SET)), expectRevision: revision }, {
    life,
    nodes: map(name, number, MAX_SET),
  }],
  endFailsafe: [{ revision: number, life }],
  setSync: [{
    epoch: number,
    life,
    leader: orNull(name),
    syncStandby: list(name, MAX_SET),
    quorum: wholeNumber(2 * MAX_SET),
    data: map(name, dataToken, MAX_SET + 1),
    flushed: list(name, MAX_SET),
    expectRevision: number,
  }],
  setTtl: [{
    epoch: number,
    free: flag,
    expectGrantMs: wholeNumber(),
    expectWaitMs: wholeNumber(),
    grantMs: wholeNumber(MAX_TTL_MS, 1),
    waitMs: wholeNumber(MAX_TTL_MS, 1),
  }],
  addEvents: [{ events: list(event, MAX_NOTED) }],
};

/** Why the log takes no such request, for people; null: it does. */
export function requestFlaw(record: FailoverRecord): string | null {
  return failover(record, true);
}

/** Why the log takes no such configuration, for people; null: it does. */
export function configFlaw(value: JsonObject): string | null {
  return config(value, true);
}

const CHECKS = new Map<string, Check>(
  Object.entries(BODIES).map(([op, [required, optional]]) => [
    op,
    fields({ v: wholeNumber(65_535, 1), op: oneOf(op), by: name, at: stamp, ...required }, optional),
  ]),
);

/** Why this value is no command of that name, for people; null: it is one. */
export function commandFlaw(op: string, value: unknown, bounded: boolean): string | null {
  return CHECKS.get(op)?.(value, bounded) ?? null;
}
