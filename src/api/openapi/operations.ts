/** Every request that is served, with its answers: /openapi.json is made of this table, and tested by it. */
import {
  CLUSTER,
  CONFIG,
  CONFIG_CHECK,
  CONFIG_HISTORY,
  EVENTS,
  EXPLANATION,
  HISTORY,
  LOSSES,
  RAFT,
  TIMING,
  WATCHDOG,
  WHY,
} from "../answers.ts";
import { CHECKS, type HealthCheck } from "../health.ts";
import type { Check } from "../../model/shape.ts";
import {
  type BodyForm,
  CONFIG_CHANGE,
  CONFIG_PROPOSAL,
  EVENTS_QUERY,
  FAILSAFE,
  FORCE_QUERY,
  NOTHING,
  type QueryForm,
  RAFT_ADD,
  RAFT_REMOVE,
  RAFT_REPLACE,
  RAFT_TRANSFER,
  READINESS_QUERY,
  REINITIALIZE,
  REPLICA_QUERY,
  RESTART,
  SWITCHOVER,
  WHY_QUERY,
} from "../requests.ts";
import { DECISIONS, DOCUMENT, FAILSAFE_MEMBERS, STATUS_SHOWN, UI_DATA } from "./shown.ts";

/** A text, nothing at all, files for a browser, or JSON of that form. */
export type Content = "text" | "nothing" | "page" | Check;

export interface Operation {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  readonly path: string;
  readonly group: "health" | "cluster" | "configuration" | "changes" | "members" | "raft" | "agent";
  readonly summary: string;
  readonly query?: QueryForm;
  /** It takes `tag_NAME=VALUE`. */
  readonly tagged?: boolean;
  /** It takes the ETag of GET /config in `If-Match`. */
  readonly conditional?: boolean;
  readonly body?: BodyForm;
  /** By status; those that every request of its kind may get are left out. */
  readonly answers: { readonly [status: number]: readonly [meaning: string, content: Content] };
}

const HEALTH: { readonly [check in HealthCheck]: readonly [meaning: string, query: QueryForm] } = {
  primary: ["It holds the leader lock, its lease runs, and this is no standby cluster.", {}],
  "standby-leader": ["It holds the leader lock of a standby cluster.", {}],
  leader: ["It holds the leader lock, in either.", {}],
  replica: [
    "It runs as a replica, without the tag noloadbalance, and lags by no more than it may.",
    REPLICA_QUERY,
  ],
  "read-only": ["As primary, standby leader or replica.", REPLICA_QUERY],
  synchronous: ["As replica, and a synchronous standby.", REPLICA_QUERY],
  "read-only-sync": ["The leader, or as synchronous.", REPLICA_QUERY],
  quorum: ["As replica, and one of the quorum standbys.", REPLICA_QUERY],
  "read-only-quorum": ["The leader, or as quorum.", REPLICA_QUERY],
  asynchronous: ["As replica, and neither synchronous nor of the quorum.", REPLICA_QUERY],
  health: ["PostgreSQL runs and answers.", {}],
};
const UNTAGGED: readonly string[] = ["primary", "standby-leader", "leader"];

const health = Object.entries(HEALTH).flatMap(([check, [summary, query]]): Operation[] =>
  CHECKS[check as HealthCheck].map((path) => ({
    method: "get",
    path,
    group: "health",
    summary,
    query,
    tagged: !UNTAGGED.includes(check),
    answers: { 200: ["It is so.", STATUS_SHOWN], 503: ["It is not so, or not known.", STATUS_SHOWN] },
  }))
);

const probes: readonly Operation[] = [
  {
    method: "get",
    path: "/liveness",
    group: "health",
    summary: "The agent's loop has looked within ttl (twice that on a standby), or the cluster is paused.",
    answers: { 200: ["It is so.", "nothing"], 503: ["It is not so.", "nothing"] },
  },
  {
    method: "get",
    path: "/readiness",
    group: "health",
    summary: "The leader; or a standby that streams, and lags by at most lag, else maximum_lag_on_failover.",
    query: READINESS_QUERY,
    answers: { 200: ["It is so.", "nothing"], 503: ["It is not so.", "nothing"] },
  },
];

type Answers = Operation["answers"];
type Reading = readonly [
  path: string,
  group: Operation["group"],
  summary: string,
  form: Content,
  more?: Answers,
];

const READINGS: readonly Reading[] = [
  ["/patroni", "members", "The status of this member.", STATUS_SHOWN],
  ["/cluster", "cluster", "All members, as this one sees them.", CLUSTER.check],
  ["/history", "cluster", "The timelines: timeline, LSN, reason, time, new leader.", HISTORY.check],
  ["/config", "configuration", "The dynamic configuration; its revision is the ETag.", CONFIG.check, {
    502: ["There is none yet.", "text"],
  }],
  ["/metrics", "members", "Metrics in the text format of Prometheus.", "text"],
  [
    "/failsafe",
    "members",
    "The members that the primary asks in failsafe mode, with addresses.",
    FAILSAFE_MEMBERS,
    {
      502: ["failsafe_mode is not enabled, or there is nobody to ask.", "text"],
    },
  ],
  ["/openapi.json", "agent", "This document.", DOCUMENT],
  ["/agent/losses", "cluster", "WAL that members had beyond the cluster's history.", LOSSES.check],
  ["/agent/config/history", "configuration", "The last configurations, oldest first.", CONFIG_HISTORY.check],
  [
    "/agent/config/explain/{key}",
    "configuration",
    "Where this member's value of a key comes from.",
    EXPLANATION.check,
    { 404: ["It is no key of the configuration.", "text"] },
  ],
  ["/agent/raft", "raft", "The group of voters.", RAFT.check, { 503: ["Raft does not run yet.", "text"] }],
  ["/agent/watchdog", "agent", "The watchdog device.", WATCHDOG.check, { 404: ["There is none.", "text"] }],
  ["/agent/timing", "agent", "The inequalities of the lease, and what was measured.", TIMING.check],
  ["/agent/decisions", "agent", "The last 200 decisions of this member.", DECISIONS],
  ["/ui", "agent", "The page for a browser.", "page", { 404: ["It is switched off.", "text"] }],
  ["/ui/data", "agent", "What the page shows all the time.", UI_DATA, {
    404: ["It is switched off.", "text"],
  }],
  ["/ui/{path}", "agent", "The files of the page.", "page", { 404: ["There is no such file.", "text"] }],
  ["/agent/dcs/{key}", "agent", "A record of the cluster, as Patroni's DCS would hold it.", "text", {
    404: ["There is none.", "text"],
  }],
];

const reading = READINGS.map(([path, group, summary, form, more = {}]): Operation => ({
  method: "get",
  path,
  group,
  summary,
  answers: { 200: ["The answer.", form], ...more },
}));

const asked: readonly Operation[] = [
  {
    method: "get",
    path: "/agent/events",
    group: "cluster",
    summary: "The last events of the cluster, oldest first, each with what led to it.",
    query: EVENTS_QUERY,
    answers: { 200: ["The answer.", EVENTS.check], 400: ["A value of the query is wrong.", "text"] },
  },
  {
    method: "get",
    path: "/agent/why",
    group: "cluster",
    summary: "Why the holder of the lock holds it, or why a member is what it is.",
    query: WHY_QUERY,
    answers: {
      200: ["The answer.", WHY.check],
      404: ["There is no such member.", "text"],
      503: ["The cluster's records are not known yet.", "text"],
    },
  },
];

const configuration: readonly Operation[] = [
  {
    method: "patch",
    path: "/config",
    group: "configuration",
    summary: "Changes keys of the dynamic configuration; null removes. Warnings come in the header Warning.",
    query: FORCE_QUERY,
    conditional: true,
    body: CONFIG_CHANGE,
    answers: {
      200: ["The new configuration.", CONFIG.check],
      409: ["Somebody else has changed it meanwhile.", "text"],
      422: ["It breaks a rule, or could never work on a member.", "text"],
      503: ["There is no configuration, or it could not be written.", "text"],
    },
  },
  {
    method: "put",
    path: "/config",
    group: "configuration",
    summary: "Replaces the dynamic configuration. Warnings come in the header Warning.",
    query: FORCE_QUERY,
    conditional: true,
    body: CONFIG_CHANGE,
    answers: {
      200: ["The new configuration.", CONFIG.check],
      409: ["Somebody else has changed it meanwhile.", "text"],
      422: ["It breaks a rule, or could never work on a member.", "text"],
      502: ["It could not be written.", "text"],
    },
  },
  {
    method: "post",
    path: "/agent/config/check",
    group: "configuration",
    summary: "What this member finds in a configuration; members ask each other before a change.",
    body: CONFIG_PROPOSAL,
    answers: { 200: ["The answer.", CONFIG_CHECK.check] },
  },
];

const moving: Answers = {
  200: ["It is over; the text names the new leader.", "text"],
  400: ["A rule of the form.", "text"],
  412: ["The cluster does not allow it, or Agent-Member names another member.", "text"],
  503: ["It failed (why: header X-Reason), or its outcome is not known.", "text"],
};

const schedulable: Answers = {
  202: ["It is, or can be, scheduled.", "text"],
  422: ["A time that is none, or is over.", "text"],
};

const changes: readonly Operation[] = [
  {
    method: "post",
    path: "/switchover",
    group: "changes",
    summary: "Hands the lock over, now or at a time.",
    body: SWITCHOVER,
    answers: { ...moving, ...schedulable },
  },
  {
    method: "post",
    path: "/failover",
    group: "changes",
    summary: "Gives the lock to a member. With leader it is a switchover.",
    body: SWITCHOVER,
    answers: moving,
  },
  ...["switchover", "failover"].map((kind): Operation => ({
    method: "post",
    path: `/agent/${kind}/check`,
    group: "changes",
    summary: `What POST /${kind} would be answered now. Changes nothing.`,
    body: SWITCHOVER,
    answers: {
      ...moving,
      200: ["It is possible.", "text"],
      503: ["It could not be recorded: without a majority.", "text"],
      ...(kind === "failover" ? {} : schedulable),
    },
  })),
  {
    method: "delete",
    path: "/switchover",
    group: "changes",
    summary: "Takes a scheduled switchover back.",
    answers: {
      200: ["It is taken back.", "text"],
      404: ["None is scheduled.", "text"],
      409: ["Somebody else has changed it meanwhile.", "text"],
    },
  },
  {
    method: "post",
    path: "/restart",
    group: "changes",
    summary: "Restarts PostgreSQL of this member, now or at a time, under conditions.",
    body: RESTART,
    answers: {
      200: ["It was restarted.", "text"],
      202: ["It is scheduled.", "text"],
      400: ["A field is wrong.", "text"],
      409: ["Another one is scheduled.", "text"],
      422: ["A time that is none, or is over.", "text"],
      500: ["It cannot be scheduled in pause.", "text"],
      503: ["The conditions are not met, something else runs, or it failed (why: header X-Reason).", "text"],
    },
  },
  {
    method: "delete",
    path: "/restart",
    group: "changes",
    summary: "Takes a scheduled restart back.",
    answers: {
      200: ["It is taken back.", "text"],
      404: ["None is scheduled.", "text"],
      409: ["Somebody else has changed it meanwhile.", "text"],
      503: ["It could not be written.", "text"],
    },
  },
  {
    method: "post",
    path: "/reload",
    group: "changes",
    summary: "Reads the configuration file again.",
    answers: { 202: ["It was read; what is refused is in the log.", "text"] },
  },
  {
    method: "post",
    path: "/reinitialize",
    group: "changes",
    summary: "Copies the data of this member anew.",
    body: REINITIALIZE,
    answers: {
      200: ["It has begun.", "text"],
      400: ["A field is wrong.", "text"],
      503: ["It cannot be done, or something else runs.", "text"],
    },
  },
  {
    method: "post",
    path: "/failsafe",
    group: "members",
    summary: "A primary without a majority asks whether it may go on.",
    body: FAILSAFE,
    answers: {
      200: ["Accepted; the position of this member's WAL is in the header lsn.", "text"],
      500: ["Running as a leader, or why not.", "text"],
      502: ["failsafe_mode is not enabled.", "text"],
    },
  },
];

const raftAnswers = (done: string): Answers => ({
  200: [done, "text"],
  409: ["It is refused.", "text"],
  503: ["It is not known whether it is done.", "text"],
});

const raft: readonly Operation[] = [
  {
    method: "post",
    path: "/agent/raft/transfer",
    group: "raft",
    summary: "Hands raft leadership to a member.",
    body: RAFT_TRANSFER,
    answers: { 200: ["It leads.", "text"], 503: ["It does not.", "text"] },
  },
  {
    method: "post",
    path: "/agent/raft/add",
    group: "raft",
    summary: "Adds a member to the raft group.",
    body: RAFT_ADD,
    answers: raftAnswers("It is a member."),
  },
  {
    method: "post",
    path: "/agent/raft/remove",
    group: "raft",
    summary: "Removes a member from the raft group.",
    body: RAFT_REMOVE,
    answers: raftAnswers("It is no member any more."),
  },
  {
    method: "post",
    path: "/agent/raft/replace",
    group: "raft",
    summary: "Adds a member that takes another one's place.",
    body: RAFT_REPLACE,
    answers: raftAnswers("The new one is a member; the old one leaves when that has a vote."),
  },
  {
    method: "post",
    path: "/agent/raft/snapshot",
    group: "raft",
    summary: "Puts this member's raft log into a snapshot.",
    body: NOTHING,
    answers: raftAnswers("It is taken."),
  },
];

export const OPERATIONS: readonly Operation[] = [
  ...health,
  ...probes,
  ...reading,
  ...asked,
  ...configuration,
  ...changes,
  ...raft,
];
