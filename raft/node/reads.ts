/**
 * Linearizable reads that wait: first for a majority to confirm this node's leadership, then for the apply.
 */
import type { ReadIndexResult } from "../core/outcome.ts";
import type { Index, ReadState, Term } from "../core/types.ts";
import type { ReadOutcome } from "./api.ts";

interface PendingRead {
  readonly token: number;
  readonly term: Term;
  readonly done: (outcome: ReadOutcome) => void;
  /** Index to apply first; null until a majority has confirmed. */
  index: Index | null;
}

export class Reads {
  #pending: PendingRead[] = [];
  #later: (run: () => void) => void;

  constructor(later: (run: () => void) => void) {
    this.#later = later;
  }

  /** `result` is the core's answer to a readIndex that was asked as the leader of `term`. */
  add(result: ReadIndexResult, term: Term, done: (outcome: ReadOutcome) => void): void {
    if (result.kind === "dropped") return this.#end(done, { kind: "rejected", reason: result.reason });
    this.#pending.push({ token: result.token, term, done, index: null });
  }

  confirmed(states: readonly ReadState[]): void {
    for (const { token, index } of states) {
      const read = this.#pending.find((pending) => pending.token === token);
      if (read) read.index = index;
    }
  }

  /** Answers reads that are confirmed and applied; `leadingTerm` is null while this node does not lead. */
  settle(applied: Index, leadingTerm: Term | null): void {
    if (this.#pending.length === 0) return;
    const waiting: PendingRead[] = [];
    for (const read of this.#pending) {
      const { term, index, done } = read;
      if (term !== leadingTerm) this.#end(done, { kind: "rejected", reason: "leadership was lost" });
      else if (index !== null && index <= applied) this.#end(done, { kind: "confirmed", index, term });
      else waiting.push(read);
    }
    this.#pending = waiting;
  }

  endAll(reason: string): void {
    for (const { done } of this.#pending) this.#end(done, { kind: "rejected", reason });
    this.#pending = [];
  }

  #end(done: (outcome: ReadOutcome) => void, outcome: ReadOutcome): void {
    this.#later(() => done(outcome));
  }
}
