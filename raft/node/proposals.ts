/**
 * Commands proposed on this node whose outcome is not known yet. They are sent again when leadership changes
 * or an answer is missing, which the session in each entry makes harmless. Each of them ends exactly once.
 *
 * While a leader writes its log, commands wait and then go together: one message and one write for all of
 * them.
 */
import type { Proposal } from "../core/outcome.ts";
import type { Index, NodeId, Term } from "../core/types.ts";
import type { ProposeOutcome } from "./api.ts";
import { type CommandEnvelope, encodeEnvelope } from "./envelope.ts";
import { refusalText } from "./member_refusals.ts";
import type { Sessions } from "./sessions.ts";

/** Largest command in bytes; a larger one is rejected. */
export const MAX_COMMAND_BYTES = 1024 * 1024;
const MAX_PENDING = 1024;
const RETRY_AFTER_MS = 1000;

interface Pending {
  readonly seq: number;
  readonly command: Uint8Array;
  readonly done: (outcome: ProposeOutcome) => void;
  readonly onlyInTerm: Term | null;
  readonly deadlineMs: number;
  /**
   * Time of sending; null: the command never left this node nor entered its log, so it is certainly not done.
   */
  sentAtMs: number | null;
  /**
   * Place in this node's own log, if the command is only there: it is gone when another entry is applied at
   * that index.
   */
  place: { readonly index: Index; readonly term: Term } | null;
  lastRefusal: string;
}

export interface ProposalsOptions {
  readonly origin: NodeId;
  readonly incarnation: number;
  readonly now: () => number;
  /** Hands an entry to the core. */
  readonly propose: (data: Uint8Array) => Proposal;
  /** Hands several entries to the core, on the leader. */
  readonly proposeAll: (data: readonly Uint8Array[]) => Proposal;
  /** This node leads and is writing: better to wait for more. */
  readonly busy: () => boolean;
  /** The current term while this node leads, else null. */
  readonly leadingTerm: () => Term | null;
  /** Runs later, outside of the core. */
  readonly later: (run: () => void) => void;
}

export class Proposals {
  #options: ProposalsOptions;
  /** Pending commands by number, which is also their order. */
  #pending = new Map<number, Pending>();
  /** Commands that wait for the pending write. */
  #waiting: Pending[] = [];
  #lastSeq = 0;

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  add(
    command: Uint8Array,
    done: (outcome: ProposeOutcome) => void,
    options: { onlyInTerm: Term | null; timeoutMs: number },
  ): void {
    const reject = (reason: string) => this.#options.later(() => done({ kind: "rejected", reason }));
    if (command.length > MAX_COMMAND_BYTES) {
      return reject(`a command of ${command.length} bytes is too large`);
    }
    if (this.#pending.size >= MAX_PENDING) return reject("too many commands are pending");
    const pending: Pending = {
      seq: ++this.#lastSeq,
      command,
      done,
      onlyInTerm: options.onlyInTerm,
      deadlineMs: this.#options.now() + options.timeoutMs,
      sentAtMs: null,
      place: null,
      lastRefusal: "no leader is known",
    };
    this.#pending.set(pending.seq, pending);
    this.#waiting.push(pending);
    this.flush();
  }

  /** Sends the waiting commands when nothing is being written any more. */
  flush(): void {
    const { busy, leadingTerm, now, proposeAll } = this.#options;
    if (this.#waiting.length === 0) return;
    if (busy()) {
      for (const pending of this.#waiting) pending.lastRefusal = "the log's disk did not answer";
      return;
    }
    const waiting = this.#waiting.filter(({ seq }) => this.#pending.has(seq));
    this.#waiting = [];
    const term = leadingTerm();
    const together = waiting.length > 1 && term !== null &&
      waiting.every(({ onlyInTerm }) => onlyInTerm === null || onlyInTerm === term);
    const proposal = together ? proposeAll(waiting.map((pending) => this.#encode(pending))) : null;
    if (proposal?.kind !== "appended") return waiting.forEach((pending) => this.#send(pending));
    const first = proposal.index - waiting.length + 1;
    for (const [i, pending] of waiting.entries()) {
      pending.sentAtMs = now();
      pending.place = { index: first + i, term: proposal.term };
    }
  }

  /** Notes that a command was applied for the first time; this node may have proposed it. */
  applied(envelope: CommandEnvelope, index: Index, result: unknown): void {
    const { origin, incarnation } = this.#options;
    if (envelope.origin !== origin || envelope.incarnation !== incarnation) return;
    const pending = this.#pending.get(envelope.seq);
    if (pending) this.#end(pending, { kind: "applied", index, result });
  }

  /**
   * Notes that an entry of any member was applied: another entry at its index, in another term, never will
   * be.
   */
  passed(index: Index, term: Term): void {
    for (const pending of this.#pending.values()) {
      const { place, onlyInTerm } = pending;
      if (onlyInTerm === null || !place || place.index !== index || place.term === term) continue;
      this.#end(pending, { kind: "rejected", reason: "leadership was lost before it was committed" });
    }
  }

  /** Notes that the state jumped to a snapshot at `index`, whose sessions tell what it contains. */
  restored(index: Index, sessions: Sessions): void {
    const { origin, incarnation } = this.#options;
    for (const pending of this.#pending.values()) {
      const known = sessions.resultOf(origin, incarnation, pending.seq);
      if (known) this.#end(pending, { kind: "applied", index, result: known.result });
      else if (pending.onlyInTerm !== null && pending.place && pending.place.index <= index) {
        this.#end(pending, { kind: "rejected", reason: "leadership was lost before it was committed" });
      }
    }
  }

  /** Notes another leader, or the same one in another term: it may lack what was sent to the last one. */
  leaderChanged(): void {
    this.#waiting = this.#waiting.filter(({ onlyInTerm }) => onlyInTerm !== null);
    this.flush();
    for (const pending of this.#pending.values()) if (pending.onlyInTerm === null) this.#send(pending);
  }

  /** Ends overdue commands, and retries those that were not sent or got no answer. */
  tick(): void {
    const now = this.#options.now();
    for (const pending of this.#pending.values()) {
      if (now >= pending.deadlineMs) {
        if (pending.sentAtMs === null) this.#end(pending, { kind: "rejected", reason: pending.lastRefusal });
        else this.#end(pending, { kind: "unknown", reason: "not confirmed in time" });
      } else if (
        pending.onlyInTerm === null && !this.#inOwnLog(pending) && !this.#waiting.includes(pending)
      ) {
        if (pending.sentAtMs === null || now - pending.sentAtMs >= RETRY_AFTER_MS) this.#send(pending);
      }
    }
  }

  /** Ends all commands, because the node stops. */
  endAll(reason: string): void {
    for (const pending of this.#pending.values()) {
      const kind = pending.sentAtMs === null ? "rejected" : "unknown";
      this.#end(pending, { kind, reason });
    }
  }

  #inOwnLog({ place }: Pending): boolean {
    return place !== null && this.#options.leadingTerm() === place.term;
  }

  #send(pending: Pending): void {
    const { now, propose, leadingTerm } = this.#options;
    const { onlyInTerm } = pending;
    if (onlyInTerm !== null && leadingTerm() !== onlyInTerm) {
      return this.#end(pending, {
        kind: "rejected",
        reason: `this node does not lead in term ${onlyInTerm}`,
      });
    }
    const proposal = propose(this.#encode(pending));
    if (proposal.kind === "dropped") {
      pending.lastRefusal = `not accepted: ${refusalText(proposal.reason)}`;
      if (onlyInTerm !== null) this.#end(pending, { kind: "rejected", reason: pending.lastRefusal });
      return;
    }
    pending.sentAtMs = now();
    if (proposal.kind === "appended") pending.place = { index: proposal.index, term: proposal.term };
    else pending.place = null;
  }

  #encode({ seq, command }: Pending): Uint8Array {
    const { origin, incarnation } = this.#options;
    const [floor] = this.#pending.keys();
    return encodeEnvelope({ kind: "command", origin, incarnation, seq, floor: floor ?? seq, command });
  }

  #end(pending: Pending, outcome: ProposeOutcome): void {
    this.#pending.delete(pending.seq);
    this.#options.later(() => pending.done(outcome));
  }
}
