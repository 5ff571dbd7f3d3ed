/**
 * Takes a node from an empty directory to a member that takes part: asks whether it may (admission.ts),
 * spends the vote that it may have given before, and hands over the log to begin with. Owns what this node
 * knows of a log before it has an entry.
 */
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE, type Term } from "../core/types.ts";
import { Admission, type Admitted } from "./admission.ts";
import type { AdmissionMessage } from "./admission_messages.ts";
import type { LogStorage, StoredLog } from "./ports.ts";
import type { ResolvedOptions } from "./raft_options.ts";

export interface TakingPartOptions
  extends Pick<ResolvedOptions, "id" | "members" | "instance" | "join" | "log"> {
  readonly commandVersion: number;
  readonly storage: Pick<LogStorage, "append">;
  readonly tell: (to: NodeId, message: AdmissionMessage) => void;
  readonly nameOf: (id: NodeId) => string;
  /** This member takes part from now on, with this log; `founding`: of a group that has none yet. */
  readonly begin: (stored: StoredLog, founding: boolean) => void;
  readonly fail: (error: Error) => void;
  readonly turn: (work: () => void) => void;
}

export class TakingPart {
  readonly #options: TakingPartOptions;
  /** Pending admission; not null while the directory is empty and this node may not take part yet. */
  #admission: Admission | null = null;
  /** Result of the admission; null before it, and in a life that began with a log. */
  #admitted: Admitted | null = null;
  #refusalLogged = false;

  constructor(options: TakingPartOptions) {
    this.#options = options;
  }

  /** Begins to ask, because the directory is empty. */
  ask(): void {
    const { id: self, members, instance, commandVersion, join, tell } = this.#options;
    const others = members.map(({ id }) => id).filter((id) => id !== self);
    this.#admission = new Admission({
      others,
      instance,
      version: commandVersion,
      mayFound: !join,
      send: tell,
    });
    this.#admit(this.#admission.founder());
  }

  get isAsking(): boolean {
    return this.#admission !== null;
  }

  /** Says, for people, why this node does not vote; null: it may. */
  notVoting(core: RawNode | null): string | null {
    if (this.#admission !== null) return this.#admission.reason;
    if (!core) return "it was admitted, and writes that to its log";
    const listens = core.configuration.learners.includes(this.#options.id);
    return listens ? "this member has no vote (yet): it only follows" : null;
  }

  /** Whether there is a log of which this member has no entry: see admission.ts. */
  get knowsLog(): boolean {
    return this.#options.join || this.#admitted?.kind === "welcome" || (this.#admission?.knowsLog ?? false);
  }

  /** Term in which this member was admitted; 0: in none, or not yet. */
  get term(): Term {
    return this.#admitted?.term ?? 0;
  }

  tick(): void {
    this.#admission?.tick();
  }

  peer(id: NodeId, connected: boolean): void {
    this.#admission?.peer(id, connected);
  }

  answer(from: NodeId, message: Extract<AdmissionMessage, { kind: "answer" }>): void {
    if (this.#admission === null) return;
    this.#admit(this.#admission.answer(from, message));
    this.#noteRefusal();
  }

  otherCluster(id: NodeId): void {
    this.#admission?.otherCluster(id);
    this.#noteRefusal();
  }

  /** Logs once why this member will not vote before an operator acts. */
  #noteRefusal(): void {
    const admission = this.#admission;
    if (!admission || this.#refusalLogged || !(admission.refused || admission.isElsewhere)) return;
    this.#refusalLogged = true;
    this.#options.log("warning", "raft_not_voting", `this member does not vote: ${admission.reason}`);
  }

  #admit(admitted: Admitted | null): void {
    if (!admitted || !this.#admission) return;
    this.#admission = null;
    const { id, storage, log, nameOf, begin, fail, turn } = this.#options;
    const founding = admitted.kind === "founder";
    if (founding) log("info", "raft_founder", "no member has a log yet: founding the cluster");
    else log("info", "raft_welcome", `the leader ${nameOf(admitted.leader)} has admitted this member`);
    const { term } = admitted;
    this.#admitted = admitted;
    // The vote is spent, so that this member cannot vote a second time in a term that it may have seen
    // before.
    const hardState = { term, vote: term === 0 ? NONE : founding ? id : admitted.leader, commit: 0 };
    const stored: StoredLog = { hardState, snapshot: null, entries: [], empty: term === 0 };
    if (term === 0) return begin(stored, founding);
    storage.append({ hardState, entries: [], snapshot: null, sync: true }, (error) => {
      turn(() => error ? fail(error) : begin(stored, founding));
    });
  }
}
