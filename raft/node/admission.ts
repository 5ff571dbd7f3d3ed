/**
 * May a member with an empty directory vote? It cannot know whether the directory is new or was lost, and
 * with it the votes and acknowledgements that it gave. So it takes part only when
 * - every member it is connected to says that it knows of no log with an entry, and these are, with itself, a
 *   majority of the founders, none of them in a term yet; or all of them. Whoever was added later knows of a
 *   log without having any of it; so does whoever was told of one, also when the member that said so is gone
 *   again. And whoever is in a term may have made a leader that has one, or may have been welcomed by it in
 *   an earlier life: it is no proof that there is none. All of them are: what was committed is on a majority,
 *   of which one directory may be lost. An election may have been tried then: the newcomer starts in the
 *   highest term it was told, with its vote spent. A member at whose address another cluster answers counts
 *   as one with a log: after a recovery from a lost majority (recover_cluster.ts) the survivor goes on under
 *   another id, and the emptied old members must not found the old cluster a second time; or
 * - the leader welcomes it: the log records, committed by a majority that this member is not part of, that it
 *   never took part, or only with this very directory. It then starts in the leader's term with its vote
 *   spent on that leader, so that it cannot vote a second time in any term up to then.
 * Until then the node neither votes nor acknowledges: it gives its core no message at all.
 */
import type { NodeId, Term } from "../core/types.ts";
import type { AdmissionMessage, Verdict } from "./admission_messages.ts";

/** Ticks between two questions to the same member. */
const ASK_EVERY_TICKS = 5;

export type Admitted =
  /** `term`: the highest one that any member has seen. */
  | { readonly kind: "founder"; readonly term: Term }
  | { readonly kind: "welcome"; readonly term: Term; readonly leader: NodeId };

export interface AdmissionOptions {
  /** The founders but this member; of one that was added later: the members it was told of. */
  readonly others: readonly NodeId[];
  readonly instance: number;
  /** Of commands, see versions.ts. */
  readonly version: number;
  /** False for a member that was added to a running cluster: it waits to be welcomed. */
  readonly mayFound: boolean;
  readonly send: (to: NodeId, message: AdmissionMessage) => void;
}

export class Admission {
  #options: AdmissionOptions;
  #connected = new Set<NodeId>();
  #verdicts = new Map<NodeId, { readonly verdict: Verdict; readonly term: Term }>();
  /** Members at whose address another cluster answers, until they connect. */
  #elsewhere = new Set<NodeId>();
  #toldOfLog = false;
  #ticks = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Says hello to a member that was just connected, and forgets what a lost one said. */
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

  /** At the address of a member another cluster answers. */
  otherCluster(id: NodeId): void {
    this.#elsewhere.add(id);
  }

  /** A log exists as far as this member knows, though it has none itself. */
  get knowsLog(): boolean {
    return this.#toldOfLog || !this.#options.mayFound || this.isElsewhere;
  }

  /** At the address of a member another cluster answers. */
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

  /** Admitted because nobody has a log? A cluster of one asks nobody. */
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

  /** Why this member does not vote yet, for people. */
  get reason(): string {
    if (this.refused) {
      return "its raft directory is empty, but the cluster's log says that this member took part before with another " +
        "directory: what it has promised then is lost, so it must not vote. Restore the directory, or have the member " +
        "added anew (remove it, then add it, or replace it)";
    }
    if (this.#toldOfLog || !this.#options.mayFound) {
      return "its raft directory is empty and the cluster has a log: waiting for the leader to admit it";
    }
    if (this.isElsewhere) {
      return "its raft directory is empty, and at the address of a member another cluster answers: this one was " +
        "recovered there from a lost majority, or the addresses are wrong. Start this member again, to join that cluster";
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
