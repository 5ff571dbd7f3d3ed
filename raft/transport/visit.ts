/**
 * A visit: one question to the node at an address, from a node that is no member of its cluster, and the
 * answer.
 */
import { randomBytes } from "node:crypto";
import { NONE } from "../core/types.ts";
import type { Clock } from "../node/ports.ts";
import { PeerConnection } from "./connection.ts";
import { Dialer, keyOf, NONCE_BYTES, type VersionRange } from "./handshake.ts";
import { readHostPort } from "./host_port.ts";
import { resolveHost, type SocketLayer, tcpLayer } from "./socket_layer.ts";
import { VISIT_CHANNEL } from "./tcp_transport.ts";

const DEFAULT_SILENCE_MS = 3000;
const DEFAULT_PATIENCE_MS = 20_000;

export interface VisitorOptions {
  /** Number of the cluster for visitors, see visitIdOf. */
  readonly visitId: number;
  /** Password, as in the members' transports. */
  readonly password: string | null;
  readonly clock: Clock;
  /** @default plain TCP */
  readonly layer?: SocketLayer;
  /** @default c-ares */
  readonly resolve?: (host: string) => Promise<string>;
  /** Limit for connecting and the handshake, and for silence afterwards. @default 3000 */
  readonly silenceMs?: number;
  /** Limit for the answer. @default 20000 */
  readonly patienceMs?: number;
  /** See TcpTransportOptions. */
  readonly versions?: VersionRange;
}

export type VisitOutcome =
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  /**
   * The visit failed. `reason` is for people; `refused`: the other node did not want this one, so asking
   * again is useless.
   */
  | { readonly kind: "failed"; readonly reason: string; readonly refused: boolean };

const NO_ADDRESS = { host: null, port: 0 };

export class Visitor {
  #options: VisitorOptions;
  #key: Uint8Array | null;
  #layer: SocketLayer;

  constructor(options: VisitorOptions) {
    this.#options = options;
    this.#key = options.password === null ? null : keyOf(options.password, options.visitId);
    this.#layer = options.layer ?? tcpLayer;
  }

  /** Asks a question. `done` is called once, unless the returned function has ended the visit before. */
  ask(addr: string, question: Uint8Array, done: (outcome: VisitOutcome) => void): () => void {
    const { resolve = resolveHost } = this.#options;
    const { host, port } = readHostPort(addr) ?? NO_ADDRESS;
    const visit: { over: boolean; leave: () => void } = { over: false, leave: () => {} };
    const end = (outcome: VisitOutcome | null) => {
      if (visit.over) return;
      visit.over = true;
      visit.leave();
      if (outcome !== null) done(outcome);
    };
    const found = port === 0 ? Promise.reject(new Error("it is no address")) : resolve(host ?? "localhost");
    found.then(
      (ip) => {
        const visitAs = (version: number | null): void => {
          if (!visit.over) visit.leave = this.#visit({ addr, ip, port, version }, question, end, visitAs);
        };
        visitAs(null);
      },
      (error) => {
        const reason = `${addr} cannot be resolved: ${String(error?.message ?? error)}`;
        end({ kind: "failed", reason, refused: false });
      },
    );
    return () => end(null);
  }

  /**
   * Begins a visit; returns the function that ends it. `again`: the offered version was refused, and this one
   * is not.
   */
  #visit(
    { addr, ip, port, version }: {
      readonly addr: string;
      readonly ip: string;
      readonly port: number;
      readonly version: number | null;
    },
    question: Uint8Array,
    end: (outcome: VisitOutcome) => void,
    again: (version: number) => void,
  ): () => void {
    const { visitId, clock, versions, silenceMs = DEFAULT_SILENCE_MS, patienceMs = DEFAULT_PATIENCE_MS } =
      this.#options;
    const own = { id: NONE, clusterId: visitId, key: this.#key, versions };
    const dialer = new Dialer(own, NONE, randomBytes(NONCE_BYTES), version);
    const socket = this.#layer.connect(ip, port, () => {
      const flaw = this.#layer.flaw(socket, addr);
      if (flaw === null) connection.sendHello(dialer.hello);
      else connection.close(flaw);
    });
    const connection: PeerConnection = new PeerConnection(socket, dialer, {
      onOpen: () => void connection.send(VISIT_CHANNEL, question),
      onFrame: (_, channel, bytes) => {
        if (channel === VISIT_CHANNEL) end({ kind: "answer", bytes });
        return channel === VISIT_CHANNEL;
      },
      onClose: (reason, refused) => {
        if (dialer.olderVersion === null) return end({ kind: "failed", reason, refused });
        timer.cancel();
        again(dialer.olderVersion);
      },
    }, { clock, silenceMs });
    const deadlineMs = clock.now() + patienceMs;
    const watch = () =>
      clock.after(silenceMs / 6, () => {
        connection.watch(0);
        if (clock.now() > deadlineMs) connection.close("no answer");
        else timer = watch();
      });
    let timer = watch();
    return () => {
      timer.cancel();
      connection.close("the visit is over");
    };
  }
}
