/**
 * Invariants of every run of raft, checked as it happens from the outside: by the status of each node, the
 * contents of its disk, and the stream of commands that its state machine applies. Throws a Violation.
 *
 * Log matching is checked by induction: an entry (index, term) has the same contents and the same
 * predecessor's term wherever it is written; so two logs that share it share everything before it.
 */
import { decodeConfiguration } from "../core/configuration.ts";
import type { Entry, Index, NodeId, Snapshot, Term } from "../core/types.ts";
import type { RaftStatus } from "../node/api.ts";
import type { LogBatch } from "../node/ports.ts";
import type { DiskObserver, SimDisk } from "./sim_storage.ts";
import { Violation } from "./world.ts";

interface WrittenEntry {
  readonly hash: number;
  readonly previousTerm: Term;
}

interface NodeMemory {
  readonly disk: SimDisk;
  term: Term;
  vote: NodeId;
  commit: Index;
  applied: Index;
  /** Term in which the node was last seen leading, and the end of its log then. */
  leadTerm: Term;
  leadLast: Index;
  /**
   * Configurations by which the node has counted since it was last seen: the one at that time, and those that
   * it has written since.
   */
  voters: (readonly NodeId[])[];
  /** Configurations in the node's own view of its log, by index. */
  configurations: ConfigurationAt[];
  /** Configuration that the node has proposed as a leader since it was last seen. */
  proposed: { readonly term: Term; readonly index: Index; readonly previous: Index } | null;
}

interface ConfigurationAt {
  readonly index: Index;
  readonly voters: readonly NodeId[];
}

export class RaftInvariants implements DiskObserver {
  /** Number of elections won, for figures. */
  terms = 0;
  /** Whether a leader may believe that a voter can write, where that can be judged. */
  mayCountOn: (leader: NodeId, voter: NodeId) => boolean = () => true;
  readonly #nodes = new Map<NodeId, NodeMemory>();
  readonly #idOfDisk = new Map<SimDisk, NodeId>();
  readonly #leaders = new Map<Term, NodeId>();
  readonly #written = new Map<Index, Map<Term, WrittenEntry>>();
  /** Entries that any node has applied, by index. */
  readonly #applied = new Map<Index, { readonly term: Term; readonly hash: number }>();
  /** States by the index of the last command. */
  readonly #states = new Map<Index, string>();
  /** Indexes by the command's hash. */
  readonly #indexes = new Map<number, Index>();
  /** Nodes whose directory was lost, with the end of the log in it. */
  readonly #forgotten = new Map<NodeId, Index>();
  #maxCommit: Index = 0;
  /** Term of the entry at maxCommit; null: not known. */
  #maxCommitEntryTerm: Term | null = null;
  /** Term not below that in which maxCommit was committed: leaders of later terms must have it. */
  #maxCommitTerm: Term = 0;

  /** Follows the node with this id and its disk, through all its lives. */
  watch(id: NodeId, disk: SimDisk): void {
    const node = this.#nodes.get(id);
    if (node) return;
    this.#nodes.set(id, {
      disk,
      term: 0,
      vote: 0,
      commit: 0,
      applied: 0,
      leadTerm: 0,
      leadLast: 0,
      voters: [],
      configurations: [],
      proposed: null,
    });
    this.#idOfDisk.set(disk, id);
    disk.observer = this;
  }

  onAppend(disk: SimDisk, batch: LogBatch): void {
    const node = this.#nodes.get(this.#idOf(disk))!;
    if (batch.snapshot !== null) beginWith(node, batch.snapshot);
    let previousTerm: Term | null = null;
    for (const entry of batch.entries) {
      previousTerm ??= entry.index === 1 ? 0 : disk.termAt(entry.index - 1);
      if (previousTerm === null) {
        throw new Violation(
          "log without gaps",
          `node ${this.#idOf(disk)} writes entry ${entry.index} after a gap`,
        );
      }
      const hash = hashBytes(entry.data, entry.kind === "config" ? 1 : 0);
      this.#checkWritten(disk, entry.index, entry.term, hash, previousTerm);
      while ((node.configurations.at(-1)?.index ?? -1) >= entry.index) node.configurations.pop();
      if (entry.kind === "config") this.#onConfiguration(node, entry);
      previousTerm = entry.term;
    }
  }

  /** Checks that at most one voter comes or goes at a time, so that majorities of neighbours overlap. */
  #onConfiguration(node: NodeMemory, { index, term, data }: Entry): void {
    const { voters } = decodeConfiguration(data);
    const before = node.configurations.at(-1);
    if (before !== undefined) {
      const changes = voters.filter((id) => !before.voters.includes(id)).length +
        before.voters.filter((id) => !voters.includes(id)).length;
      const leader = this.#idOf(node.disk);
      const able = voters.filter((id) => this.mayCountOn(leader, id));
      if (changes > 0 && node.leadTerm === term && able.length * 2 <= voters.length) {
        throw new Violation(
          "a change leaves a majority that can write",
          `${leader} makes the voters ${voters.join(" ")} at ${index}; the disks work of ${able.join(" ")}`,
        );
      }
      if (changes > 1) {
        throw new Violation(
          "neighbouring configurations overlap",
          `voters ${before.voters.join(" ")} at ${before.index}, then ${voters.join(" ")} at ${index}`,
        );
      }
    }
    if (node.leadTerm === term) node.proposed = { term, index, previous: before?.index ?? 0 };
    node.configurations.push({ index, voters });
    node.voters.push(voters);
  }

  onDurable(disk: SimDisk): void {
    const id = this.#idOf(disk);
    const node = this.#nodes.get(id)!;
    const { term, vote } = disk.durable.hardState;
    if (term < node.term) throw new Violation("term never decreases", `node ${id}: ${node.term} to ${term}`);
    if (term === node.term && node.vote !== 0 && vote !== node.vote) {
      throw new Violation("one vote a term", `node ${id} in term ${term}: ${node.vote}, then ${vote}`);
    }
    node.term = term;
    node.vote = vote;
  }

  /**
   * Notes that a directory is being lost: what the node comes back with says nothing about what it had
   * promised.
   */
  onWipe(disk: SimDisk): void {
    const id = this.#idOf(disk);
    this.#forgotten.set(id, Math.max(this.#forgotten.get(id) ?? 0, disk.durable.lastIndex));
    Object.assign(this.#nodes.get(id)!, {
      term: 0,
      vote: 0,
      commit: 0,
      applied: 0,
      leadTerm: 0,
      leadLast: 0,
    });
  }

  /**
   * Notes that a life began with the contents of its disk: it applies again from its snapshot on. `founders`:
   * voters at index 0.
   */
  onStart(id: NodeId, founders: readonly NodeId[]): void {
    const node = this.#nodes.get(id)!;
    const { durable } = node.disk;
    node.applied = durable.snapshot?.index ?? 0;
    node.commit = 0;
    node.leadTerm = 0;
    node.proposed = null;
    const known = durable.configurations();
    const founded = founders.length > 0 && durable.snapshot === null;
    node.configurations = founded ? [{ index: 0, voters: founders }, ...known] : known;
  }

  onApply(id: NodeId, index: Index, term: Term, command: Uint8Array): void {
    const node = this.#nodes.get(id)!;
    if (index <= node.applied) {
      throw new Violation("apply goes forward", `node ${id} applies ${index} after ${node.applied}`);
    }
    node.applied = index;
    const hash = hashBytes(command, 0);
    const known = this.#applied.get(index);
    if (!known) {
      this.#applied.set(index, { term, hash });
      this.#indexes.set(hash, index);
    }
    if (known && (known.hash !== hash || known.term !== term)) {
      throw new Violation(
        "state machine safety",
        `node ${id} applies another command at ${index} (term ${term}, was ${known.term})`,
      );
    }
  }

  /** Takes the state of a machine whose last command was that at `index`, applied or from a snapshot. */
  onState(id: NodeId, index: Index, state: string): void {
    const known = this.#states.get(index);
    if (known === undefined) this.#states.set(index, state);
    else if (known !== state) {
      throw new Violation(
        "the same state at the same index",
        `node ${id} at ${index}: ${state}, was ${known}`,
      );
    }
  }

  /** Term applied at an index; null: no node has applied anything there. */
  appliedTerm(index: Index): Term | null {
    return this.#applied.get(index)?.term ?? null;
  }

  /** Index at which a command was applied; null: no node has applied it. */
  indexOf(command: Uint8Array): Index | null {
    return this.#indexes.get(hashBytes(command, 0)) ?? null;
  }

  /** Checks a node's status; called when its role, term or commit index may have changed. */
  onStatus(status: RaftStatus): void {
    const node = this.#nodes.get(status.id)!;
    // The node does not take part yet; its admission may be on the disk already.
    if (status.term === 0 && status.notVoting !== null) return;
    if (status.term < node.term) {
      throw new Violation(
        "term never decreases",
        `node ${status.id} is in ${status.term}, its disk in ${node.term}`,
      );
    }
    if (status.commit < node.commit) {
      throw new Violation("commit never decreases", `node ${status.id}: ${node.commit} to ${status.commit}`);
    }
    if (status.applied > status.commit) {
      throw new Violation("applied is committed", `node ${status.id}: ${status.applied} of ${status.commit}`);
    }
    if (status.role === "leader") this.#onLeader(status, node);
    else node.leadTerm = 0;
    this.#checkProposed(status, node);
    if (status.commit > node.commit) {
      node.commit = status.commit;
      // Only the leader knows the configuration by which it counted: a member that catches up may know an
      // older one.
      if (status.role === "leader") this.#onCommit(status);
    }
    node.voters = [status.members.filter((member) => member.voter).map(({ id }) => id)];
  }

  /**
   * Checks that a leader proposes a configuration only when the one before it is committed, and an entry of
   * its own term.
   */
  #checkProposed({ id, role, term, commit }: RaftStatus, node: NodeMemory): void {
    const { proposed } = node;
    node.proposed = null;
    if (proposed === null || role !== "leader" || term !== proposed.term) return;
    const own = node.disk.termAt(commit);
    // 0: the entry is in a snapshot, where its term is not looked up.
    if (commit < proposed.previous || commit === 0 || (own !== term && own !== 0)) {
      throw new Violation(
        "one uncommitted configuration",
        `${id} in term ${term} proposes one at ${proposed.index} after that at ${proposed.previous}; committed is ${commit} of term ${own}`,
      );
    }
  }

  #onLeader(status: RaftStatus, node: NodeMemory): void {
    const leader = this.#leaders.get(status.term);
    if (leader === undefined) {
      this.#leaders.set(status.term, status.id);
      this.terms++;
    } else if (leader !== status.id) {
      throw new Violation("one leader a term", `term ${status.term}: ${leader} and ${status.id}`);
    }
    if (node.leadTerm !== status.term && status.term > this.#maxCommitTerm) this.#onNewLeader(status, node);
    if (node.leadTerm === status.term && status.lastIndex < node.leadLast) {
      throw new Violation(
        "leader append-only",
        `${status.id} in term ${status.term}: ${node.leadLast} to ${status.lastIndex}`,
      );
    }
    const { hardState } = node.disk.durable;
    if (hardState.term < status.term || (hardState.term === status.term && hardState.vote !== status.id)) {
      throw new Violation(
        "a vote is durable before it counts",
        `${status.id} leads term ${status.term}; on its disk: term ${hardState.term}, vote for ${hardState.vote}`,
      );
    }
    // Figure 8 of the paper: an entry that a leader commits by counting is of its own term.
    const committed = node.disk.termAt(status.commit);
    if (
      node.leadTerm === status.term && status.commit > node.commit && committed !== status.term &&
      committed !== 0
    ) {
      throw new Violation(
        "a leader commits entries of its own term",
        `${status.id} in term ${status.term} commits ${status.commit} of term ${committed}`,
      );
    }
    node.leadTerm = status.term;
    node.leadLast = status.lastIndex;
  }

  /** Checks that a leader of a later term has all committed entries. */
  #onNewLeader({ id, term, lastIndex }: RaftStatus, { disk }: NodeMemory): void {
    const lacks = lastIndex < this.#maxCommit;
    const own = disk.termAt(this.#maxCommit);
    const committed = this.#maxCommitEntryTerm;
    // 0 and null: the entry is in a snapshot, or not handed to the disk yet.
    if (lacks || (own && committed && own !== committed)) {
      throw new Violation(
        "leader completeness",
        `${id} leads term ${term} up to ${lastIndex}, with ${this.#maxCommit} of term ${own}; committed was that of ` +
          `term ${committed}`,
      );
    }
  }

  /** Checks that entries which a node takes for committed are durable on a majority. */
  #onCommit(status: RaftStatus): void {
    if (status.commit <= this.#maxCommit) return;
    const { commit } = status;
    const term = this.#nodes.get(status.id)!.disk.termAt(commit);
    const node = this.#nodes.get(status.id)!;
    const isDurable = (id: NodeId) => {
      const image = this.#nodes.get(id)?.disk.durable;
      // A node that lost its directory may have been counted when it still had it.
      if ((this.#forgotten.get(id) ?? 0) >= commit) return true;
      return image !== undefined && image.lastIndex >= commit &&
        (term === 0 || image.firstIndex > commit || image.term(commit) === term);
    };
    // Several changes may have come since the last look, one after another.
    const enough = (ids: readonly NodeId[]) =>
      ids.length === 0 || ids.filter(isDurable).length * 2 > ids.length;
    if (!node.voters.some(enough)) {
      const voters = node.voters.at(-1)!;
      const durable = voters.filter(isDurable).length;
      throw new Violation(
        "committed is durable",
        `${status.id} takes ${commit} (term ${term}) for committed: durable on ${durable} of ${voters.length}`,
      );
    }
    this.#maxCommit = commit;
    this.#maxCommitEntryTerm = term || null;
    this.#maxCommitTerm = Math.max(this.#maxCommitTerm, status.term);
  }

  #checkWritten(disk: SimDisk, index: Index, term: Term, hash: number, previousTerm: Term): void {
    let terms = this.#written.get(index);
    if (!terms) this.#written.set(index, terms = new Map());
    const known = terms.get(term);
    if (!known) {
      terms.set(term, { hash, previousTerm });
      return;
    }
    // 0: the predecessor lies in a snapshot, where its term is not looked up.
    const sameBefore = known.previousTerm === previousTerm || known.previousTerm === 0 || previousTerm === 0;
    if (known.hash !== hash || !sameBefore) {
      throw new Violation("log matching", `node ${this.#idOf(disk)}: another entry ${index} of term ${term}`);
    }
  }

  #idOf(disk: SimDisk): NodeId {
    return this.#idOfDisk.get(disk) ?? 0;
  }
}

/**
 * Begins with a snapshot: the log continues behind a snapshot of itself; one of another history replaces it.
 */
function beginWith(node: NodeMemory, { index, term, configuration }: Snapshot): void {
  const continues = node.disk.termAt(index) === term;
  const later = continues ? node.configurations.filter((at) => at.index > index) : [];
  node.configurations = [{ index, voters: configuration.voters }, ...later];
}

function hashBytes(bytes: Uint8Array, salt: number): number {
  let hash = (0x811c9dc5 ^ salt) >>> 0;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193) >>> 0;
  return (hash ^ bytes.length) >>> 0;
}
