/**
 * What happened in the cluster, as the records keep it (docs/adr/0010-events.md): plain types, and the closed
 * list of kinds. Nothing decides by events; they are for people and for their programs.
 */
import type { Lsn } from "./lsn.ts";

/** So many are kept, the latest. */
export const MAX_EVENTS = 200;

/** Kinds of events that a command of the records is: they are made where the command is applied. */
export const COMMAND_EVENTS = [
  "bootstrap-began",
  "bootstrap-done",
  "bootstrap-abandoned",
  "config-changed",
  "paused",
  "resumed",
  "lock-granted",
  "lock-expired",
  "lock-released",
  "fence-lifted",
  "fence-restored",
  "switchover-requested",
  "failover-requested",
  "request-accepted",
  "request-done",
  "request-failed",
  "restart-scheduled",
  "restart-schedule-ended",
  "member-joined",
  "member-replaced",
  "member-removed",
  "failsafe-changed",
  "failsafe-ended",
  "sync-standbys-changed",
  "sync-ended",
  "ttl-changed",
  "cluster-recovered",
] as const;

/** Kinds of events that one member knows, and tells the others. */
export const NOTED_EVENTS = [
  // By the raft leader, of another member.
  "member-lost",
  "member-back",
  // By a member, of itself.
  "promoted",
  "cannot-lead",
  "postgres-crashed",
  "postgres-back",
  "postgres-restarted",
  "postgres-frozen",
  "postgres-thawed",
  "postgres-killed",
  "wal-lost",
  "rewound",
  "cloned",
  "needs-reinit",
  "restart-requested",
  "reinit-requested",
  "agent-stopping",
  "ailment-began",
  "ailment-ended",
  "sync-trouble-began",
  "sync-trouble-ended",
] as const;

export type NotedKind = (typeof NOTED_EVENTS)[number];
export type EventKind = (typeof COMMAND_EVENTS)[number] | NotedKind;

/** Figures of an event. Each is left out where it is not known or says nothing. */
export interface EventFacts {
  /** Epoch of the lock that the member held, or had held last, when it happened. */
  readonly epoch?: number;
  readonly timeline?: number;
  readonly lsn?: Lsn;
  readonly tookMs?: number;
  /** Id of a request of an operator. */
  readonly request?: string;
  /** Revision of the dynamic configuration. */
  readonly revision?: number;
  /** Another member: the candidate of a request, the source of a copy. */
  readonly other?: string;
  /** Name of an ailment, or kind of a trouble of synchronous replication. */
  readonly cause?: string;
  /** WAL that is lost begins at `lsn` of `timeline`, ends here, and has so many bytes. */
  readonly end?: Lsn;
  readonly bytes?: number;
  /** Commits in it. */
  readonly transactions?: number;
  /** Directory on the member's host in which it is kept. */
  readonly kept?: string;
}

/** Without a place in the records yet. */
export interface EventDraft<Kind extends EventKind = EventKind> {
  readonly kind: Kind;
  /** The member that it concerns. */
  readonly member: string;
  readonly text: string;
  readonly facts?: EventFacts;
}

/** As a member that knows it notes it. */
export interface NotedEvent extends EventDraft<NotedKind> {
  /** ISO 8601, by the clock of the member that notes it. */
  readonly at: string;
  /** How often it happened, where that is more than once; `at` is the last time then. */
  readonly times?: number;
}

export interface ClusterEvent {
  /** Index of the log entry. Several events may come with one. */
  readonly index: number;
  readonly at: string;
  readonly member: string;
  /** An event kind, or in records of older versions the name of a command. */
  readonly kind: string;
  readonly text: string;
  /** Ascending without a gap, for ever. Absent in records of older versions: see eventId. */
  readonly id?: number;
  /** The member through which it came; absent: the one that it concerns. */
  readonly by?: string;
  readonly facts?: EventFacts;
  /** It happened so often, the first time at `firstAt`, without another event of the member in between. */
  readonly times?: number;
  readonly firstAt?: string;
}

/** Events of older versions have none of their own; the place in the log ascends as well. */
export function eventId({ id, index }: Pick<ClusterEvent, "id" | "index">): number {
  return id ?? index;
}

/** A member fell silent, and has not come back. */
export function isLost(events: readonly ClusterEvent[], name: string): boolean {
  const last = events.findLast(({ kind, member }) =>
    (kind === "member-lost" || kind === "member-back") && member === name
  );
  return last?.kind === "member-lost";
}

/** The last grant of the lock; null: it is not kept any more. Decisions read no other event. */
export function lastGrantOf(events: readonly ClusterEvent[]): ClusterEvent | null {
  return events.findLast((event) => eventKind(event) === "lock-granted") ?? null;
}

/** What older versions called their events: by the command. */
const KIND_OF_COMMAND: { readonly [op: string]: EventKind } = {
  claimInitialize: "bootstrap-began",
  completeInitialize: "bootstrap-done",
  clearInitialize: "bootstrap-abandoned",
  setConfig: "config-changed",
  grant: "lock-granted",
  expire: "lock-expired",
  release: "lock-released",
  setFailover: "switchover-requested",
  endFailover: "request-done",
  setRestart: "restart-scheduled",
  endRestart: "restart-schedule-ended",
  setMember: "member-replaced",
  dropMember: "member-removed",
  setFailsafe: "failsafe-changed",
  endFailsafe: "failsafe-ended",
  setTtl: "ttl-changed",
  recover: "cluster-recovered",
};

export function eventKind({ kind, text }: Pick<ClusterEvent, "kind" | "text">): string {
  if (kind === "setUnfenced") return text.includes("unfenced") ? "fence-lifted" : "fence-restored";
  return Object.hasOwn(KIND_OF_COMMAND, kind) ? KIND_OF_COMMAND[kind]! : kind;
}
