/**
 * Looks for the cluster of a node with an empty directory: visits the nodes it was told of until it is clear
 * whether there is a cluster, and asks to be made a member (cluster_search.ts decides). Meanwhile it answers
 * other nodes that look, so that the first members find each other.
 */
import type { NodeId } from "../core/types.ts";
import { START_MS } from "../transport/peer_link.ts";
import { type SocketLayer, tcpLayer } from "../transport/socket_layer.ts";
import { TcpTransport } from "../transport/tcp_transport.ts";
import type { TransportError } from "../transport/transport_error.ts";
import { Visitor, type VisitOutcome } from "../transport/visit.ts";
import { ClusterSearch } from "./cluster_search.ts";
import { clusterIdOf, nodeIdOf, visitIdOf, withoutAddress } from "./ids.ts";
import type { Clock, Timer, Transport } from "./ports.ts";
import type { LogSink, MemberInfo } from "./raft_options.ts";
import { decodeQuestion, decodeVisitAnswer, encodeQuestion, encodeVisitAnswer } from "./visit_messages.ts";

const AGAIN_MS = 300;
const JOIN_AGAIN_MS = 2000;
/** Interval of the lines that say what the search waits for; a new reason is said at once. */
const SAY_EVERY_MS = 60_000;
/** Time that founding waits for nodes that do not answer at all. */
const PATIENCE_MS = 1000;
/** Delay of the first reason, which may become a better one meanwhile. */
const SAY_AFTER_MS = 2000;

/** The node that looks for its cluster, and where it looks. */
export interface FindOptions {
  readonly namespace: string;
  readonly scope: string;
  /** Address at which the others reach this node; null: none, and it is to be a member without a vote. */
  readonly selfAddr: string | null;
  readonly name: string;
  /** Addresses of the other nodes. */
  readonly partners: readonly string[];
  readonly bindAddr: string;
  readonly password: string | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: LogSink;
  /** @default plain TCP */
  readonly layer?: SocketLayer;
  /** Called when the node cannot listen on its address. */
  readonly onFatal: (error: TransportError) => void;
  /** Called when the cluster will not have this node as it is; the search has ended. */
  readonly onRefused: (reason: string) => void;
  /** @default TCP, with the options above */
  readonly network?: SearchNetwork;
}

/** Network of a search: asks other nodes, and takes their questions. */
export interface SearchNetwork {
  /** `done` is called once, unless the returned function has ended the visit before. */
  ask(addr: string, question: Uint8Array, done: (outcome: VisitOutcome) => void): () => void;
  readonly listener: Pick<Transport, "start" | "close">;
}

/** Result of a search: the arguments of the member's RaftNode. */
export interface Found {
  readonly clusterId: number;
  /** Id with which the cluster was founded. */
  readonly founded: number;
  readonly id: NodeId;
  /** All members, this node included. */
  readonly members: readonly MemberInfo[];
  /** Whether this node was added to a running cluster. */
  readonly joined: boolean;
}

export interface Search {
  /** What the search waits for, for people. */
  readonly waitsFor: string;
  stop(): void;
}

/** Begins a search. `done` is called once, unless the search was stopped before. */
export function findCluster(options: FindOptions, done: (found: Found) => void): Search {
  const search = new Finder(options, done);
  search.begin();
  return search;
}

class Finder implements Search {
  waitsFor = "looking for the other nodes";
  readonly #options: FindOptions;
  readonly #done: (found: Found) => void;
  readonly #founded: number;
  readonly #addr: string;
  readonly #addresses: readonly string[];
  readonly #search: ClusterSearch;
  readonly #network: SearchNetwork;
  /** Timers and pending visits, by purpose. */
  #pending = new Map<string, () => void>();
  #beganMs: number;
  #said = { text: "", atMs: -Infinity, level: "info" };
  #joining = false;
  #over = false;

  constructor(options: FindOptions, done: (found: Found) => void) {
    this.#options = options;
    this.#done = done;
    const { namespace, scope, selfAddr, name, partners, clock } = options;
    this.#addr = selfAddr ?? withoutAddress(name);
    this.#addresses = [...(selfAddr === null ? [] : [selfAddr]), ...partners].sort();
    this.#founded = clusterIdOf(namespace, scope, this.#addresses);
    this.#beganMs = clock.now();
    this.#search = new ClusterSearch({ founded: this.#founded, selfAddr, partners });
    this.#network = options.network ?? this.#overTcp();
  }

  #overTcp(): SearchNetwork {
    const { namespace, scope, bindAddr, password, clock, random, log, layer, onFatal } = this.#options;
    const visitId = visitIdOf(namespace, scope);
    const shared = { visitId, password, clock, layer: layer ?? tcpLayer };
    const visitor = new Visitor(shared);
    const listener = new TcpTransport({
      ...shared,
      id: nodeIdOf(this.#founded, this.#addr),
      clusterId: this.#founded,
      bindAddr,
      peers: [],
      random,
      // Members that found already and dial this node are turned away; it will be there in a moment.
      log: (level, event, text) => event === "raft_refused" ? undefined : log(level, event, text),
      onFatal: (error) => {
        this.stop();
        onFatal(error);
      },
    });
    return { ask: (...question) => visitor.ask(...question), listener };
  }

  begin(): void {
    const { partners, selfAddr } = this.#options;
    if (partners.length === 0) return this.#look();
    const answer = encodeVisitAnswer({
      kind: "founding",
      founded: this.#founded,
      addresses: this.#addresses,
    });
    const busy = encodeVisitAnswer({ kind: "refused", reason: "it looks for the cluster itself" });
    this.#network.listener.start({
      onFrame: () => {},
      onPeer: () => {},
      onVisit: (bytes, reply, flaw) => {
        const question = decodeQuestion(bytes);
        if (!question) return;
        const reason = flaw(question.addr);
        if (reason !== null) return reply(encodeVisitAnswer({ kind: "refused", reason }));
        reply(selfAddr !== null && !this.#joining ? answer : busy);
      },
    });
    for (const addr of partners) this.#ask(addr);
  }

  stop(): void {
    this.#over = true;
    for (const end of this.#pending.values()) end();
    this.#network.listener.close();
  }

  #ask(addr: string): void {
    if (this.#over) return;
    const question = encodeQuestion({ kind: "ask", addr: this.#addr });
    const leave = this.#network.ask(addr, question, (outcome) => {
      const answer = outcome.kind === "answer" ? decodeVisitAnswer(outcome.bytes) : null;
      if (answer) this.#search.answered(addr, answer);
      else {this.#search.failed(
          addr,
          outcome.kind === "failed" ? outcome.reason : "its answer cannot be read",
        );}
      this.#later(addr, AGAIN_MS, () => this.#ask(addr));
      this.#look();
    });
    if (!this.#over) this.#pending.set(addr, leave);
  }

  #later(what: string, delayMs: number, run: () => void): void {
    if (this.#over) return;
    const timer: Timer = this.#options.clock.after(delayMs, run);
    this.#pending.set(what, () => timer.cancel());
  }

  #look(): void {
    if (this.#over || this.#joining) return;
    const verdict = this.#search.verdict(this.#options.clock.now() - this.#beganMs < PATIENCE_MS);
    if (verdict.kind === "wait") return this.#wait(verdict.reason);
    if (verdict.kind === "join") return this.#join(verdict.leaderAddr);
    const clusterId = this.#founded;
    const members = this.#addresses.map((addr) => ({ id: nodeIdOf(clusterId, addr), name: null, addr }));
    const id = nodeIdOf(clusterId, this.#addr);
    this.#finish({ clusterId, founded: clusterId, id, members, joined: false });
  }

  #join(leaderAddr: string): void {
    this.#joining = true;
    const { selfAddr, name, log } = this.#options;
    this.waitsFor = `asking the leader at ${leaderAddr} to be made a member`;
    log("info", "raft_join", `the cluster exists: ${this.waitsFor}`);
    const question = encodeQuestion({ kind: "join", addr: this.#addr, name, votes: selfAddr !== null });
    const leave = this.#network.ask(leaderAddr, question, (outcome) => {
      const answer = outcome.kind === "answer" ? decodeVisitAnswer(outcome.bytes) : null;
      if (answer?.kind === "joined") {
        const { clusterId, founded, id, members } = answer;
        log("info", "raft_joined", `the leader at ${leaderAddr} has made this node a member (${id})`);
        return this.#finish({ clusterId, founded, id, members, joined: true });
      }
      if (answer?.kind === "refused" && answer.final) {
        this.stop();
        return this.#options.onRefused(answer.reason);
      }
      const reason = outcome.kind === "failed"
        ? outcome.reason
        : answer?.kind === "refused"
        ? answer.reason
        : "its answer cannot be read";
      this.#wait(`the leader at ${leaderAddr} has not made this node a member: ${reason}`);
      this.#later("join", JOIN_AGAIN_MS, () => {
        this.#joining = false;
        this.#look();
      });
    });
    this.#pending.set("join", leave);
  }

  #wait(reason: string): void {
    const { clock, log } = this.#options;
    this.waitsFor = reason;
    const now = clock.now();
    if (now - this.#beganMs < SAY_AFTER_MS) return;
    const level = now - this.#beganMs < START_MS ? "info" : "warning";
    const same = reason === this.#said.text && level === this.#said.level;
    if (same && now - this.#said.atMs < SAY_EVERY_MS) return;
    this.#said = { text: reason, atMs: now, level };
    log(level, "raft_search", `this node does not take part yet: ${reason}`);
  }

  #finish(found: Found): void {
    this.stop();
    this.#done(found);
  }
}
