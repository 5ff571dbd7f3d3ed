/**
 * The bodies and queries that requests may have. Requests are judged by these, and /openapi.json is made of
 * them. Fields that are not named here are passed over, as Patroni does, where nothing else is said.
 */
import { JSON_BOUNDS } from "../model/bounded_json.ts";
import { dialProblem } from "../model/host_port.ts";
import { MAX_TIMEOUT_S } from "../model/limits.ts";
import { parseBool } from "../model/parse_bool.ts";
import { parsePostgresVersion } from "../model/postgres_version.ts";
import {
  type Check,
  described,
  finite,
  json,
  map,
  oneOf,
  openFields,
  orNull,
  schemaOf,
  text,
  wholeNumber,
} from "../model/shape.ts";
import { textOf } from "../model/text_of.ts";
import { parseQuantity } from "../model/time_units.ts";

/** A JSON object that `check` takes. */
export interface BodyForm {
  readonly check: Check;
  /** It may be missing or empty. */
  readonly optional: boolean;
}

/** The values of a query, by name. Of a value that may be anything, the check only tells the document. */
export type QueryForm = { readonly [name: string]: Check };

/** The request is logged with the name. */
const MAX_NAME = 255;
/** Names and addresses that members exchange are at most this long. */
const MAX_WORD = 1024;

/** Clients of Patroni send numbers and null as well; empty stands for none. */
const memberOrNone = described((value) => {
  if (value === null || typeof value === "number") return null;
  return typeof value === "string" && value.length <= MAX_NAME
    ? null
    : `the name of a member is expected, a text of at most ${MAX_NAME} characters`;
}, { type: ["string", "number", "null"], maxLength: MAX_NAME });

/** Patroni's spellings of a boolean: also "on", "yes", 1 ... */
const yesOrNo = described(
  (value) => value === null || parseBool(value) !== null ? null : "true or false is expected",
  {
    type: ["boolean", "string", "number", "null"],
    description: "true or false, also as on, off, yes, no, 1, 0",
  },
);

/** Judged with the clock, by parseSchedule: it has a status of its own. */
const schedule = described(() => null, {
  type: ["string", "null"],
  description: "ISO 8601 with a time zone, in the future",
  examples: ["2030-01-31T12:00:00+01:00"],
});

const name = described(
  (value) => typeof value === "string" && value !== "" ? null : "the name of a member is expected",
  { type: "string", minLength: 1 },
);
const address = described(
  (value) => typeof value === "string" && value !== "" ? dialProblem(value) : "host:port is expected",
  { type: "string", description: "host:port", examples: ["10.0.0.4:2222"] },
);

export const SWITCHOVER: BodyForm = {
  optional: false,
  check: openFields({}, {
    leader: memberOrNone,
    candidate: memberOrNone,
    member: described(memberOrNone, { ...schemaOf(memberOrNone), description: "the old name of candidate" }),
    scheduled_at: schedule,
  }),
};

/** Their messages are Patroni's. */
export const RESTART_FIELDS: { readonly [field: string]: Check } = {
  schedule,
  role: described(
    (value) =>
      oneOf("primary", "standby_leader", "replica")(value, true) === null
        ? null
        : "PostgreSQL role should be either primary, standby_leader, or replica",
    { enum: ["primary", "standby_leader", "replica"] },
  ),
  postgres_version: described(
    (value) =>
      parsePostgresVersion(textOf(value)) !== null
        ? null
        : `Invalid PostgreSQL version: ${textOf(value)}. It should look like 15.2 or 9.6.24`,
    { type: ["string", "number"], description: "restart if the server is older", examples: ["15.2"] },
  ),
  timeout: described((value) => {
    const seconds = parseQuantity(value, "s");
    return seconds !== null && seconds > 0 && seconds <= MAX_TIMEOUT_S
      ? null
      : "Timeout should be a positive number of seconds";
  }, { type: ["number", "string"], description: "seconds, or with a unit", examples: [60, "5min"] }),
  restart_pending: yesOrNo,
};

export const RESTART: BodyForm = {
  optional: true,
  check: described(() => null, { ...schemaOf(openFields({}, RESTART_FIELDS)), additionalProperties: false }),
};

export const REINITIALIZE: BodyForm = {
  optional: true,
  check: openFields({}, { force: yesOrNo, from_leader: yesOrNo, "from-leader": yesOrNo }),
};

const position = finite(0, Number.MAX_SAFE_INTEGER);
/** `epoch`, `to` and `node` are not Patroni's. */
export const FAILSAFE: BodyForm = {
  optional: false,
  check: openFields({ name: text(MAX_WORD), conn_url: text(MAX_WORD), api_url: text(MAX_WORD) }, {
    slots: orNull(map(text(MAX_WORD), position, JSON_BOUNDS.maxValues)),
    epoch: orNull(wholeNumber()),
    to: orNull(text(MAX_WORD)),
    node: orNull(wholeNumber()),
  }),
};

export const RAFT_TRANSFER: BodyForm = { optional: false, check: openFields({ name }) };
export const RAFT_REMOVE: BodyForm = RAFT_TRANSFER;
export const RAFT_ADD: BodyForm = {
  optional: false,
  check: openFields({ address }, {
    name,
    votes: described((value) => typeof value === "boolean" ? null : "true or false is expected", {
      type: "boolean",
      default: true,
    }),
  }),
};
export const RAFT_REPLACE: BodyForm = {
  optional: false,
  check: openFields({ name, address }, { new_name: name }),
};

const configuration = json(JSON_BOUNDS, JSON_BOUNDS);
/** The keys are judged against the present configuration, where they are written. */
export const CONFIG_CHANGE: BodyForm = { optional: false, check: configuration };
export const CONFIG_PROPOSAL: BodyForm = { optional: false, check: openFields({ config: configuration }) };
export const NOTHING: BodyForm = { optional: true, check: openFields({}) };

/** Health checks never refuse a query: Patroni takes what it does not understand for no limit. */
export const LAG_QUERY: QueryForm = {
  lag: described(() => null, {
    type: "string",
    description: "the most bytes that it may lag, also with kB, MB, GB, TB; anything else: no limit",
    examples: ["16MB"],
  }),
};
export const REPLICA_QUERY: QueryForm = {
  ...LAG_QUERY,
  replication_state: described(() => null, { type: "string", examples: ["streaming"] }),
};
export const READINESS_QUERY: QueryForm = {
  ...LAG_QUERY,
  mode: described(() => null, {
    type: "string",
    description: "write: by the WAL that was received; anything else: by what was replayed",
    examples: ["write"],
  }),
};

const MOST_EVENTS = 1000;
export const EVENTS_QUERY: QueryForm = {
  limit: described(
    (value) =>
      /^\d{1,4}$/.test(textOf(value)) && Number(value) >= 1 && Number(value) <= MOST_EVENTS
        ? null
        : `a number from 1 to ${MOST_EVENTS} is expected`,
    { type: "integer", minimum: 1, maximum: MOST_EVENTS, default: 50 },
  ),
  since: described(
    (value) => Number.isNaN(Date.parse(textOf(value))) ? "an ISO 8601 time is expected" : null,
    { type: "string", description: "ISO 8601" },
  ),
  member: described(() => null, { type: "string" }),
};
export const WHY_QUERY: QueryForm = {
  member: described(() => null, { type: "string", description: "left out: the lock" }),
};
export const FORCE_QUERY: QueryForm = {
  force: described(() => null, {
    type: "string",
    description: "true: although a member finds that it cannot work",
  }),
};

/** The first value that is wrong, for people; null: none is. */
export function queryFlaw(query: { readonly [name: string]: string }, form: QueryForm): string | null {
  for (const [name, check] of Object.entries(form)) {
    const value = query[name];
    const flaw = value === undefined ? null : check(value, true);
    if (flaw !== null) return `${name}: ${flaw}`;
  }
  return null;
}
