/**
 * Finds what happened to this member since the last look: to its PostgreSQL, by its guard, and with its data.
 * Nothing but a memory of the last look; what it finds is for people.
 */
import type { ExitReport } from "../../model/guard_view.ts";
import { type EventFacts, eventKind, type NotedEvent, type NotedKind } from "../../model/event.ts";
import { MAX_EVENT_TEXT, MAX_KEPT } from "../../dcs/command_schema.ts";
import { cutText } from "../../dcs/commands.ts";
import { oneLine } from "../../lib/plain_text.ts";
import { bytesOf, describeLoss, type LostWal } from "../../model/lost_wal.ts";
import type { Ailment } from "../../model/ailment.ts";
import type { SyncTrouble } from "../../model/sync_trouble.ts";
import type { LeadFailure } from "../../model/lead_failure.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";

export interface OwnLook {
  readonly name: string;
  readonly dcs: Pick<DcsState, "lock" | "events">;
  readonly postgres: PostgresView;
  readonly lastExit: ExitReport | null;
  /** Clock.now() of the freeze by the guard; null: not frozen, or not known. */
  readonly frozenAtMs: number | null;
  /** The records are not older than this start of the agent. */
  readonly joined: boolean;
  readonly holding: boolean;
  /** Clock.now() when the lock was granted, as far as it was since the start of the agent. */
  readonly heldSinceMs: number;
  readonly leadFailure: LeadFailure | null;
  readonly needsReinit: string | null;
  readonly ailments: readonly Pick<Ailment, "cause" | "severity" | "detail">[];
  readonly syncTroubles: readonly Pick<SyncTrouble, "kind" | "detail">[];
  readonly stopping: boolean;
  readonly nowMs: number;
  /** Wall clock, ms. */
  readonly wallMs: number;
}

type Found = Pick<NotedEvent, "kind" | "text" | "facts"> & { readonly agoMs?: number };

const MAX_TEXT = 400;
/** What the guard did before this start of the agent is told when it is not longer ago. */
const NEWS_MS = 600_000;
/** The same moment by two starts of the agent: their wall clocks differ by so much. */
const SAME_MS = 2000;

export class OwnEvents {
  #before: OwnLook | null = null;
  /** Clock.now() when PostgreSQL crashed or was killed; null: it runs again, or was ended in order. */
  #downSinceMs: number | null = null;
  #frozenSinceMs: number | null = null;
  #promotedEpoch = 0;
  /** undefined: the guard has reported an end from before this start, which was not looked at yet. */
  #exitPid: number | null | undefined = undefined;

  look(now: OwnLook): readonly NotedEvent[] {
    const before = this.#before;
    this.#before = now;
    if (before === null) {
      if (now.lastExit === null) this.#exitPid = null;
      return [];
    }
    const found = [
      ...this.#ends(before, now),
      ...this.#freezes(before, now),
      ...this.#leads(before, now),
      ...dataChanges(before, now),
      ...healthChanges(before, now),
      ...syncChanges(before, now),
    ];
    return found.map(({ agoMs = 0, kind, text, facts }) => ({
      kind,
      member: now.name,
      at: new Date(now.wallMs - agoMs).toISOString(),
      text: cutText(oneLine(text, MAX_TEXT), MAX_EVENT_TEXT),
      ...(facts === undefined ? {} : { facts }),
    }));
  }

  *#ends(before: OwnLook, now: OwnLook): Iterable<Found> {
    const { postgres, nowMs, stopping } = now;
    if (stopping && !before.stopping) {
      yield { kind: "agent-stopping", text: "the agent was told to stop", facts: heldEpoch(now) };
    }
    const exit = this.#newExit(now);
    const epoch = before.postgres.epoch ?? postgres.epoch;
    const facts = epoch === null ? lastEpoch(now) : { epoch };
    if (exit?.fenced === true) {
      this.#downSinceMs = exit.atMs;
      const text = "the guard ended PostgreSQL: its lease was over";
      yield { kind: "postgres-killed", text, facts, agoMs: nowMs - exit.atMs };
    } else if (hasCrashed(before.postgres, postgres)) {
      const atMs = postgres.unaskedEndMs ?? exit?.atMs ?? nowMs;
      this.#downSinceMs = atMs;
      const text = exit?.code === 0
        ? "PostgreSQL was shut down, and not by the agent (exit code 0)"
        : `PostgreSQL ended by itself${exit === null ? "" : ` (${howItEnded(exit)})`}`;
      yield { kind: "postgres-crashed", text, facts, agoMs: Math.max(0, nowMs - atMs) };
    }
    if (this.#downSinceMs === null || postgres.process !== "running" || postgres.inRecovery === null) return;
    const tookMs = Math.round(nowMs - this.#downSinceMs);
    this.#downSinceMs = null;
    yield { kind: "postgres-back", text: "PostgreSQL runs again", facts: { ...heldEpoch(now), tookMs } };
  }

  /** The end of a server that was not looked at yet; null: none. */
  #newExit(now: OwnLook): ExitReport | null {
    const { lastExit, joined, nowMs } = now;
    const known = this.#exitPid;
    if (!joined || known === (lastExit?.pid ?? null)) return null;
    this.#exitPid = lastExit?.pid ?? null;
    if (lastExit === null || known !== undefined) return lastExit;
    // From before this start: whether it was a crash is not known any more.
    const agoMs = nowMs - lastExit.atMs;
    return lastExit.fenced && agoMs < NEWS_MS && !wasKilled(now, agoMs) ? lastExit : null;
  }

  *#freezes({ postgres: before }: OwnLook, { postgres, frozenAtMs, nowMs }: OwnLook): Iterable<Found> {
    if (postgres.process === "frozen") {
      if (before.process === "frozen") return;
      // The agent may have stood still since then.
      const sinceMs = Math.min(frozenAtMs ?? nowMs, nowMs);
      this.#frozenSinceMs = sinceMs;
      const text = "the guard froze PostgreSQL: its lease was not renewed in time";
      return yield {
        kind: "postgres-frozen",
        text,
        facts: postgres.epoch === null ? undefined : { epoch: postgres.epoch },
        agoMs: nowMs - sinceMs,
      };
    }
    const sinceMs = this.#frozenSinceMs;
    this.#frozenSinceMs = null;
    if (sinceMs === null) return;
    if (postgres.process !== "running") {
      // The guard or the agent ended it while it was frozen: its next start is news.
      this.#downSinceMs ??= sinceMs;
      return;
    }
    const tookMs = Math.round(nowMs - sinceMs);
    const epoch = postgres.epoch === null ? {} : { epoch: postgres.epoch };
    yield {
      kind: "postgres-thawed",
      text: "the guard thawed PostgreSQL: a renewal came",
      facts: { ...epoch, tookMs },
    };
  }

  *#leads(before: OwnLook, now: OwnLook): Iterable<Found> {
    const { postgres, dcs: { lock }, holding, heldSinceMs, nowMs, leadFailure } = now;
    if (leadFailure?.sitsOut === true && leadFailure.at !== before.leadFailure?.at) {
      yield {
        kind: "cannot-lead",
        text: `it lets the lock go, and sits out for a while: ${leadFailure.why}`,
        facts: lastEpoch(now),
      };
    }
    if (!holding || postgres.wroteUnder !== lock.epoch || this.#promotedEpoch >= lock.epoch) return;
    this.#promotedEpoch = lock.epoch;
    if (wasTold("promoted", now) || !wasTold("lock-granted", now)) return;
    const tookMs = Number.isFinite(heldSinceMs) ? Math.max(0, Math.round(nowMs - heldSinceMs)) : null;
    const after = tookMs === null ? "" : `, ${(tookMs / 1000).toFixed(2)} s after the grant`;
    const facts: EventFacts = {
      epoch: lock.epoch,
      ...(postgres.timeline === null ? {} : { timeline: postgres.timeline }),
      ...(postgres.walLsn === null ? {} : { lsn: postgres.walLsn }),
      ...(tookMs === null ? {} : { tookMs }),
    };
    yield { kind: "promoted", text: `its first write as the primary${after}`, facts };
  }
}

function* dataChanges(before: OwnLook, now: OwnLook): Iterable<Found> {
  const { postgres, dcs: { lock }, needsReinit } = now;
  const hasDone = (kind: "rewind" | "clone" | "restart") => {
    const done = postgres.last[kind];
    return done !== undefined && done.ok && done.atMs !== before.postgres.last[kind]?.atMs ? done : null;
  };
  const facts = { epoch: lock.epoch };
  const { lost } = postgres;
  if (lost !== undefined && lost.atMs !== before.postgres.lost?.atMs) {
    const text = describeLoss(lost);
    yield { kind: "wal-lost", text, facts: { ...facts, ...lossFacts(lost) }, agoMs: now.nowMs - lost.atMs };
  }
  if (hasDone("rewind") !== null) {
    // The leader of a standby cluster.
    const other = lock.holder === now.name ? "the remote primary" : lock.holder ?? "the primary";
    yield { kind: "rewound", text: `rewound to the history of ${other}`, facts };
  }
  const clone = hasDone("clone");
  if (clone !== null) {
    const text = `copied from ${clone.from ?? "a backup"}`;
    yield { kind: "cloned", text, facts: clone.from === undefined ? facts : { ...facts, other: clone.from } };
  }
  if (hasDone("restart") !== null) {
    yield { kind: "postgres-restarted", text: "PostgreSQL was restarted", facts: heldEpoch(now) };
  }
  if (needsReinit !== null && before.needsReinit === null) {
    yield { kind: "needs-reinit", text: `it comes back by a reinit only: ${needsReinit}`, facts };
  }
}

function lossFacts({ stretches, transactions, kept }: LostWal): EventFacts {
  const first = stretches?.[0];
  if (stretches === null || first === undefined) return {};
  return {
    timeline: first.timeline,
    lsn: first.from,
    end: stretches.at(-1)!.to,
    bytes: bytesOf(stretches),
    ...(typeof transactions === "number" ? { transactions } : {}),
    ...(kept === null || kept.length > MAX_KEPT ? {} : { kept }),
  };
}

/** What grows worse is told once more; its figures alone are no news. */
function* healthChanges(before: OwnLook, now: OwnLook): Iterable<Found> {
  const facts = (cause: string): EventFacts => ({ ...heldEpoch(now), cause });
  for (const { cause, severity, detail } of now.ailments) {
    const known = before.ailments.find((one) => one.cause === cause);
    if (known !== undefined && (known.severity === severity || severity === "warning")) continue;
    yield { kind: "ailment-began", text: `${cause} (${severity}): ${detail}`, facts: facts(cause) };
  }
  for (const { cause } of before.ailments) {
    if (now.ailments.some((one) => one.cause === cause)) continue;
    yield { kind: "ailment-ended", text: `${cause} is over`, facts: facts(cause) };
  }
}

function* syncChanges(before: OwnLook, now: OwnLook): Iterable<Found> {
  const facts = (cause: string): EventFacts => ({ ...heldEpoch(now), cause });
  const lacks = ({ syncTroubles }: OwnLook, kind: string) => !syncTroubles.some((one) => one.kind === kind);
  for (const { kind, detail } of now.syncTroubles.filter((one) => lacks(before, one.kind))) {
    yield { kind: "sync-trouble-began", text: `${kind}: ${detail}`, facts: facts(kind) };
  }
  for (const { kind } of before.syncTroubles.filter((one) => lacks(now, one.kind))) {
    yield { kind: "sync-trouble-ended", text: `${kind} is over`, facts: facts(kind) };
  }
}

function hasCrashed(before: PostgresView, now: PostgresView): boolean {
  return now.unaskedEndMs !== undefined && now.unaskedEndMs !== before.unaskedEndMs;
}

function howItEnded({ signal, code }: ExitReport): string {
  return signal === null ? `exit code ${code ?? "unknown"}` : signal;
}

/** The epoch that it holds. */
function heldEpoch({ holding, dcs: { lock } }: OwnLook): EventFacts | undefined {
  return holding ? { epoch: lock.epoch } : undefined;
}

/** The epoch that it held last, if no other member held one since. */
function lastEpoch({ name, dcs: { lock } }: OwnLook): EventFacts | undefined {
  return lock.lastHolder === name ? { epoch: lock.epoch } : undefined;
}

/** A former start of the agent, under the same epoch, has told it. */
function wasTold(kind: NotedKind | "lock-granted", { dcs: { lock, events } }: OwnLook): boolean {
  return events.some((event) => eventKind(event) === kind && event.facts?.epoch === lock.epoch);
}

function wasKilled({ name, dcs: { events }, wallMs }: OwnLook, agoMs: number): boolean {
  return events.some((event) =>
    event.kind === "postgres-killed" && event.member === name &&
    Math.abs(Date.parse(event.at) - (wallMs - agoMs)) < SAME_MS
  );
}
