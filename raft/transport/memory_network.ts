/**
 * The Transport's twin for tests: members in one process, frames delivered by the clock, links that can be
 * cut.
 */
import type { NodeId } from "../core/types.ts";
import type { Clock, Transport, TransportHandlers, TransportPeer } from "../node/ports.ts";

/** Gives each member its transport, and cuts and heals the links between them. */
export class MemoryNetwork {
  #clock: Clock;
  #delayMs: number;
  #handlers = new Map<NodeId, TransportHandlers>();
  #cut = new Set<string>();
  /** Peers that each transport was told last. */
  readonly peers = new Map<NodeId, readonly TransportPeer[]>();

  constructor(clock: Clock, delayMs = 1) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  transport(id: NodeId): Transport {
    let own: TransportHandlers | null = null;
    return {
      start: (handlers) => {
        own = handlers;
        for (const other of this.#handlers.keys()) this.#announce(id, other, true);
        this.#handlers.set(id, handlers);
      },
      send: (to, channel, payload) => {
        if (!own || this.#handlers.get(id) !== own || !this.#linked(id, to)) return false;
        const bytes = payload.slice();
        const receiver = this.#handlers.get(to);
        this.#clock.after(this.#delayMs, () => {
          const connected = receiver && this.#handlers.get(to) === receiver && this.#linked(id, to);
          if (connected) receiver.onFrame(id, channel, bytes);
        });
        return true;
      },
      setPeers: (peers) => void this.peers.set(id, peers),
      close: () => {
        if (this.#handlers.get(id) !== own) return;
        this.#handlers.delete(id);
        for (const other of this.#handlers.keys()) this.#tellSoon(other, id, false);
      },
    };
  }

  /** Cuts or heals the link between two members; both notice. */
  setLink(a: NodeId, b: NodeId, up: boolean): void {
    if (this.#cut.has(linkOf(a, b)) !== up) return;
    if (up) this.#cut.delete(linkOf(a, b));
    else this.#cut.add(linkOf(a, b));
    if (this.#handlers.has(a) && this.#handlers.has(b)) this.#announce(a, b, up);
  }

  #linked(a: NodeId, b: NodeId): boolean {
    return this.#handlers.has(b) && !this.#cut.has(linkOf(a, b));
  }

  #announce(a: NodeId, b: NodeId, up: boolean): void {
    if (up && this.#cut.has(linkOf(a, b))) return;
    this.#tellSoon(a, b, up);
    this.#tellSoon(b, a, up);
  }

  #tellSoon(whom: NodeId, about: NodeId, connected: boolean): void {
    this.#clock.after(this.#delayMs, () => this.#handlers.get(whom)?.onPeer(about, connected));
  }
}

function linkOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
