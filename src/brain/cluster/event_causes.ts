/**
 * Which event led to which: found when events are read, by the epochs and ids of requests that they carry.
 * Kept in the records it could be wrong for ever, and would miss what a member could tell only later. So a
 * cause is always one of the events that are there, and the links have no circle, whatever the events are.
 */
import { type ClusterEvent, eventId, type EventKind, eventKind, MAX_EVENTS } from "../../model/event.ts";

export interface LinkedEvent extends Omit<ClusterEvent, "id" | "kind"> {
  readonly id: number;
  readonly kind: string;
  /** Ids of the events that led to it. */
  readonly because: readonly number[];
  /** An event led to it that is not kept any more. */
  readonly earlierGone: boolean;
}

type Told = Omit<LinkedEvent, "because" | "earlierGone">;
type Is = (event: Told) => boolean;

/** The clock of one member stamps both events; the second is stamped somewhat later, at its proposal. */
const SLACK_MS = 1000;
/** A raft leader notices the silence of a former holder within this time of the end of its lease. */
const NOTICED_MS = 10_000;

export function linkEvents(events: readonly ClusterEvent[]): readonly LinkedEvent[] {
  // A snapshot that a strange program has made may hold more, and each is compared with all.
  const all = events.slice(-MAX_EVENTS).map((event): Told => ({
    ...event,
    id: eventId(event),
    kind: eventKind(event),
  }));
  const causes = new Map<number, number>();
  for (const event of all) {
    const cause = causeOf(event, all);
    if (cause !== null && !leadsTo(cause.id, event.id, causes)) causes.set(event.id, cause.id);
  }
  const isCut = (all[0]?.id ?? 1) > 1;
  return all.map((event) => {
    const cause = causes.get(event.id);
    const lacks = cause === undefined && isCut && ALWAYS_CAUSED.has(event.kind);
    return { ...event, because: cause === undefined ? [] : [cause], earlierGone: lacks };
  });
}

/** What led to an event, the first cause first, and the event itself at the end. */
export function chainOf(linked: readonly LinkedEvent[], event: LinkedEvent): readonly LinkedEvent[] {
  const chain = [event];
  for (;;) {
    const cause = linked.find(({ id }) => chain[0]!.because.includes(id));
    if (cause === undefined) return chain;
    chain.unshift(cause);
  }
}

function leadsTo(from: number, to: number, causes: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = from; at !== undefined; at = causes.get(at)) if (at === to) return true;
  return false;
}

const ALWAYS_CAUSED: ReadonlySet<string> = new Set<EventKind>([
  "lock-granted",
  "promoted",
  "cannot-lead",
  "request-accepted",
  "request-done",
  "request-failed",
  "restart-schedule-ended",
  "bootstrap-done",
  "postgres-thawed",
  "ailment-ended",
  "sync-trouble-ended",
]);

function causeOf(event: Told, all: readonly Told[]): Told | null {
  const rule = Object.hasOwn(RULES, event.kind) ? RULES[event.kind as EventKind] : undefined;
  return rule?.(event, all) ?? null;
}

type CauseRule = (event: Told, all: readonly Told[]) => Told | null;

const RULES: { readonly [kind in EventKind]?: CauseRule } = {
  "lock-granted": (event, all) =>
    lastBefore(event, all, isOf("lock-released", "lock-expired", "bootstrap-began")),
  "lock-released": whyReleased,
  "lock-expired": whyExpired,
  "fence-lifted": (event, all) => lastBefore(event, all, isOf("paused")),
  "fence-restored": (event, all) => lastBefore(event, all, isOf("resumed")),
  "ttl-changed": (event, all) => lastBefore(event, all, isOf("config-changed")),
  "bootstrap-done": (event, all) => lastBefore(event, all, isOf("bootstrap-began")),

  "request-accepted": (event, all) =>
    lastBefore(event, all, sameRequest(event, "switchover-requested", "failover-requested")),
  "request-done": (event, all) => newHolder(event, all) ?? ownRequest(event, all),
  "request-failed": ownRequest,
  "restart-schedule-ended": (event, all) => lastBefore(event, all, sameRequest(event, "restart-scheduled")),

  promoted: (event, all) => lastBefore(event, all, sameEpoch(event, "lock-granted")),
  "cannot-lead": whyUnable,
  "wal-lost": newHistory,
  rewound: (event, all) => ownLoss(event, all) ?? newHistory(event, all),
  "needs-reinit": newHistory,
  cloned: (event, all) =>
    stillOpen(
      event,
      all,
      ofMember(event, "reinit-requested", "needs-reinit", "wal-lost", "member-joined", "member-replaced"),
    ),
  "member-back": (event, all) => stillOpen(event, all, ofMember(event, "member-lost")),
  "postgres-crashed": criticalAilment,
  "postgres-back": (event, all) =>
    stillOpen(event, all, ofMember(event, "postgres-crashed", "postgres-killed", "postgres-frozen")),
  "postgres-restarted": (event, all) =>
    stillOpen(event, all, ofMember(event, "restart-requested", "restart-schedule-ended")),
  "postgres-thawed": (event, all) => stillOpen(event, all, ofMember(event, "postgres-frozen")),
  "postgres-killed": whyKilled,
  "ailment-ended": (event, all) =>
    lastBefore(
      event,
      all,
      (one) => ofMember(event, "ailment-began")(one) && one.facts?.cause === event.facts?.cause,
    ),
  "sync-trouble-ended": (event, all) =>
    lastBefore(
      event,
      all,
      (one) => ofMember(event, "sync-trouble-began")(one) && one.facts?.cause === event.facts?.cause,
    ),
};

function isOf(...kinds: readonly EventKind[]): Is {
  return ({ kind }) => kinds.some((one) => one === kind);
}

function ofMember({ member }: Told, ...kinds: readonly EventKind[]): Is {
  const fits = isOf(...kinds);
  return (one) => one.member === member && fits(one);
}

function sameEpoch({ facts }: Told, ...kinds: readonly EventKind[]): Is {
  const fits = isOf(...kinds);
  return (one) => facts?.epoch !== undefined && one.facts?.epoch === facts.epoch && fits(one);
}

function sameRequest({ facts }: Told, ...kinds: readonly EventKind[]): Is {
  const fits = isOf(...kinds);
  return (one) => facts?.request !== undefined && one.facts?.request === facts.request && fits(one);
}

function lastBefore({ id }: Told, all: readonly Told[], is: Is): Told | null {
  return all.findLast((one) => one.id < id && is(one)) ?? null;
}

/** Troubles of a holder under its epoch, and what ends each of them. */
const TROUBLE = ["postgres-crashed", "postgres-killed"] as const;
const RELIEF = isOf("postgres-back", "postgres-restarted", "promoted");

/** As lastBefore, unless an event of this kind and member has followed from it already. */
function stillOpen(event: Told, all: readonly Told[], is: Is): Told | null {
  const cause = lastBefore(event, all, is);
  if (cause === null) return null;
  const hasFollowed = (one: Told) => one.kind === event.kind && one.member === event.member;
  return isBetween(cause, event, all, hasFollowed) ? null : cause;
}

function isBetween(first: Told, last: Told, all: readonly Told[], is: Is): boolean {
  return all.some((one) => one.id > first.id && one.id < last.id && is(one));
}

/**
 * The request that the release names, else what the holder met last, else a request that was under way, else
 * the ailment that the release names.
 */
function whyReleased(event: Told, all: readonly Told[]): Told | null {
  const accepted = lastBefore(event, all, sameEpoch(event, "request-accepted"));
  if (accepted !== null && /: (?:switchover|failover) requested$/.test(event.text)) return accepted;
  return openTrouble(event, all, isOf(...TROUBLE, "cannot-lead", "agent-stopping")) ??
    underWay(accepted, event, all) ?? namedAilment(event, all);
}

/** null: the request had been answered before the event. */
function underWay(accepted: Told | null, event: Told, all: readonly Told[]): Told | null {
  if (accepted === null) return null;
  const isAnswer = sameRequest(accepted, "request-done", "request-failed");
  return isBetween(accepted, event, all, isAnswer) ? null : accepted;
}

function whyUnable(event: Told, all: readonly Told[]): Told | null {
  return namedAilment(event, all) ?? openTrouble(event, all, isOf(...TROUBLE)) ??
    lastBefore(event, all, sameEpoch(event, "lock-granted"));
}

/**
 * The last trouble of the member under this epoch that had not passed. The member may have told of it after
 * the event.
 */
function openTrouble(event: Told, all: readonly Told[], isTrouble: Is): Told | null {
  const untilMs = Date.parse(event.at) + SLACK_MS;
  const own = all.filter((one) =>
    one.id !== event.id && one.member === event.member && one.facts?.epoch === event.facts?.epoch &&
    (isTrouble(one) || RELIEF(one)) && Date.parse(one.at) <= untilMs
  ).sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const last = own.at(-1);
  return last !== undefined && isTrouble(last) ? last : null;
}

function whyExpired(event: Told, all: readonly Told[]): Told | null {
  return silence(event, all) ??
    underWay(lastBefore(event, all, sameEpoch(event, "request-accepted")), event, all) ??
    lastBefore(event, all, sameEpoch(event, "cluster-recovered"));
}

/** The holder was silent when its lease ended. The raft leader may notice that a moment after the end. */
function silence(event: Told, all: readonly Told[]): Told | null {
  const isBack = ofMember(event, "member-back");
  const isLost = (one: Told) => sameEpoch(event, "member-lost")(one) && one.member === event.member;
  const before = lastBefore(event, all, isLost);
  if (before !== null && !isBetween(before, event, all, isBack)) return before;
  const untilMs = Date.parse(event.at) + NOTICED_MS;
  const after = all.find((one) => one.id > event.id && isLost(one)) ?? null;
  const isSoon = after !== null && Date.parse(after.at) <= untilMs && !isBetween(event, after, all, isBack);
  return isSoon ? after : null;
}

/** What the guard did while no agent ran is told by the next one, which may not know the epoch any more. */
function whyKilled(event: Told, all: readonly Told[]): Told | null {
  if (event.facts?.epoch === undefined) return stillOpen(event, all, ofMember(event, "lock-expired"));
  return all.findLast((one) => sameEpoch(event, "postgres-frozen")(one) && one.member === event.member) ??
    all.findLast(sameEpoch(event, "lock-expired")) ?? null;
}

function ownRequest(event: Told, all: readonly Told[]): Told | null {
  return lastBefore(event, all, sameRequest(event, "request-accepted")) ??
    lastBefore(event, all, sameRequest(event, "switchover-requested", "failover-requested"));
}

/** The member that took over for a request. It may tell of its first write after that is answered. */
function newHolder(event: Told, all: readonly Told[]): Told | null {
  const since = event.facts?.epoch;
  if (since === undefined) return null;
  const granted = lastBefore(
    event,
    all,
    (one) => isOf("lock-granted")(one) && one.facts?.epoch !== undefined && one.facts.epoch > since,
  );
  return granted === null ? null : all.findLast(sameEpoch(granted, "promoted")) ?? granted;
}

/** The epoch that began a history which the member's differs from. */
function newHistory(event: Told, all: readonly Told[]): Told | null {
  return lastBefore(event, all, sameEpoch(event, "promoted")) ??
    lastBefore(event, all, sameEpoch(event, "lock-granted"));
}

/** What the member had beyond that history, and gave up. */
function ownLoss(event: Told, all: readonly Told[]): Told | null {
  const isOwn = ofMember(event, "wal-lost");
  return stillOpen(event, all, (one) => isOwn(one) && one.facts?.epoch === event.facts?.epoch);
}

/** The ailment that the reason of the event names; it may have begun under an earlier epoch. */
function namedAilment(event: Told, all: readonly Told[]): Told | null {
  return openAilment(
    event,
    all,
    ({ facts }) => facts?.cause !== undefined && event.text.includes(facts.cause),
  );
}

/** A critical one may well be why PostgreSQL ended. */
function criticalAilment(event: Told, all: readonly Told[]): Told | null {
  return openAilment(event, all, ({ text }) => text.includes("(critical)"));
}

/** The last ailment of the member that had not passed. */
function openAilment(event: Told, all: readonly Told[], fits: Is): Told | null {
  const atMs = Date.parse(event.at);
  return all.findLast((one) =>
    ofMember(event, "ailment-began")(one) && fits(one) && Date.parse(one.at) <= atMs &&
    !all.some((end) =>
      ofMember(event, "ailment-ended")(end) && end.facts?.cause === one.facts?.cause &&
      Date.parse(end.at) >= Date.parse(one.at) && Date.parse(end.at) <= atMs
    )
  ) ?? null;
}
