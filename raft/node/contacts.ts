/**
 * Who is in contact. One account of three things that are not the same: a connection stands; something was
 * heard; the leader's core has counted a member as active within an election timeout (CheckQuorum).
 *
 * Their relation: a member that has fallen silent is counted as active for an election timeout, and as having
 * answered for ANSWERED_WITHIN_MS more. Only after all of that is it absent, so that a node which is let in
 * at its address is not refused because the member before it seems to be there.
 */
import { assert } from "../core/assert.ts";
import type { NodeId } from "../core/types.ts";

/** How long a member counts as having answered after its last activity was seen. */
const ANSWERED_WITHIN_MS = 2000;
/** At least this long a member is silent before a node at its address may be let in. */
const LEAST_ABSENCE_MS = 3000;

export interface ContactsOptions {
  readonly now: () => number;
  /** The largest election timeout. */
  readonly electionMaxMs: number;
}

export class Contacts {
  readonly #options: ContactsOptions;
  readonly #absentMs: number;
  readonly #connected = new Set<NodeId>();
  readonly #heardMs = new Map<NodeId, number>();
  /** When the core of this leader counted a member as active last. */
  readonly #activeMs = new Map<NodeId, number>();
  #beganMs = 0;

  constructor(options: ContactsOptions) {
    this.#options = options;
    const counted = ANSWERED_WITHIN_MS + options.electionMaxMs;
    this.#absentMs = Math.max(LEAST_ABSENCE_MS, counted);
    assert(counted <= this.#absentMs, "a member is absent only when it is not counted any more");
  }

  /** Nobody has been silent for longer than this node runs. */
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

  /** When something was last heard of it, on this node's clock; null: never. */
  lastHeardMs(id: NodeId): number | null {
    return this.#heardMs.get(id) ?? null;
  }

  /** ms since it was heard, at most since this node runs; 0 while a connection stands. */
  silentMs(id: NodeId): number {
    if (this.#connected.has(id)) return 0;
    return this.#options.now() - Math.max(this.#heardMs.get(id) ?? 0, this.#beganMs);
  }

  /** It has been silent for so long that another node may take its address. */
  isAbsent(id: NodeId): boolean {
    return this.silentMs(id) >= this.#absentMs;
  }

  /** The core of this leader counts it as active now. */
  active(id: NodeId): void {
    this.#activeMs.set(id, this.#options.now());
  }

  /** This node does not lead any more: what its core has counted is over. */
  forgetActive(): void {
    this.#activeMs.clear();
  }

  /** It was active, or is about to be: so it is not replaced. Leader only. */
  hasAnswered(id: NodeId): boolean {
    return this.#options.now() - (this.#activeMs.get(id) ?? -Infinity) < ANSWERED_WITHIN_MS;
  }
}
