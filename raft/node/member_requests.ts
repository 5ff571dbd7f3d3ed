/**
 * Membership changes that were asked for on this node: takes each to the current leader, again and again,
 * until it is answered or its time is over. Operations may be repeated without harm.
 */
import type { NodeId } from "../core/types.ts";
import type { MemberOutcome } from "./api.ts";
import type { MemberMessage, MemberOperation, OperationOutcome } from "./member_messages.ts";

const AGAIN_AFTER_MS = 1000;
const RETRY_AFTER_MS = 200;
const PATIENCE_MS = 15_000;

type Done = (outcome: MemberOutcome) => void;

interface Pending {
  readonly seq: number;
  readonly operation: MemberOperation;
  readonly done: Done;
  readonly deadlineMs: number;
  nextMs: number;
  /** Whether a leader may be working on it. */
  open: boolean;
  lastReason: string;
}

export interface MemberRequestsOptions {
  readonly id: NodeId;
  readonly now: () => number;
  /** Current leader; null when unknown. */
  readonly leader: () => NodeId | null;
  readonly send: (to: NodeId, message: MemberMessage) => void;
  /** Runs the operation here, as the leader. */
  readonly run: (operation: MemberOperation, answer: (outcome: OperationOutcome) => void) => void;
  /** Runs later, outside of the core. */
  readonly later: (run: () => void) => void;
}

export class MemberRequests {
  readonly #options: MemberRequestsOptions;
  #pending = new Map<number, Pending>();
  #lastSeq = 0;

  constructor(options: MemberRequestsOptions) {
    this.#options = options;
  }

  add(operation: MemberOperation, done: Done): void {
    const now = this.#options.now();
    const pending: Pending = {
      seq: ++this.#lastSeq,
      operation,
      done,
      deadlineMs: now + PATIENCE_MS,
      nextMs: now,
      open: false,
      lastReason: "no leader is known: a majority of the voters must be running",
    };
    this.#pending.set(pending.seq, pending);
    this.#try(pending);
  }

  tick(): void {
    const now = this.#options.now();
    for (const pending of this.#pending.values()) {
      if (now >= pending.deadlineMs) {
        this.#end(pending, { kind: pending.open ? "unknown" : "rejected", reason: pending.lastReason });
      } else if (now >= pending.nextMs) {
        this.#try(pending);
      }
    }
  }

  leaderChanged(): void {
    for (const pending of this.#pending.values()) this.#try(pending);
  }

  answered(seq: number, outcome: OperationOutcome): void {
    const pending = this.#pending.get(seq);
    if (!pending) return;
    const { kind } = outcome;
    if (kind === "done") return this.#end(pending, { kind });
    const { reason } = outcome;
    if (kind !== "retry") return this.#end(pending, { kind, reason });
    pending.open = false;
    pending.lastReason = reason;
    pending.nextMs = this.#options.now() + RETRY_AFTER_MS;
  }

  endAll(reason: string): void {
    for (const pending of this.#pending.values()) {
      this.#end(pending, { kind: pending.open ? "unknown" : "rejected", reason });
    }
  }

  #try(pending: Pending): void {
    const { id, now, leader, send, run } = this.#options;
    const to = leader();
    pending.nextMs = now() + AGAIN_AFTER_MS;
    if (to === null) return;
    pending.open = true;
    const { seq, operation } = pending;
    if (to !== id) return send(to, { kind: "request", seq, operation });
    run(operation, (outcome) => this.answered(seq, outcome));
  }

  #end(pending: Pending, outcome: MemberOutcome): void {
    this.#pending.delete(pending.seq);
    this.#options.later(() => pending.done(outcome));
  }
}
