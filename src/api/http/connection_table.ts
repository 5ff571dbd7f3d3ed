/**
 * The open connections, by address. Invariant: there are never more than the limits allow, and the last to
 * come gets in as long as an address with at least as many holds a connection that waits for its client. So
 * an address that takes all it can get shuts out no other address, and not even its own next request.
 */
import { addressGroup, type HttpLimits } from "./limits.ts";

export interface TableEntry {
  readonly address: string;
  /** It waits for its client: no answer is being made, nor sent to one that takes it. */
  readonly waits: boolean;
  /** Ends it at once; it must leave the table before this returns. */
  drop(): void;
}

export class ConnectionTable<Entry extends TableEntry> {
  readonly #limits: Pick<HttpLimits, "connections" | "connectionsPerAddress">;
  /** Connections by address group, oldest first. */
  readonly #groups = new Map<string, Set<Entry>>();
  #size = 0;

  constructor(limits: Pick<HttpLimits, "connections" | "connectionsPerAddress">) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  *all(): Generator<Entry> {
    for (const group of this.#groups.values()) yield* group;
  }

  /** Makes room if it must. False: there is none, and `entry` is not taken. */
  add(entry: Entry): boolean {
    const name = addressGroup(entry.address);
    const own = this.#groups.get(name);
    if ((own?.size ?? 0) >= this.#limits.connectionsPerAddress && !dropOldest(own!)) return false;
    if (this.#size >= this.#limits.connections && !this.#dropOfLargest()) return false;
    const group = this.#groups.get(name) ?? new Set();
    this.#groups.set(name, group.add(entry));
    this.#size++;
    return true;
  }

  remove(entry: Entry): void {
    const name = addressGroup(entry.address);
    const group = this.#groups.get(name);
    if (!group?.delete(entry)) return;
    this.#size--;
    if (group.size === 0) this.#groups.delete(name);
  }

  #dropOfLargest(): boolean {
    const largestFirst = [...this.#groups.values()].sort((a, b) => b.size - a.size);
    return largestFirst.some(dropOldest);
  }
}

function dropOldest<Entry extends TableEntry>(group: ReadonlySet<Entry>): boolean {
  for (const entry of group) {
    if (!entry.waits) continue;
    entry.drop();
    return true;
  }
  return false;
}
