/**
 * The Transport of production keeps up connections to every other member for good.
 *
 * Both sides dial whenever they have no connection, so that a returning member connects at once. A pair may
 * then have two connections: frames are taken from both and sent on the one that the lower id dialed; the
 * higher id closes the one it dialed itself. A newer connection of the same direction replaces the older one,
 * which its dialer has given up.
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { type NodeId, NONE } from "../core/types.ts";
import type { Clock, Timer, Transport, TransportHandlers, TransportPeer } from "../node/ports.ts";
import type { LogSink } from "../node/raft_options.ts";
import { PeerConnection } from "./connection.ts";
import { Door } from "./door.ts";
import {
  Acceptor,
  type Credentials,
  keyOf,
  NONCE_BYTES,
  type Objection,
  Refusal,
  type VersionRange,
} from "./handshake.ts";
import { parseHostPort } from "./host_port.ts";
import { LoopShare } from "./loop_share.ts";
import { PeerLink } from "./peer_link.ts";
import { QuietLog } from "./quiet_log.ts";
import { type Listener, resolveHost, type SocketLayer, tcpLayer } from "./socket_layer.ts";
import { TransportError } from "./transport_error.ts";

const DEFAULT_SILENCE_MS = 3000;
/** Largest number of connections of visitors; the oldest makes room. */
const MAX_VISITORS = 16;
/** Longest visit: a visitor asks one question, and leaves with the answer. */
const VISIT_MS = 30_000;
/** Channel of a visitor's one question, and of the answer. */
export const VISIT_CHANNEL = 1;

/** This node's identity, the address it listens on, and the proof that it demands of others. */
export interface TcpTransportOptions {
  readonly id: NodeId;
  readonly clusterId: number;
  /** Address to listen on: "host:port"; port 0: any. May differ from the address that the others use. */
  readonly bindAddr: string;
  /** Other members, as far as they are known at the start. */
  readonly peers: readonly TransportPeer[];
  /**
   * Secret that members prove to each other. Null: none; the caller decides whether that is acceptable (every
   * address loopback, or TLS underneath).
   */
  readonly password: string | null;
  /** Number by which visitors look for the cluster and are let in (visitIdOf). @default null: nobody */
  readonly visitId?: number | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log?: LogSink;
  /** Called when listening fails; then nothing works. @default throws, which ends the process */
  readonly onFatal?: (error: TransportError) => void;
  readonly onListening?: (port: number) => void;
  /** Silence after which a connection is closed, and time within which it has to open. @default 3000 */
  readonly silenceMs?: number;
  /** Versions of the protocol between members; for tests of upgrades. @default those of this program */
  readonly versions?: VersionRange;
  /** @default plain TCP */
  readonly layer?: SocketLayer;
  /** Looks up the address of a host name without using a thread pool. @default c-ares */
  readonly resolve?: (host: string) => Promise<string>;
}

/**
 * Transport over TCP, or over the TLS of `layer`; see the head of this file. Throws TransportError where
 * `onFatal` is not given.
 */
export class TcpTransport implements Transport {
  #options: TcpTransportOptions;
  #layer: SocketLayer;
  #own: Credentials;
  #log: QuietLog;
  #links = new Map<NodeId, PeerLink>();
  #door: Door;
  /** Open connections of visitors, and whether each has asked its question. */
  #visitors = new Map<PeerConnection, boolean>();
  /** Share of the event loop of all visitors. */
  #visitorShare: LoopShare;
  #listener: Listener | null = null;
  #listening = false;
  #handlers: TransportHandlers | null = null;
  #timer: Timer | null = null;
  #watchedMs = 0;
  #silenceMs: number;
  #closed = false;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#layer = options.layer ?? tcpLayer;
    const { id, clusterId, password, clock, visitId = null, versions } = options;
    this.#silenceMs = options.silenceMs ?? DEFAULT_SILENCE_MS;
    const keyFor = (cluster: number) => password === null ? null : keyOf(password, cluster);
    const visits = visitId === null ? null : { id: visitId, key: keyFor(visitId) };
    this.#own = { id, clusterId, key: keyFor(clusterId), visits, versions };
    this.#log = new QuietLog(options.log ?? (() => {}), () => clock.now());
    this.#visitorShare = new LoopShare(() => clock.now());
    this.#door = new Door({
      now: () => clock.now(),
      deadlineMs: this.#silenceMs,
      isMember: (ip) => [...this.#links.values()].some((link) => link.isAt(ip)),
      onRefused: (from, reason) => this.#refused(from, reason),
    });
  }

  /** Port that this node listens on; 0 before that. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    const { clock, peers } = this.#options;
    for (const peer of peers) this.#link(peer);
    this.#listen();
    this.#watchedMs = clock.now();
    this.#watch();
  }

  setPeers(peers: readonly TransportPeer[], removed: readonly NodeId[]): void {
    if (this.#closed || !this.#handlers) return;
    const wanted = new Map(peers.filter(({ id }) => id !== this.#own.id).map((peer) => [peer.id, peer]));
    for (const [id, link] of this.#links) {
      if (removed.includes(id)) link.stopSeeking();
      else if (wanted.get(id)?.addr !== link.addr) this.#drop(id, link);
    }
    for (const peer of wanted.values()) {
      if (this.#links.has(peer.id)) continue;
      const link = this.#link(peer);
      if (this.#listening) link.begin();
    }
    for (const id of removed) {
      if (!this.#links.has(id)) this.#link({ id, name: null, addr: "" }).stopSeeking();
    }
  }

  send(to: NodeId, channel: number, payload: Uint8Array): boolean {
    return this.#links.get(to)?.send(channel, payload) ?? false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#listener?.close();
    for (const link of this.#links.values()) link.end();
    this.#door.close();
    for (const visitor of [...this.#visitors.keys()]) visitor.close("the transport was closed");
  }

  #link(peer: TransportPeer): PeerLink {
    const { clock, random, resolve } = this.#options;
    const { id, addr } = peer;
    const link = new PeerLink({
      own: this.#own,
      peer,
      clock,
      random,
      log: this.#log,
      layer: this.#layer,
      resolve: resolve ?? resolveHost,
      silenceMs: this.#silenceMs,
      onFrame: (channel, payload) => this.#handlers?.onFrame(id, channel, payload),
      onPeer: (connected) => this.#handlers?.onPeer(id, connected),
      onOtherCluster: () => this.#handlers?.onOtherCluster?.(id),
    });
    // The member is known by its id alone: it has to dial.
    if (addr === "") link.stopSeeking();
    this.#links.set(id, link);
    return link;
  }

  #drop(id: NodeId, link: PeerLink): void {
    const { connected } = link;
    this.#links.delete(id);
    link.end();
    if (connected) this.#handlers?.onPeer(id, false);
  }

  #listen(): void {
    const { bindAddr } = this.#options;
    const { host, port } = parseHostPort(bindAddr);
    this.#listener = this.#layer.listen(host, port, {
      onKnock: (socket) => this.#onKnock(socket),
      onSocket: (socket, knocked) => this.#onSocket(socket, knocked),
      onListening: (listener) => {
        if (this.#closed) return listener.close();
        this.#listening = true;
        this.#options.onListening?.(listener.port);
        for (const link of this.#links.values()) link.begin();
      },
      onError: (cause) => this.#onListenError(cause),
      onRefused: (knocked, reason) => this.#door.refuse(knocked, reason),
    });
  }

  #onListenError(cause: NodeJS.ErrnoException): void {
    if (this.#closed) return;
    const { bindAddr, onFatal } = this.#options;
    const inUse = cause.code === "EADDRINUSE";
    const error = new TransportError(
      inUse ? "address-in-use" : "cannot-listen",
      `cannot listen on ${bindAddr} (raft.bind_addr, or raft.self_addr where that is not given): ` +
        `${listenAdvice(cause)}. Without it this member cannot take part`,
      { cause },
    );
    this.close();
    if (!onFatal) throw error;
    onFatal(error);
  }

  #refused(from: string, reason: string): void {
    this.#log.add("warning", "raft_refused", `refused connection from ${from}: ${reason}`);
  }

  #onKnock(socket: Socket): boolean {
    if (!this.#closed) return this.#door.enter(socket);
    socket.destroy();
    return false;
  }

  /** `knocked`: as the door knows it. */
  #onSocket(socket: Socket, knocked: Socket): void {
    const from = socket.remoteAddress ?? "unknown";
    const acceptor = new Acceptor(this.#own, (id) => this.#objectionTo(socket, id), randomBytes(NONCE_BYTES));
    const connection = new PeerConnection(socket, acceptor, {
      onOpen: (peer) => {
        this.#door.leave(knocked);
        if (peer === NONE) this.#welcome(connection);
        else this.#links.get(peer)!.accepted(connection);
      },
      onFrame: (peer, channel, payload) => {
        if (peer !== NONE) return this.#handlers?.onFrame(peer, channel, payload);
        this.#visited(connection, socket, payload);
      },
      onClose: (reason, refused) => {
        this.#visitors.delete(connection);
        if (connection.peer !== null) this.#links.get(connection.peer)?.lost(connection, reason);
        if (!refused) return;
        if (connection.peer === null) this.#door.refuse(knocked, reason);
        else this.#refused(from, reason);
      },
    }, { clock: this.#options.clock, silenceMs: this.#silenceMs });
  }

  #objectionTo(socket: Socket, id: NodeId): Objection | null {
    const link = this.#links.get(id);
    if (!link) return { code: Refusal.unknownMember };
    const text = this.#layer.flaw(socket, link.addr);
    return text === null ? null : { code: Refusal.certificate, text };
  }

  #welcome(connection: PeerConnection): void {
    const [oldest] = this.#visitors.keys();
    if (oldest && this.#visitors.size >= MAX_VISITORS) oldest.close("too many visitors");
    connection.shareWith(this.#visitorShare);
    this.#visitors.set(connection, false);
  }

  #visited(connection: PeerConnection, socket: Socket, question: Uint8Array): void {
    if (this.#visitors.get(connection)) return connection.close("a visitor asks one question");
    this.#visitors.set(connection, true);
    this.#handlers?.onVisit?.(
      question,
      (answer) => void connection.send(VISIT_CHANNEL, answer),
      (addr) => this.#layer.flaw(socket, addr),
    );
  }

  #watch(): void {
    const { clock } = this.#options;
    const everyMs = this.#silenceMs / 12;
    this.#timer = clock.after(everyMs, () => {
      const now = clock.now();
      const late = now - this.#watchedMs - everyMs;
      this.#watchedMs = now;
      const lateMs = late > everyMs ? late : 0;
      this.#door.turnOutOverdue(lateMs);
      for (const visitor of [...this.#visitors.keys()]) {
        visitor.watch(lateMs);
        if (now - visitor.sinceMs - lateMs > VISIT_MS) visitor.close("a visit that does not end");
      }
      for (const link of this.#links.values()) link.watch(lateMs);
      if (!this.#closed) this.#watch();
      // Early is more often, and every limit here is one of time. At rest messages come within a third of it.
    }, everyMs / 3);
  }
}

function listenAdvice({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "EADDRINUSE":
      return "something listens there already; stop it, or choose another port";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "it is no address of this host; name one that is";
    default:
      return message;
  }
}
