/**
 * A network between simulated processes; each sees it as a Transport. Frames are lost, late, doubled and out
 * of order; paths are cut one way or both, and heal. A frame sent into a cut stays in the sender's buffer and
 * comes late, or never. Frames never reach a later life of the process they were sent to: that is another
 * connection.
 */
import type { NodeId } from "../core/types.ts";
import type { Transport, TransportHandlers } from "../node/ports.ts";
import { Acceptor, type Credentials, Dialer } from "../transport/handshake.ts";
import type { Prng } from "./prng.ts";
import type { SimProcess } from "./sim_host.ts";
import type { World } from "./world.ts";

/** Id of all clusters but recovered ones. */
export const FIRST_CLUSTER_ID = 1;

export interface NetworkSettings {
  lossRate: number;
  delayMeanMs: number;
  /** Share of frames that are late by up to longDelayMaxMs. */
  longDelayRate: number;
  longDelayMaxMs: number;
  duplicateRate: number;
  /** Longest delay of a doubled frame's second copy, whatever the order. */
  replayMaxMs: number;
  /** Whether frames keep their order within one connection, as over TCP. */
  ordered: boolean;
  /**
   * Whether frames sent into a cut are delivered when it heals, if the connection still stands; else they are
   * lost.
   */
  heldByCut: boolean;
  /** Time after which a connection that a cut has silenced is given up. */
  silenceMs: number;
}

export const CALM_NETWORK: Readonly<NetworkSettings> = {
  lossRate: 0,
  delayMeanMs: 0.5,
  longDelayRate: 0,
  longDelayMaxMs: 0,
  duplicateRate: 0,
  replayMaxMs: 0,
  ordered: true,
  heldByCut: true,
  silenceMs: 2000,
};

/** One direction between two nodes, as its sender sees it. */
class Path {
  cuts = 0;
  /**
   * Time since which the direction has been cut; identifies the cut for the timer that gives the connection
   * up.
   */
  cutSince = 0;
  /** Connection in which the sender believes; 0: none. */
  session = 0;
  lastArrivalMs = 0;
  held: (() => void)[] = [];
}

interface Endpoint {
  readonly process: SimProcess;
  readonly credentials: Credentials;
  incarnation: number;
  handlers: TransportHandlers | null;
}

const NONCE = new Uint8Array(32);

/** Whether these two believe that they belong together. */
function shakeHands(a: Credentials, b: Credentials): boolean {
  const dialer = new Dialer(a, b.id, NONCE);
  const acceptor = new Acceptor(b, () => null, NONCE);
  const challenge = acceptor.step(dialer.hello);
  if (challenge.kind !== "continue") return false;
  const proof = dialer.step(challenge.reply);
  if (proof.kind !== "continue") return false;
  const accepted = acceptor.step(proof.reply);
  return accepted.kind === "open" && accepted.reply !== null && dialer.step(accepted.reply).kind === "open";
}

export class SimNetwork {
  readonly settings: NetworkSettings = { ...CALM_NETWORK };
  framesSent = 0;
  framesLost = 0;
  readonly #random: Prng;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  readonly #paths = new Map<NodeId, Map<NodeId, Path>>();
  #sessions = 0;
  #awaited: { readonly from: NodeId; readonly channel: number; readonly run: () => void }[] = [];

  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.split("network");
  }

  /**
   * Makes a transport for one life of a process; `id` may come back in a later one. Only members of one
   * cluster meet.
   */
  transport(id: NodeId, process: SimProcess, clusterId = FIRST_CLUSTER_ID): Transport {
    const credentials = { id, clusterId, key: null };
    const endpoint: Endpoint = { process, credentials, incarnation: process.incarnation, handlers: null };
    return {
      start: (handlers) => {
        endpoint.handlers = handlers;
        this.#endpoints.set(id, endpoint);
        for (const other of this.#endpoints.keys()) {
          if (other !== id) this.#connectSoon(id, other, this.#random.between(1, 50));
        }
      },
      send: (to, channel, payload) => this.#send(endpoint, id, to, channel, payload),
      close: () => this.#hangUp(id, endpoint, true),
    };
  }

  /** Ends a process: its peers get a reset, or hear nothing when the host is gone as well. */
  processEnded(id: NodeId, hostGone: boolean): void {
    const endpoint = this.#endpoints.get(id);
    if (endpoint) this.#hangUp(id, endpoint, !hostGone);
  }

  /** Cuts one direction. Cuts add up, and each is healed by itself. */
  cut(from: NodeId, to: NodeId): void {
    const path = this.#path(from, to);
    if (path.cuts++ > 0) return;
    const since = this.#world.now();
    path.cutSince = since;
    this.#world.after(this.settings.silenceMs, () => {
      if (path.cuts === 0 || path.cutSince !== since) return;
      this.#giveUp(from, to);
      this.#giveUp(to, from);
    });
  }

  heal(from: NodeId, to: NodeId): void {
    const path = this.#path(from, to);
    if (path.cuts === 0 || --path.cuts > 0) return;
    const held = path.held;
    path.held = [];
    for (const deliver of held) this.#world.after(this.#random.exponential(5), deliver);
    this.#connectSoon(from, to, this.#random.between(1, 300));
  }

  /**
   * Calls `run` as soon as the node has sent a frame on a channel: a moment that chance alone seldom finds.
   */
  afterNextFrame(from: NodeId, channel: number, run: () => void): void {
    this.#awaited.push({ from, channel, run });
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#path(from, to).cuts > 0;
  }

  /** Number of cuts on a direction that have not been healed. */
  cuts(from: NodeId, to: NodeId): number {
    return this.#path(from, to).cuts;
  }

  /** Whether both ways are open, connected or not. */
  reachable(a: NodeId, b: NodeId): boolean {
    return !this.isCut(a, b) && !this.isCut(b, a);
  }

  #path(from: NodeId, to: NodeId): Path {
    let row = this.#paths.get(from);
    if (!row) this.#paths.set(from, row = new Map());
    let path = row.get(to);
    if (!path) row.set(to, path = new Path());
    return path;
  }

  #send(source: Endpoint, from: NodeId, to: NodeId, channel: number, payload: Uint8Array): boolean {
    const path = this.#path(from, to);
    const target = this.#endpoints.get(to);
    if (path.session === 0 || !target || this.#endpoints.get(from) !== source) return false;
    this.framesSent++;
    if (this.#awaited.length > 0) this.#sent(from, channel);
    const settings = this.settings;
    // The sender may use its buffer again as soon as send returns.
    const bytes = payload.slice();
    const session = path.session;
    const deliver = () => this.#arrive(from, to, session, channel, bytes);
    if (path.cuts > 0) {
      if (settings.heldByCut && path.held.length < 2000) path.held.push(deliver);
      else this.framesLost++;
      return true;
    }
    if (this.#random.chance(settings.lossRate)) {
      this.framesLost++;
      return true;
    }
    this.#schedule(path, deliver);
    if (this.#random.chance(settings.duplicateRate)) {
      this.#world.after(this.#random.exponential(1) + this.#random.between(0, settings.replayMaxMs), deliver);
    }
    return true;
  }

  #sent(from: NodeId, channel: number): void {
    const due = this.#awaited.filter((each) => each.from === from && each.channel === channel);
    if (due.length === 0) return;
    this.#awaited = this.#awaited.filter((each) => !due.includes(each));
    for (const { run } of due) this.#world.after(0, run);
  }

  #schedule(path: Path, deliver: () => void): void {
    const settings = this.settings;
    let delayMs = 0.02 + this.#random.exponential(settings.delayMeanMs);
    if (this.#random.chance(settings.longDelayRate)) {
      delayMs += this.#random.between(0, settings.longDelayMaxMs);
    }
    if (settings.ordered) {
      const arrivalMs = Math.max(path.lastArrivalMs, this.#world.now() + delayMs);
      path.lastArrivalMs = arrivalMs;
      delayMs = arrivalMs - this.#world.now();
    }
    this.#world.after(delayMs, deliver);
  }

  #arrive(from: NodeId, to: NodeId, session: number, channel: number, bytes: Uint8Array): void {
    const target = this.#endpoints.get(to);
    // The receiver's side of the same connection must still stand.
    if (!target || !target.handlers || this.#path(to, from).session !== session) return;
    const { process, incarnation, handlers } = target;
    process.deliver(incarnation, () => handlers.onFrame(from, channel, bytes));
  }

  #connectSoon(a: NodeId, b: NodeId, delayMs: number): void {
    this.#world.after(delayMs, () => {
      const [left, right] = [this.#endpoints.get(a), this.#endpoints.get(b)];
      if (!left || !right || !this.reachable(a, b)) return;
      const [there, back] = [this.#path(a, b), this.#path(b, a)];
      if (there.session !== 0 && there.session === back.session) return;
      if (!shakeHands(left.credentials, right.credentials)) return;
      const session = ++this.#sessions;
      for (const path of [there, back]) {
        path.session = session;
        path.lastArrivalMs = 0;
        path.held = [];
      }
      this.#tell(a, b, true);
      this.#tell(b, a, true);
    });
  }

  #tell(id: NodeId, peer: NodeId, connected: boolean): void {
    const endpoint = this.#endpoints.get(id);
    if (!endpoint || !endpoint.handlers) return;
    const handlers = endpoint.handlers;
    endpoint.process.deliver(endpoint.incarnation, () => handlers.onPeer(peer, connected));
  }

  /** Makes the sender give up its connection, and try again. */
  #giveUp(from: NodeId, to: NodeId): void {
    const path = this.#path(from, to);
    if (path.session === 0) return;
    path.session = 0;
    path.held = [];
    this.#tell(from, to, false);
    this.#connectSoon(from, to, this.#random.between(1, 200));
  }

  #hangUp(id: NodeId, endpoint: Endpoint, reset: boolean): void {
    if (this.#endpoints.get(id) !== endpoint) return;
    this.#endpoints.delete(id);
    for (const other of this.#endpoints.keys()) {
      this.#path(id, other).session = 0;
      this.#path(id, other).held = [];
      const session = this.#path(other, id).session;
      if (session === 0) continue;
      const heard = reset && !this.isCut(id, other);
      this.#world.after(heard ? this.#random.between(0.1, 5) : this.settings.silenceMs, () => {
        if (this.#path(other, id).session === session) this.#giveUp(other, id);
      });
    }
  }
}
