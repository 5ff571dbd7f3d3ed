/**
 * The node's account of its contact with the other members, in ms. It answers three questions that differ:
 * whether a connection stands (`connected`), how long ago something was heard (`silentMs`, `isAbsent`), and
 * whether the core of this leader counts a member as active, or did so just now (`isInContact`).
 *
 * The core has an account of its own, since it has no clock and counts in ticks what answers to its messages:
 * CheckQuorum asks it once for each election timeout (`Progress.recentActive`), and a change of members asks
 * it to the tick (`Progress.heardAtTick`), as a majority is counted by it. Neither could be asked here: a
 * frame on any channel is a word of the member, and does not show that its raft answers. Neither is enough
 * here: a node that is let in at an address must not be refused because the member before it seems to be
 * there. So a member is absent only when it is not in contact any more: by construction it counts as active
 * for an election timeout after its last word, and as having answered for ANSWERED_WITHIN_MS more.
 */
import { assert } from "../core/assert.ts";
import type { MemberProgress } from "../core/status.ts";
import type { NodeId } from "../core/types.ts";

/** Time for which a member counts as having answered after its last activity was seen. */
const ANSWERED_WITHIN_MS = 2000;
/** Least silence of a member before a node at its address may be let in. */
const LEAST_ABSENCE_MS = 3000;

/** The part of a member's status in the core that counts here. */
type Counted = Pick<MemberProgress, "id" | "recentActive">;

export interface ContactsOptions {
  readonly now: () => number;
  /** Largest election timeout. */
  readonly electionMaxMs: number;
}

export class Contacts {
  readonly #options: ContactsOptions;
  readonly #absentMs: number;
  readonly #connected = new Set<NodeId>();
  readonly #heardMs = new Map<NodeId, number>();
  /** Time at which the core of this leader last counted a member as active. */
  readonly #activeMs = new Map<NodeId, number>();
  #beganMs = 0;

  constructor(options: ContactsOptions) {
    this.#options = options;
    this.#absentMs = Math.max(LEAST_ABSENCE_MS, ANSWERED_WITHIN_MS + options.electionMaxMs);
  }

  /** Begins to count silence: no member has been silent for longer than this node runs. */
  begin(): void {
    this.#beganMs = this.#options.now();
  }

  peer(id: NodeId, connected: boolean): void {
    if (connected) this.#connected.add(id);
    else this.#connected.delete(id);
  }

  get connected(): ReadonlySet<NodeId> {
    return this.#connected;
  }

  heard(id: NodeId): void {
    this.#heardMs.set(id, this.#options.now());
  }

  /** Time of the last word from a member, on this node's clock; null: never. */
  lastHeardMs(id: NodeId): number | null {
    return this.#heardMs.get(id) ?? null;
  }

  /** ms since a member was heard, at most since this node runs; 0 while a connection stands. */
  silentMs(id: NodeId): number {
    if (this.#connected.has(id)) return 0;
    return this.#options.now() - Math.max(this.#heardMs.get(id) ?? 0, this.#beganMs);
  }

  /** Whether a member has been silent for so long that another node may take its address. */
  isAbsent(id: NodeId): boolean {
    return this.silentMs(id) >= this.#absentMs;
  }

  /** Leader only: notes the members that its core counts as active. Called at every tick. */
  counted(own: NodeId, progress: readonly Counted[]): void {
    for (const { id, recentActive } of progress) {
      if (id === own || !recentActive) continue;
      // The core hears nobody but through this node: else silence and activity would tell of different members.
      assert(this.#heardMs.has(id), `the core counts member ${id} as active, which was never heard`);
      this.#activeMs.set(id, this.#options.now());
    }
  }

  /** Forgets what the core has counted: this node does not lead any more. */
  forgetActive(): void {
    this.#activeMs.clear();
  }

  /** Leader only: whether a member is active now or was so just now, and so is not to be replaced. */
  isInContact(id: NodeId, progress: readonly Counted[]): boolean {
    if (progress.some((one) => one.id === id && one.recentActive)) return true;
    return this.#options.now() - (this.#activeMs.get(id) ?? -Infinity) < ANSWERED_WITHIN_MS;
  }
}
