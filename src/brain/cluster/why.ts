/**
 * Why a member holds the lock, why none does, and why a member is not what it should be: in sentences, from
 * the same rules that decide. Pure.
 */
import type { DynamicConfig } from "../../model/config.ts";
import { withOffset } from "../../model/iso_time.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type DcsState, knownMember } from "../../model/records.ts";
import { chainOf, type LinkedEvent } from "./event_causes.ts";
import { serves } from "./serves.ts";
import type { SeenStatus } from "./successor_view.ts";
import { describeUnfit, type Unfit } from "./unfit.ts";
import { whyUnfit } from "./candidate.ts";
import { statusOf } from "./view.ts";

export interface WhyView {
  readonly dcs: DcsState;
  readonly dynamic: DynamicConfig;
  readonly statuses: readonly SeenStatus[];
  readonly witnesses: readonly string[];
  readonly events: readonly LinkedEvent[];
  /** WAL position of the last primary that was heard; null: none was. */
  readonly primaryLsn: Lsn | null;
  /** The wait that only an operator can end; null: none. */
  readonly operatorNeeded: string | null;
  readonly raftLeader: string | null;
  /** Last reason of the raft leader's decisions; null: another member leads the raft group. */
  readonly waitsFor: string | null;
  /** What the member that answers does for its own PostgreSQL; null: it has none. */
  readonly own: { readonly name: string; readonly reason: string; readonly rule: string } | null;
}

export interface UnfitMember {
  readonly member: string;
  readonly code: Unfit["code"] | "not-heard";
  readonly why: string;
}

export interface Why {
  /** null: it is about the lock. */
  readonly member: string | null;
  readonly answer: readonly string[];
  /** Members that could not take over the lock now. */
  readonly unfit: readonly UnfitMember[];
  /** What led to the present state, the first cause first. */
  readonly chain: readonly LinkedEvent[];
}

/** A status older than this says nothing of the present. */
const heardWithinMs = ({ ttlS }: DynamicConfig) => 1000 * ttlS;

export function whyLock(view: WhyView): Why {
  const { dcs: { lock }, events } = view;
  const ofLock = lock.holder === null
    ? events.findLast(({ kind }) => kind === "lock-released" || kind === "lock-expired") ?? null
    : lastUnder(events, "promoted", lock.epoch) ?? lastUnder(events, "lock-granted", lock.epoch);
  return {
    member: null,
    answer: [
      ...(lock.holder === null ? whyNobody(view) : whyHeld(view)),
      ...requestSentence(view),
      ...(view.operatorNeeded === null ? [] : [sentence(`An operator is needed: ${view.operatorNeeded}`)]),
    ],
    unfit: unfitMembers(view),
    chain: ofLock === null ? [] : chainOf(events, ofLock),
  };
}

/** null: there is no such member. */
export function whyMember(view: WhyView, name: string): Why | null {
  const { dcs, witnesses, events } = view;
  if (witnesses.includes(name)) {
    const answer = [`${name} is a witness: it votes, and has no PostgreSQL.`];
    return { member: name, answer, unfit: [], chain: [] };
  }
  if (dcs.lock.holder === name) return { ...whyLock(view), member: name };
  if (knownMember(dcs, name) === undefined) return null;
  const unfit = unfitMembers(view).filter(({ member }) => member === name);
  const last = latest(events.filter(({ member, kind }) => member === name && OF_STATE.has(kind)));
  return {
    member: name,
    answer: [...stateOf(view, name), ...eligibility(view, name, unfit)],
    unfit,
    chain: last === null ? [] : chainOf(events, last),
  };
}

/** By its time: one that had to wait comes into the records after what followed. null: there is none. */
function latest(events: readonly LinkedEvent[]): LinkedEvent | null {
  return events.reduce<LinkedEvent | null>(
    (last, event) => last !== null && Date.parse(last.at) > Date.parse(event.at) ? last : event,
    null,
  );
}

/** Kinds that say how a member came to be what it is. */
const OF_STATE: ReadonlySet<string> = new Set([
  "lock-released",
  "lock-expired",
  "member-joined",
  "member-lost",
  "member-back",
  "cannot-lead",
  "postgres-crashed",
  "postgres-killed",
  "postgres-frozen",
  "postgres-thawed",
  "postgres-back",
  "postgres-restarted",
  "wal-lost",
  "rewound",
  "cloned",
  "needs-reinit",
  "agent-stopping",
]);

function whyHeld(view: WhyView): readonly string[] {
  const { dcs, dynamic, events } = view;
  const { lock } = dcs;
  const holder = lock.holder!;
  const granted = lastUnder(events, "lock-granted", lock.epoch);
  const since = granted === null ? "" : ` since ${withOffset(granted.at)}`;
  const first = `${holder} holds the lock under epoch ${lock.epoch}${since}: ${lock.reason}`;
  const status = heard(view, holder);
  return [
    sentence(first),
    ...(view.raftLeader === null
      ? ["No raft leader is known: without a majority of the voters no lease is renewed."]
      : []),
    ...(status === null ? [silence(view, holder)] : work(view, status)),
    ...outages(view),
    ...(dynamic.pause ? [PAUSED] : []),
    ...(lock.unfenced ? [`Its epoch is without a fence (maintenance mode): it does not end by itself.`] : []),
  ];
}

const PAUSED = "The cluster is in maintenance mode (pause): no member is promoted by itself.";

/** What the holder does with the lock. */
function work(view: WhyView, status: MemberStatus): readonly string[] {
  const { dcs, dynamic } = view;
  if (serves(status, { dcs, dynamic })) {
    const hasWritten = status.wroteUnder === undefined || status.wroteUnder === dcs.lock.epoch;
    const does = dynamic.standbyCluster !== null
      ? "It is the standby leader: it follows the primary of another cluster."
      : hasWritten
      ? "It is the primary, and takes writes."
      : "It is the primary, and has not completed a write under this epoch yet.";
    return [does, ...troubles(status)];
  }
  const hasLed = view.events.some(({ kind, facts }) =>
    kind === "promoted" && facts?.epoch === dcs.lock.epoch
  );
  return [
    `It takes no writes ${hasLed ? "at present" : "yet"}: its PostgreSQL is ${workState(status)}.`,
    ...troubles(status),
    ...ownDecision(view, status.name),
  ];
}

/** A server that is frozen, or whose lease is over, is said to run all the same. */
function workState({ role, state, writable }: MemberStatus): string {
  return role === "primary" && state === "running" && !writable
    ? "held back, as its lease is not renewed"
    : state;
}

const OUTAGES: ReadonlySet<string> = new Set(["postgres-crashed", "postgres-killed", "postgres-frozen"]);
const RETURNS: ReadonlySet<string> = new Set(["postgres-back", "postgres-thawed"]);

/** What interrupted the holder's work since it began: it costs no lock, and the chain does not show it. */
function outages({ dcs: { lock }, events }: WhyView): readonly string[] {
  const own = events.filter(({ member, facts }) => member === lock.holder && facts?.epoch === lock.epoch);
  const began = own.filter((event) =>
    OUTAGES.has(event.kind) && !own.some(({ id, kind }) => OUTAGES.has(kind) && event.because.includes(id))
  );
  const last = began.at(-1);
  if (last === undefined) return [];
  const count = began.reduce((sum, { times = 1 }) => sum + times, 0);
  const often = count === 1 ? "once, at" : `${count} times, last at`;
  const back = own.findLast((event) => RETURNS.has(event.kind) && chainOf(events, event).includes(last));
  const tookMs = back === undefined ? null : Math.max(0, Date.parse(back.at) - Date.parse(last.at));
  const end = tookMs === null ? "" : `; it was back after ${(tookMs / 1000).toFixed(1)} s`;
  return [
    `Under this epoch it was interrupted ${often} ${withOffset(last.at)}: ${last.text} (#${last.id})${end}.`,
  ];
}

const NO_GRANT = "No raft leader is known: without a majority of the voters nobody can be granted the lock.";

function whyNobody(view: WhyView): readonly string[] {
  const { dcs: { lock, initialize }, raftLeader, waitsFor, dynamic } = view;
  if (initialize === null) {
    return [
      "Nobody holds the lock: the cluster is not initialized, and no member bootstraps it.",
      ...(raftLeader === null ? [NO_GRANT] : []),
    ];
  }
  if (initialize.systemId === "") return [`Nobody holds the lock: ${initialize.by} bootstraps the cluster.`];
  const ended = lock.ended === null || lock.lastHolder === null
    ? "it was never granted"
    : `${lock.lastHolder}'s epoch ${lock.epoch} ${lock.ended.how === "expired" ? "expired" : "was released"}`;
  const reason = lock.ended === null ? "" : `: ${lock.reason}`;
  return [
    sentence(`Nobody holds the lock; ${ended}${reason}`),
    ...(raftLeader === null
      ? [NO_GRANT]
      : waitsFor === null
      ? [`${raftLeader} leads the raft group and decides.`]
      : [sentence(`${raftLeader}, which leads the raft group, waits: ${waitsFor}`)]),
    ...(dynamic.pause ? [PAUSED] : []),
  ];
}

function requestSentence({ dcs: { failover } }: WhyView): readonly string[] {
  if (failover === null) return [];
  const { kind, candidate, scheduledAt, accepted } = failover;
  const when = scheduledAt === null
    ? (accepted ? "is under way" : "is requested")
    : `is scheduled at ${scheduledAt}`;
  return [`A ${kind} to ${candidate ?? "any member"} ${when}.`];
}

function unfitMembers(view: WhyView): readonly UnfitMember[] {
  const { dcs } = view;
  return Object.keys(dcs.members).sort().filter((name) => name !== dcs.lock.holder).flatMap(
    (member): UnfitMember[] => {
      const status = heard(view, member);
      if (status === null) return [{ member, code: "not-heard", why: notHeard(view, member) }];
      const unfit = whyUnfit(status, view);
      return unfit === null ? [] : [{ member, code: unfit.code, why: describeUnfit(unfit) }];
    },
  );
}

function stateOf(view: WhyView, name: string): readonly string[] {
  const status = heard(view, name);
  if (status === null) return [silence(view, name)];
  const { role, state, replicationState, following, copy } = status;
  const stream = following === null
    ? ""
    : replicationState === "streaming"
    ? `, and streams from ${following}`
    : `, follows ${following} and does not stream${
      replicationState === null ? "" : ` (${replicationState})`
    }`;
  return [
    `${name} is ${ROLE_WORDS[role] ?? role}: its PostgreSQL is ${state}${status.running ? stream : ""}.`,
    ...(copy === undefined ? [] : [`It copies its data from ${copy.from}.`]),
    ...troubles(status),
    ...ownDecision(view, name),
    ...(view.dynamic.pause
      ? ["The cluster is in maintenance mode (pause): PostgreSQL is neither started nor stopped."]
      : []),
  ];
}

const ROLE_WORDS: { readonly [role: string]: string } = {
  primary: "a primary",
  replica: "a replica",
  standby_leader: "a standby leader",
  demoted: "a former primary",
  uninitialized: "a member without data",
};

function troubles(status: MemberStatus): readonly string[] {
  const { needsReinit, copyFailed, leadFailure, ailments = [], slotsAtRisk = [], syncTroubles = [] } = status;
  return [
    ...(needsReinit === undefined ? [] : [`It comes back by a reinit only: ${needsReinit}`]),
    ...(copyFailed === undefined ? [] : [`It has no data, as its last copy failed: ${copyFailed}`]),
    ...(leadFailure === undefined ? [] : [`It could not become the primary: ${leadFailure.why}`]),
    ...ailments.map(({ cause, severity, detail }) => `It is not well (${cause}, ${severity}): ${detail}`),
    ...syncTroubles.map(({ kind, detail }) => `Synchronous replication has a trouble (${kind}): ${detail}`),
    ...slotsAtRisk.map(({ name }) => `Its slot ${name} holds too much WAL`),
  ].map(sentence);
}

function ownDecision({ own }: WhyView, name: string): readonly string[] {
  if (own === null || own.name !== name) return [];
  return [sentence(`Its agent says: ${own.reason}`).replace(/\.$/, ` (rule ${own.rule}).`)];
}

function eligibility(view: WhyView, name: string, unfit: readonly UnfitMember[]): readonly string[] {
  const [first] = unfit;
  if (first?.code === "not-heard") return [];
  if (first !== undefined) return [`It could not take over the lock: ${first.why}.`];
  const position = heard(view, name)?.receivedLsn ?? null;
  const wal = position === null ? "" : `, with the WAL up to ${formatLsn(position)}`;
  return [`It could take over the lock${wal}.`];
}

function heard(view: WhyView, name: string): MemberStatus | null {
  const seen = statusOf(view, name);
  return seen !== undefined && seen.ageMs <= heardWithinMs(view.dynamic) ? seen.status : null;
}

function silence(view: WhyView, name: string): string {
  return `${name} is ${notHeard(view, name)}.`;
}

function notHeard(view: WhyView, name: string): string {
  const ageMs = statusOf(view, name)?.ageMs;
  return ageMs === undefined ? "not heard" : `not heard (for ${Math.round(ageMs / 1000)} s)`;
}

/** The last event of this kind that names the epoch, or none at all. */
function lastUnder(events: readonly LinkedEvent[], kind: string, epoch: number): LinkedEvent | null {
  return events.findLast((event) => event.kind === kind && (event.facts?.epoch ?? epoch) === epoch) ?? null;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
