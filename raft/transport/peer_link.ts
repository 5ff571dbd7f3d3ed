/**
 * Link between this node and one other member: dialing with backoff, the open connections, and the choice of
 * the one that is used.
 */
import { randomBytes } from "node:crypto";
import { canBeDialed } from "../node/ids.ts";
import type { Clock, Timer, TransportPeer } from "../node/ports.ts";
import { PeerConnection } from "./connection.ts";
import { FrameKind, maxPayloadBytes } from "./frame.ts";
import { type Credentials, Dialer, NONCE_BYTES, Refusal, refusalText } from "./handshake.ts";
import { readHostPort } from "./host_port.ts";
import { LoopShare } from "./loop_share.ts";
import type { QuietLog } from "./quiet_log.ts";
import type { SocketLayer } from "./socket_layer.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** A member that starts with this one may not be there yet for so long, which is no fault. */
export const START_MS = 10_000;
/** Reasons of a member that starts, or looks for its cluster: it ends the one listener and begins another. */
const NOT_THERE_YET = /\b(?:ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ETIMEDOUT)\b|^closed/;
/** Least life of a connection; a shorter one is a failure, and the next try waits longer. */
const STABLE_MS = 1000;

export interface PeerLinkOptions {
  readonly own: Credentials;
  readonly peer: TransportPeer;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: QuietLog;
  readonly layer: SocketLayer;
  readonly resolve: (host: string) => Promise<string>;
  readonly silenceMs: number;
  /** Called for a frame, as on a connection. */
  readonly onFrame: (channel: number, payload: Uint8Array) => unknown;
  readonly onPeer: (connected: boolean) => void;
  /** Called when a node of another cluster answers at the member's address. */
  readonly onOtherCluster: () => void;
}

export class PeerLink {
  /** Share of the event loop of this member, however many connections it has. */
  readonly #share: LoopShare;
  #options: PeerLinkOptions;
  /** Open connections, by the side that dialed. */
  #dialed: PeerConnection | null = null;
  #accepted: PeerConnection | null = null;
  /** Pending dial: name lookup, connecting or handshake. */
  #dialing: { connection: PeerConnection | null } | null = null;
  #retry: Timer | null = null;
  #retryMs = FIRST_RETRY_MS;
  readonly #beganMs: number;
  #wasConnected = false;
  #ended = false;
  /** Address of the member's name at the last dial. */
  #ip: string | null = null;
  /** False: the member was removed, or has no address. It is not dialed, but heard when it dials. */
  #sought: boolean;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#share = new LoopShare(() => options.clock.now());
    this.#beganMs = options.clock.now();
    this.#sought = canBeDialed(options.peer.addr);
  }

  begin(): void {
    if (!this.#dialed && !this.#accepted) this.#dial();
  }

  get addr(): string {
    return this.#options.peer.addr;
  }

  /** Whether connections from this address may be the member's own. */
  isAt(ip: string): boolean {
    return this.#ip === ip || readHostPort(this.addr)?.host === ip;
  }

  get connected(): boolean {
    return this.#dialed !== null || this.#accepted !== null;
  }

  /** Stops dialing. Open connections stay; the other side ends them when it knows. */
  stopSeeking(): void {
    this.#sought = false;
    this.#retry?.cancel();
    this.#dialing?.connection?.close("not dialed any more");
  }

  end(): void {
    this.#ended = true;
    this.#retry?.cancel();
    this.#dialing?.connection?.close("the transport was closed");
    this.#dialed?.close("the transport was closed");
    this.#accepted?.close("the transport was closed");
  }

  send(channel: number, payload: Uint8Array): boolean {
    const most = maxPayloadBytes(FrameKind.data, channel) ?? 0;
    if (payload.length > most) {
      const text = `a message of ${payload.length} bytes for ${this.#name} is too large and was dropped`;
      this.#options.log.add("error", "raft_frame_too_large", text);
      return false;
    }
    return this.#preferred?.send(channel, payload) ?? false;
  }

  /** Takes a connection that the peer dialed and that has proved itself. */
  accepted(connection: PeerConnection): void {
    connection.shareWith(this.#share);
    const outdated = this.#outdated;
    const old = [this.#accepted, outdated];
    this.#accepted = null;
    if (outdated !== null) this.#dialed = null;
    for (const one of old) one?.close("replaced by a newer connection");
    // The peer is most likely another process: code that keeps state for each connection must begin anew.
    if (old.some((one) => one !== null) && !this.#dialed) this.#options.onPeer(false);
    this.#opened(() => (this.#accepted = connection));
  }

  /**
   * The dialed connection, when the peer has it no more: a member that has one does not dial. It may be open
   * here until the silence ends it, where the peer's host or the path has gone without a word, and the member
   * of the lower id would go on sending on it. A young one is of two members that dialed each other at once.
   */
  get #outdated(): PeerConnection | null {
    const dialed = this.#dialed;
    return dialed !== null && this.#options.clock.now() - dialed.sinceMs > STABLE_MS ? dialed : null;
  }

  /** Notes that an open connection has ended. */
  lost(connection: PeerConnection, reason: string): void {
    if (connection === this.#dialed) this.#dialed = null;
    else if (connection === this.#accepted) this.#accepted = null;
    else return;
    if (this.#dialed || this.#accepted) return;
    if (this.#options.clock.now() - connection.sinceMs >= STABLE_MS) this.#retryMs = FIRST_RETRY_MS;
    if (this.#ended) return;
    this.#options.log.add("warning", "raft_peer_lost", `connection to ${this.#name} lost: ${reason}`);
    this.#options.onPeer(false);
    this.#retrySoon();
  }

  watch(lateMs: number): void {
    this.#dialing?.connection?.watch(lateMs);
    this.#dialed?.watch(lateMs);
    this.#accepted?.watch(lateMs);
    // Both sides dialed at once: one connection is enough. By now neither side sends on the other one, so
    // nothing gets lost.
    const surplus = this.#accepted && !this.#weAreLower ? this.#dialed : null;
    if (surplus && this.#options.clock.now() - surplus.sinceMs > STABLE_MS) {
      surplus.close("a surplus connection");
    }
  }

  get #weAreLower(): boolean {
    return this.#options.own.id < this.#options.peer.id;
  }

  get #preferred(): PeerConnection | null {
    return this.#weAreLower ? this.#dialed ?? this.#accepted : this.#accepted ?? this.#dialed;
  }

  get #name(): string {
    const { name, addr } = this.#options.peer;
    return name === null ? addr : `${name} (${addr})`;
  }

  #opened(take: () => void): void {
    const { log, onPeer } = this.#options;
    const wasConnected = this.connected;
    this.#wasConnected = true;
    take();
    if (wasConnected) return;
    this.#retry?.cancel();
    log.add("info", "raft_peer_connected", `connected to ${this.#name}`);
    onPeer(true);
  }

  #dial(): void {
    if (this.#ended || this.#dialing || !this.#sought) return;
    const address = readHostPort(this.#options.peer.addr);
    if (address === null) return this.#giveUp();
    const attempt: { connection: PeerConnection | null } = { connection: null };
    this.#dialing = attempt;
    const { host, port } = address;
    // The name is looked up anew each time: its address may change.
    this.#options.resolve(host ?? "localhost").then(
      (ip) => this.#connect(attempt, ip, port),
      (error) => this.#failed(attempt, `${host} cannot be resolved: ${String(error?.message ?? error)}`),
    );
  }

  /**
   * Stops dialing a member whose record is of another program, or damaged: it is still heard when it dials.
   */
  #giveUp(): void {
    this.#sought = false;
    const text = `${
      JSON.stringify(this.#options.peer.addr)
    }, the address of a member, is none: it is not dialed`;
    this.#options.log.add("error", "raft_peer_unreachable", text);
  }

  /** Dials the member. `version`: the version to offer; null: the newest. */
  #connect(
    attempt: { connection: PeerConnection | null },
    ip: string,
    port: number,
    version: number | null = null,
  ): void {
    if (this.#ended || this.#dialing !== attempt) return;
    if (this.#accepted || !this.#sought) return void (this.#dialing = null);
    const { own, peer, layer, clock, silenceMs } = this.#options;
    this.#ip = ip;
    const dialer = new Dialer(own, peer.id, randomBytes(NONCE_BYTES), version);
    const socket = layer.connect(ip, port, () => {
      const flaw = layer.flaw(socket, peer.addr);
      if (flaw === null) connection.sendHello(dialer.hello);
      else connection.close(flaw);
    });
    const connection: PeerConnection = new PeerConnection(socket, dialer, {
      onOpen: () => {
        this.#dialing = null;
        this.#opened(() => (this.#dialed = connection));
      },
      onFrame: (_, channel, payload) => this.#options.onFrame(channel, payload),
      onClose: (reason, refused) => {
        if (connection.peer !== null) this.lost(connection, reason);
        else if (dialer.olderVersion !== null) this.#connect(attempt, ip, port, dialer.olderVersion);
        else {
          if (refused && reason === refusalText(Refusal.otherCluster)) this.#options.onOtherCluster();
          this.#failed(attempt, reason, refused);
        }
      },
    }, { clock, silenceMs, share: this.#share });
    attempt.connection = connection;
  }

  #failed(attempt: { connection: PeerConnection | null }, reason: string, refused = false): void {
    if (this.#dialing !== attempt) return;
    this.#dialing = null;
    if (this.#ended || this.#accepted || !this.#sought) return;
    if (this.#mayBeStarting(reason, refused)) {
      const why = refused ? "it does not know this member yet" : reason;
      this.#options.log.add("info", "raft_peer_starting", `${this.#name} is not ready yet: ${why}`);
    } else {
      const why = refused ? `it refuses this member: ${reason}` : reason;
      this.#options.log.add("warning", "raft_peer_unreachable", `no connection to ${this.#name}: ${why}`);
    }
    this.#retrySoon();
  }

  /** A wrong password or a wrong certificate is a fault at once. */
  #mayBeStarting(reason: string, refused: boolean): boolean {
    if (this.#wasConnected || this.#options.clock.now() - this.#beganMs >= START_MS) return false;
    // A node that still looks for its cluster knows no members.
    return refused ? reason === refusalText(Refusal.unknownMember) : NOT_THERE_YET.test(reason);
  }

  #retrySoon(): void {
    if (!this.#sought) return;
    const { clock, random } = this.#options;
    this.#retry?.cancel();
    const delayMs = this.#retryMs * (0.5 + random());
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    this.#retry = clock.after(delayMs, () => {
      if (!this.#dialed && !this.#accepted) this.#dial();
    });
  }
}
