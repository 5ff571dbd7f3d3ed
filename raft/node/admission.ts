/**
 * Decides whether a member with an empty directory may vote. The member cannot know whether its directory is
 * new, or was lost together with the votes and acknowledgements that it gave. So it takes part only when
 * - every connected member says that it knows of no log with an entry, and these members are, with this one,
 *   either a majority of the founders, none of them in a term yet, or all founders. A member that was added
 *   later knows of a log without having any of it. So does a member that was told of a log, even when the
 *   member that said so is gone again. A member in a term proves nothing: it may have made a leader that has
 *   a log, or may have been welcomed by that leader in an earlier life. All founders together are a proof:
 *   committed entries are on a majority, of which one directory may be lost. An election may have been tried
 *   then, so the newcomer starts in the highest term it was told, with its vote spent. A member at whose
 *   address another cluster answers counts as one with a log: after a recovery from a lost majority
 *   (recover_cluster.ts) the survivor goes on under another id, and the emptied old members must not found
 *   the old cluster a second time; or
 * - the leader welcomes it: the log records that it never took part, or only with this very directory, and a
 *   majority without this member has committed that record. It then starts in the leader's term with its vote
 *   spent on that leader, so that it cannot vote a second time in any term up to then.
 * Until then the node neither votes nor acknowledges: it gives its core no message at all.
 */
import type { NodeId, Term } from "../core/types.ts";
import type { AdmissionMessage, Verdict } from "./admission_messages.ts";

/** Ticks between two questions to the same member. */
const ASK_EVERY_TICKS = 5;

export type Admitted =
  /** `term`: the highest term that any member has seen. */
  | { readonly kind: "founder"; readonly term: Term }
  | { readonly kind: "welcome"; readonly term: Term; readonly leader: NodeId };

export interface AdmissionOptions {
  /** The other founders; on a member that was added later: the members it was told of. */
  readonly others: readonly NodeId[];
  readonly instance: number;
  /** Version of commands that this program knows, see versions.ts. */
  readonly version: number;
  /**
   * Whether this member may found; false for one that was added to a running cluster, which waits to be
   * welcomed.
   */
  readonly mayFound: boolean;
  readonly send: (to: NodeId, message: AdmissionMessage) => void;
}

export class Admission {
  #options: AdmissionOptions;
  #connected = new Set<NodeId>();
  #verdicts = new Map<NodeId, { readonly verdict: Verdict; readonly term: Term }>();
  /** Members at whose address another cluster answers; they stay until they connect. */
  #elsewhere = new Set<NodeId>();
  #toldOfLog = false;
  #ticks = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Greets a member that has just connected, and forgets what a lost one said. */
  peer(id: NodeId, connected: boolean): void {
    if (connected) {
      this.#elsewhere.delete(id);
      this.#connected.add(id);
      this.#ask(id);
    } else {
      this.#connected.delete(id);
      this.#verdicts.delete(id);
    }
  }

  /** Notes that another cluster answers at the address of a member. */
  otherCluster(id: NodeId): void {
    this.#elsewhere.add(id);
  }

  /** Whether a log exists as far as this member knows, though it has none itself. */
  get knowsLog(): boolean {
    return this.#toldOfLog || !this.#options.mayFound || this.isElsewhere;
  }

  /** Whether another cluster answers at the address of a member. */
  get isElsewhere(): boolean {
    return this.#elsewhere.size > 0;
  }

  tick(): void {
    if (++this.#ticks % ASK_EVERY_TICKS !== 0) return;
    for (const id of this.#connected) this.#ask(id);
  }

  answer(from: NodeId, message: AdmissionMessage): Admitted | null {
    if (message.kind !== "answer" || message.instance !== this.#options.instance) return null;
    this.#verdicts.set(from, message);
    if (message.verdict !== "noLog") this.#toldOfLog = true;
    if (message.verdict === "welcome") return { kind: "welcome", term: message.term, leader: from };
    return this.founder();
  }

  /** Admits this member when nobody has a log; null otherwise. A cluster of one asks nobody. */
  founder(): Admitted | null {
    const { others } = this.#options;
    if (this.knowsLog) return null;
    const answers = [...this.#connected].map((id) => this.#verdicts.get(id));
    if (answers.some((answer) => answer?.verdict !== "noLog")) return null;
    const term = Math.max(0, ...answers.map((answer) => answer!.term));
    const agreeing = 1 + others.filter((id) => this.#connected.has(id)).length;
    const enough = term === 0 ? agreeing > (1 + others.length) / 2 : agreeing === 1 + others.length;
    return enough ? { kind: "founder", term } : null;
  }

  /** Reason, for people, why this member does not vote yet. */
  get reason(): string {
    if (this.refused) {
      return "its raft directory is empty, but the cluster's log says that this member took part before with another " +
        "directory: its promises are lost with that one, so it must not vote. Restore the directory, or have the member " +
        "added anew (remove it, then add it, or replace it)";
    }
    if (this.#toldOfLog || !this.#options.mayFound) {
      return "its raft directory is empty and the cluster has a log: waiting for the leader to admit it";
    }
    if (this.isElsewhere) {
      return "its raft directory is empty, and another cluster answers at the address of a member: this one was " +
        "recovered there from a lost majority, or the addresses are wrong. Start this member again to join that cluster";
    }
    if ([...this.#verdicts.values()].some(({ term }) => term > 0)) {
      return "its raft directory is empty, and another member has taken part in an election, so that a log may exist: " +
        "waiting for a leader, or until all first members say that they have none";
    }
    const heard = `${this.#verdicts.size} of ${this.#options.others.length}`;
    return `its raft directory is empty: waiting for other members to say whether a log exists (${heard} answered)`;
  }

  get refused(): boolean {
    return [...this.#verdicts.values()].some(({ verdict }) => verdict === "refused");
  }

  #ask(to: NodeId): void {
    this.#options.send(to, {
      kind: "hello",
      instance: this.#options.instance,
      empty: true,
      version: this.#options.version,
      pieces: true,
    });
  }
}
