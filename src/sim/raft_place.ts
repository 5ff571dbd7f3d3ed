/**
 * A host's place in a raft group: its raft directory, the id that it has there, and the production RaftNode
 * of each life of its agent. With an empty directory the host looks for the cluster by the production search,
 * as `agent run` does.
 */
import {
  findCluster,
  type Found,
  LateRaft,
  type MemberInfo,
  type Raft,
  RaftNode,
  type RaftNodeOptions,
  type Snapshot,
  type StateMachine,
  type Transport,
  type TransportHandlers,
} from "../../raft/mod.ts";
import {
  type RaftInvariants,
  type SimClock,
  SimDisk,
  type SimNetwork,
  type SimProcess,
} from "../../raft/sim/mod.ts";
import { COMMAND_VERSION, commandRefusal, type CommandResult } from "../dcs/commands.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { Acknowledged } from "./acknowledged.ts";
import type { Visiting } from "./visiting.ts";

export const ELECTION_MAX_MS = 1000;
const ELECTION_MIN_MS = 600;
const HEARTBEAT_MS = 200;

/** The members that share a log, and the log's invariants. */
export interface RaftGroup {
  readonly clusterId: number;
  readonly checks: RaftInvariants;
  readonly acknowledged: Acknowledged;
}

/** The surroundings that a place needs: the cluster around it. */
export interface RaftSurroundings {
  readonly network: SimNetwork;
  readonly visits: Visiting;
  readonly snapshots: Pick<RaftNodeOptions, "snapshotEveryEntries" | "keepEntries" | "snapshotPieceBytes">;
  groupOf(clusterId: number): RaftGroup;
  /** Where the other members are, as an operator would write it into a file. */
  partnersOf(name: string): readonly string[];
}

/** One life of the agent. */
export interface RaftLife {
  readonly clock: SimClock;
  readonly random: () => number;
  readonly dcs: DcsStateMachine;
  /** The records have changed. */
  readonly changed: () => void;
  /** This member proposes a command. */
  readonly proposed: (command: Uint8Array) => void;
  /** The objection to the removal of a member; null: none. */
  readonly mayRemove: (member: MemberInfo) => string | null;
  /** The objection to a new one; null: none. */
  readonly mayJoin: (visitor: Omit<MemberInfo, "id">) => string | null;
  /** The raft group has removed this member. */
  readonly removed: () => void;
  /** The log cannot be opened: the process has to end. */
  readonly notOpened: (problem: OpeningProblem) => void;
}

/**
 * Why a log cannot be opened: a StorageError's code and message, or those of the operation on files that
 * failed.
 */
export interface OpeningProblem {
  readonly code: string;
  readonly message: string;
}

export class RaftPlace {
  readonly disk: SimDisk;
  /** Answers visitors of this host; null: nothing listens. */
  door: TransportHandlers | null = null;
  #agent: SimProcess;
  #address: string;
  #lastId: number;
  #found: Found | null;
  readonly #around: RaftSurroundings;

  /** `id`: before the first place, for the network. `found`: of a founder. */
  constructor(
    agent: SimProcess,
    address: string,
    lastId: number,
    found: Found | null,
    around: RaftSurroundings,
  ) {
    this.#agent = agent;
    this.#address = address;
    this.#lastId = lastId;
    this.#found = found;
    this.#around = around;
    this.disk = new SimDisk(agent);
    if (found !== null) this.take(found);
  }

  /** Where the others reach it. */
  get addr(): string {
    return this.#address;
  }

  /** The raft id of this host in its present place; while it has none, that of the place before. */
  get id(): number {
    return this.#lastId;
  }

  /** null: the raft directory is empty, and the host's place is not known. */
  get group(): RaftGroup | null {
    return this.#found === null ? null : this.#around.groupOf(this.#found.clusterId);
  }

  take(found: Found): void {
    this.#found = found;
    this.#lastId = found.id;
    this.#around.groupOf(found.clusterId).checks.watch(found.id, this.disk);
  }

  /** The raft directory is moved aside, or lost with its disk. While no agent runs. */
  empty(): void {
    this.disk.wipe();
    this.#found = null;
  }

  /** The log begins anew with a snapshot, as the founder of another cluster. While no agent runs. */
  recover(found: Found, snapshot: Snapshot): void {
    this.empty();
    this.take(found);
    this.disk.install(snapshot);
  }

  /** It is to be found elsewhere from now on. While the directory is empty. */
  move(addr: string): void {
    this.#address = addr;
  }

  /** The raft directory is that of another machine from now on. While no agent runs. */
  moveTo(agent: SimProcess): void {
    this.#agent = agent;
    this.disk.moveTo(agent);
  }

  /** The agent's process has ended. */
  ended(hostGone: boolean): void {
    this.door = null;
    this.#around.network.processEnded(this.id, hostGone);
    this.disk.crash(hostGone);
  }

  /** null: the log cannot be opened, and `life` was told. */
  open(life: RaftLife): Raft | null {
    const { addr } = this;
    const found = this.#found;
    const around = this.#around;
    const agent = this.#agent;
    if (found !== null) return this.#node(found, life);
    return new LateRaft({
      id: this.id,
      members: [],
      begin: (begun) =>
        findCluster({
          namespace: "service",
          scope: "sim",
          selfAddr: addr,
          name: agent.name,
          partners: around.partnersOf(agent.name),
          bindAddr: addr,
          password: null,
          clock: life.clock,
          random: life.random,
          log: this.#log,
          onFatal: () => {},
          onRefused: (message) => life.notOpened({ code: "refused", message }),
          network: {
            ask: (to, question, done) => around.visits.ask(agent.name, to, question, done),
            listener: this.#listening({ start() {}, close() {} }),
          },
        }, (place) => {
          this.take(place);
          const raft = this.#node(place, life);
          if (raft !== null) begun(raft);
          // Its membership is noted only when its log is there: the next life looks for a place again.
          else this.#found = null;
        }),
    });
  }

  #node(
    { clusterId, founded, id, members, joined }: Found,
    { clock, random, dcs, changed, proposed, mayRemove, mayJoin, removed, notOpened }: RaftLife,
  ): Raft | null {
    const { disk } = this;
    const around = this.#around;
    const agent = this.#agent;
    const { checks, acknowledged } = around.groupOf(clusterId);
    const storage = this.#storage(notOpened);
    if (storage === null) return null;
    checks.onStart(id, joined ? [] : members.map((each) => each.id));
    acknowledged.onStart(agent.name);
    const known = () => checks.onState(id, dcs.state.revision, JSON.stringify(dcs.state));
    const stateMachine: StateMachine = {
      refusal: commandRefusal,
      snapshotFlaw: (data) => dcs.snapshotFlaw(data),
      apply: (command, index, term, version) => {
        checks.onApply(id, index, term, command);
        const before = dcs.state;
        const result = dcs.apply(command, index, version);
        acknowledged.onApply(agent.name, command, result);
        known();
        if (dcs.state !== before) changed();
        return result;
      },
      snapshot: () => dcs.snapshot(),
      restore: (data) => {
        dcs.restore(data);
        acknowledged.onRestore(agent.name, dcs.state.revision);
        known();
      },
    };
    const raft = new RaftNode({
      id,
      clock,
      storage,
      transport: this.#listening(around.network.transport(id, agent, clusterId)),
      stateMachine,
      random,
      clusterId,
      founded,
      instance: disk.instance,
      commandVersion: COMMAND_VERSION,
      mayRemove,
      mayJoin,
      log: this.#log,
      members,
      join: joined,
      electionMinMs: ELECTION_MIN_MS,
      electionMaxMs: ELECTION_MAX_MS,
      heartbeatMs: HEARTBEAT_MS,
      ...around.snapshots,
    });
    raft.onEvent((event) => {
      if (event.kind === "removed") removed();
    });
    return watched(raft, acknowledged, proposed);
  }

  #storage(notOpened: RaftLife["notOpened"]): ReturnType<SimDisk["storage"]> | null {
    try {
      return this.disk.storage();
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (typeof code !== "string") throw error;
      notOpened({ code, message });
      return null;
    }
  }

  /** A host that listens to the network answers visitors as well. */
  #listening<T extends Pick<Transport, "start" | "close">>(transport: T): T {
    let own: TransportHandlers | null = null;
    return {
      ...transport,
      start: (handlers: TransportHandlers) => {
        this.door = own = handlers;
        transport.start(handlers);
      },
      close: () => {
        if (this.door === own) this.door = null;
        transport.close();
      },
    };
  }

  readonly #log = (_level: string, _event: string, text: string): void => {
    this.#agent.world.log.add(this.#agent.name, `raft: ${text}`);
  };
}

/** Notes every command whose application was acknowledged: it must never be lost. */
function watched(raft: Raft, acknowledged: Acknowledged, proposed: RaftLife["proposed"]): Raft {
  const propose = raft.propose.bind(raft);
  raft.propose = (command, done, options) => {
    const bytes = command.slice();
    proposed(bytes);
    propose(bytes, (outcome) => {
      if (outcome.kind === "applied") acknowledged.onTold(bytes, outcome.result as CommandResult);
      done(outcome);
    }, options);
  };
  return raft;
}
