/**
 * The form of an agent's answers, for its clients: `agent ctl`, `agent recover` and other members. Any
 * program may listen at a member's address, so nothing is read from an answer before all of it is checked:
 * the bounds first, then the form. Keys that are not named here belong to a later version; they stay and are
 * not read.
 */
import type { ConfigCheck } from "../model/config_check.ts";
import type { JsonObject } from "../model/json.ts";
import { boundsProblem, JSON_BOUNDS, type JsonBounds, parseBounded } from "../model/bounded_json.ts";
import { type Check, described, flag, json, list, openFields, orNull, schemaOf } from "../model/shape.ts";
import {
  ailments,
  anyText,
  cellText,
  certificates,
  copy,
  lag,
  lastStop,
  leadFailure,
  MANY,
  MAX_MEMBERS,
  MAX_RISKS,
  number,
  numberOrNull,
  pendingRestart,
  reinitialize,
  reloadRefused,
  syncTroubles,
  tags,
  textOrNull,
  watchdogFields,
} from "./answer_parts.ts";
import type {
  ClusterJson,
  ConfigRevisionJson,
  EventJson,
  ExplanationJson,
  LossJson,
  RaftJson,
  StatusJson,
  TimingJson,
  WatchdogJson,
  WhyJson,
} from "./shapes.ts";

/** No member's answer comes near these bounds. They are for other programs at its address. */
export const ANSWER_BOUNDS: JsonBounds = {
  maxBytes: 8 * 1024 * 1024,
  maxDepth: 64,
  maxValues: 500_000,
  maxText: 1024 * 1024,
};

/** The form of one kind of answer; `T` is what it has when `check` finds nothing. */
export interface AnswerForm<T> {
  readonly check: Check;
  /** Never there: ties the type to the form. */
  readonly type?: T;
}

export type Answered<F> = F extends AnswerForm<infer T> ? T : never;

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** The problem, for people. */
  | { readonly ok: false; readonly problem: string };

/** Never throws. */
export function parseAnswer<T>(body: string, { check }: AnswerForm<T>): Parsed<T> {
  const parsed = parseBounded(body, ANSWER_BOUNDS);
  if (!parsed.ok) return { ok: false, problem: parsed.problem };
  const problem = check(parsed.value, true);
  return problem === null ? { ok: true, value: parsed.value as T } : { ok: false, problem };
}

const member = openFields({ name: anyText, role: anyText, state: anyText, api_url: anyText }, {
  host: anyText,
  port: number,
  timeline: number,
  pending_restart: flag,
  pending_restart_reason: pendingRestart,
  scheduled_restart: openFields({ schedule: anyText }, { postgres_version: anyText }),
  tags,
  receive_lsn: anyText,
  receive_lag: lag,
  replay_lsn: anyText,
  replay_lag: lag,
  lsn: anyText,
  lag,
  agent: openFields({}, {
    watchdog: openFields({ mode: anyText, active: flag, timeout: numberOrNull }),
    last_state: anyText,
    last_state_s: number,
    last_stop: lastStop,
    slots_at_risk: list(
      openFields({ name: anyText, held_bytes: number, safe_bytes: numberOrNull }),
      MAX_RISKS,
    ),
    lead_failure: leadFailure,
    copy,
    follows: anyText,
    reload_refused: reloadRefused,
    certificates_ending: certificates,
    copy_failed: anyText,
    needs_reinit: anyText,
    ailments,
    sync_troubles: syncTroubles,
    clock_off_s: number,
  }),
});

/** Patroni's members have no `agent`, and members of earlier releases have only a part of it. */
export const CLUSTER: AnswerForm<ClusterJson> = {
  check: openFields({ members: list(member, MAX_MEMBERS), scope: anyText }, {
    pause: flag,
    failsafe_mode_is_active: flag,
    scheduled_switchover: openFields({ at: anyText }, { from: anyText, to: anyText }),
    agent: openFields({}, {
      initialize: textOrNull,
      answered_by: anyText,
      view_age_ms: numberOrNull,
      fresh: flag,
      unreachable: list(
        openFields({ name: anyText, last_seen_s: numberOrNull, api_url: anyText }),
        MAX_MEMBERS,
      ),
      witnesses: list(anyText, MAX_MEMBERS),
      can_lose: numberOrNull,
      witness_certificates_ending: list(
        openFields({ witness: anyText, key: anyText, ends: anyText }),
        MAX_MEMBERS * 4,
      ),
      pause_until: anyText,
      failsafe_lacks: anyText,
      operator_needed: anyText,
      failover_waits_s: number,
    }),
  }),
};

const ofPrimary = openFields({ location: number });
const ofStandby = openFields({ received_location: number, replayed_location: number }, {
  replayed_timestamp: textOrNull,
  paused: flag,
});
export const xlog = described(
  (value, bounded) => ofPrimary(value, bounded) === null ? null : ofStandby(value, bounded),
  { anyOf: [schemaOf(ofPrimary), schemaOf(ofStandby)] },
);

/** The fields that are read here. */
export const STATUS: AnswerForm<
  & Pick<
    StatusJson,
    "state" | "role" | "postmaster_start_time" | "server_version" | "timeline" | "xlog" | "replication_state"
  >
  & {
    readonly patroni: Pick<StatusJson["patroni"], "version"> & Partial<StatusJson["patroni"]>;
    readonly agent?: Pick<StatusJson["agent"], "reinitialize">;
  }
> = {
  check: openFields(
    { state: anyText, role: anyText, patroni: openFields({ version: anyText }, { name: anyText }) },
    {
      postmaster_start_time: anyText,
      server_version: number,
      timeline: number,
      xlog,
      replication_state: anyText,
      agent: openFields({}, { reinitialize }),
    },
  ),
};

/** The name of the member that answers, and nothing else. */
export const NAME: AnswerForm<{ readonly patroni: { readonly name: string } }> = {
  check: openFields({ patroni: openFields({ name: anyText }) }),
};

export const RAFT: AnswerForm<RaftJson> = {
  check: openFields({
    name: anyText,
    leader: textOrNull,
    term: number,
    commit: number,
    can_lose: numberOrNull,
    members: list(
      openFields({
        name: anyText,
        addr: anyText,
        id: number,
        voter: flag,
        witness: flag,
        match: numberOrNull,
        last_contact_ms: numberOrNull,
        api_url: textOrNull,
      }),
      MAX_MEMBERS,
    ),
  }, { applied: number, disk_full: textOrNull }),
};

export const WATCHDOG: AnswerForm<WatchdogJson> = {
  check: openFields({
    ...watchdogFields,
    name: anyText,
    leader: textOrNull,
    time_left: numberOrNull,
    feeds: number,
    problem: textOrNull,
    advice: textOrNull,
  }, { driver: anyText, healthy: flag, nowayout: flag, last_feed_age: numberOrNull, closest: numberOrNull }),
};

const term = openFields({ name: anyText, ms: number });

/** Members of earlier releases tell of no jumps. */
export const TIMING: AnswerForm<Omit<TimingJson, "clock_jumps"> & Partial<TimingJson>> = {
  check: openFields({
    name: anyText,
    leader: textOrNull,
    settings: openFields({
      ttl_ms: number,
      wait_ttl_ms: number,
      lease_ms: number,
      renew_ms: number,
      j_ms: number,
      k_ms: number,
      rho: number,
      heartbeat_ms: number,
      election_min_ms: number,
      election_max_ms: number,
      kill_after_ms: number,
      watchdog_timeout_ms: numberOrNull,
      loop_wait_ms: number,
      retry_timeout_ms: number,
    }),
    inequalities: list(
      openFields({
        id: anyText,
        about: anyText,
        left: list(term, 100),
        left_ms: number,
        relation: anyText,
        right: anyText,
        right_ms: number,
        margin_ms: number,
        verdict: anyText,
        note: textOrNull,
      }),
      100,
    ),
    window_s: number,
    measured: list(
      openFields({
        what: cellText,
        samples: number,
        p50_ms: numberOrNull,
        p99_ms: numberOrNull,
        p999_ms: numberOrNull,
        max_ms: numberOrNull,
        budget_ms: number,
        verdict: anyText,
      }),
      100,
    ),
  }, {
    clock_jumps: list(
      openFields({
        process: anyText,
        count: number,
        last: orNull(
          openFields({ kind: cellText, by_ms: number, ago_s: number }),
        ),
      }),
      100,
    ),
  }),
};

const historyCell = described(
  (value, bounded) => numberOrNull(value, bounded) === null ? null : cellText(value, bounded),
  { type: ["number", "string", "null"] },
);

/** Timeline, LSN, reason, and mostly the time and the new leader. */
export const HISTORY: AnswerForm<readonly (readonly (string | number | null)[])[]> = {
  check: list(list(historyCell, 100), MANY),
};

export const LOSSES: AnswerForm<readonly LossJson[]> = {
  check: list(
    openFields({
      member: cellText,
      at: cellText,
      timeline: number,
      lsn: cellText,
      end: cellText,
      bytes: number,
      transactions: orNull(number),
      kept: orNull(cellText),
    }),
    1000,
  ),
};

const anyValue = described((value) => boundsProblem(value, JSON_BOUNDS), {});

export const EXPLANATION: AnswerForm<ExplanationJson> = {
  check: openFields({
    name: cellText,
    key: cellText,
    value: anyValue,
    layers: list(
      openFields({ source: cellText, place: orNull(cellText), value: anyValue, counts: flag }),
      100,
    ),
    why: cellText,
    after_restart: orNull(anyText),
    notes: list(anyText, 1000),
  }),
};

export const CONFIG_CHECK: AnswerForm<ConfigCheck> = {
  check: openFields({ refusals: list(cellText, 1000), warnings: list(cellText, 1000) }),
};

/** At most what the records keep, and the one in force. */
const MAX_REVISIONS = 100;

export const CONFIG_HISTORY: AnswerForm<readonly ConfigRevisionJson[]> = {
  check: list(
    openFields({
      revision: number,
      at: orNull(cellText),
      by: orNull(cellText),
      config: json(JSON_BOUNDS, JSON_BOUNDS),
    }),
    MAX_REVISIONS,
  ),
};

const event = openFields(
  { id: number, at: cellText, member: cellText, kind: cellText, text: cellText, because: list(number, MANY) },
  {
    by: cellText,
    facts: openFields({}, {
      epoch: number,
      timeline: number,
      lsn: cellText,
      took_ms: number,
      request: cellText,
      revision: number,
      other: cellText,
      cause: cellText,
      end: cellText,
      bytes: number,
      transactions: number,
      kept: cellText,
    }),
    times: number,
    first_at: cellText,
    earlier_gone: flag,
  },
);

export const EVENTS: AnswerForm<readonly EventJson[]> = { check: list(event, MANY) };

export const WHY: AnswerForm<WhyJson> = {
  check: openFields({
    member: orNull(cellText),
    holder: orNull(cellText),
    epoch: number,
    answer: list(anyText, 1000),
    unfit: list(openFields({ member: cellText, code: cellText, why: anyText }), MAX_MEMBERS),
    chain: list(event, MANY),
    answered_by: cellText,
    fresh: flag,
    raft_leader: orNull(cellText),
    raft_leader_api_url: orNull(cellText),
  }),
};

/** The dynamic configuration. */
export const CONFIG: AnswerForm<JsonObject> = { check: json(JSON_BOUNDS, JSON_BOUNDS) };
