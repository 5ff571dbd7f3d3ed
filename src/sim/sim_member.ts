/**
 * One host of a simulated cluster with everything on it, and the lives of its agent: the production Member (or Witness) on
 * the production RaftNode, over a simulated clock, network and disk, the guard's production fence, and a model PostgreSQL.
 */
import { type Raft, RaftNode, type RaftNodeOptions, type StateMachine } from "../../raft/mod.ts";
import {
  type RaftInvariants,
  SimClock,
  SimDisk,
  SimHost,
  type SimNetwork,
  SimProcess,
  type World,
} from "../../raft/sim/mod.ts";
import { Member } from "../agent/member.ts";
import { Witness } from "../agent/witness.ts";
import { COMMAND_VERSION, type CommandResult } from "../dcs/commands.ts";
import type { BrokenRules } from "../dcs/lease.ts";
import { DcsStateMachine } from "../dcs/state_machine.ts";
import type { JsonObject } from "../model/json.ts";
import type { DcsState, MemberFacts } from "../model/records.ts";
import type { Acknowledged } from "./acknowledged.ts";
import { simulatedDynamic } from "./dynamic.ts";
import type { Links } from "./links.ts";
import { GuardClient } from "./guard_client.ts";
import { ModelGuard } from "./model_guard.ts";
import { ModelPostgres } from "./model_postgres.ts";
import { ModelServer, type ServerWorld } from "./model_server.ts";
import { simLog } from "./sim_log.ts";
import { WallClock } from "./wall_clock.ts";

/** Bound on the difference of clock rates that the production code assumes. */
export const RHO = 1e-3;
const ELECTION_MIN_MS = 600;
const ELECTION_MAX_MS = 1000;
const HEARTBEAT_MS = 200;
const MAX_TIMER_LATENESS_MS = 30;

/** What a member needs of the cluster around it. */
export interface Surroundings extends ServerWorld {
  readonly world: World;
  readonly network: SimNetwork;
  readonly links: Links;
  readonly checks: RaftInvariants;
  readonly broken: BrokenRules;
  readonly names: readonly string[];
  readonly bootstrapConfig: JsonObject;
  find(name: string): SimMember | undefined;
  readonly acknowledged: Acknowledged;
  readonly snapshots: Pick<RaftNodeOptions, "snapshotEveryEntries" | "keepEntries">;
  onRecords(state: DcsState): void;
}

export class SimMember {
  readonly host: SimHost;
  readonly wall: WallClock;
  readonly agent: SimProcess;
  readonly guard: ModelGuard;
  readonly server: ModelServer;
  readonly disk: SimDisk;
  readonly id: number;
  raft: Raft | null = null;
  /** null on a witness, whose PostgreSQL never runs either. */
  member: Member | null = null;
  witness: Witness | null = null;
  dcs: DcsStateMachine | null = null;
  /** Started again by the service manager after it has ended by itself. */
  exits = 0;

  constructor(readonly name: string, private readonly around: Surroundings, readonly isWitness = false) {
    const { world } = around;
    this.id = idOf(name, around.names);
    this.host = new SimHost(world, name, RHO);
    this.wall = new WallClock(world);
    this.agent = new SimProcess(this.host, name);
    this.server = new ModelServer(name, around);
    this.guard = new ModelGuard(this.host, this.server, around.broken.has("no-guard") ? this.agent : null);
    this.disk = new SimDisk(this.agent);
    around.checks.watch(this.id, this.disk);
  }

  startAgent(): void {
    if (this.agent.alive) return;
    const { around, name, agent } = this;
    const { world } = around;
    agent.start();
    const random = world.random.split(`agent ${name} ${agent.incarnation}`);
    const clock = new SimClock(agent, random.split("timers"), MAX_TIMER_LATENESS_MS);
    const dcs = new DcsStateMachine(around.broken);
    const raft = this.startRaft(dcs, clock, random.split("raft").unit);
    this.dcs = dcs;
    this.raft = raft;
    world.log.add(name, `agent starts (life ${agent.incarnation})`);
    if (this.isWitness) this.witness = this.newWitness(dcs, raft, clock);
    else this.member = this.newMember(dcs, raft, clock, random.bits());
    (this.member ?? this.witness)!.start();
    raft.start();
  }

  private newWitness(dcs: DcsStateMachine, raft: Raft, clock: SimClock): Witness {
    const { around, name, agent } = this;
    const { incarnation } = agent;
    return new Witness({
      name,
      raftAddr: `${name}:2222`,
      apiUrl: () => `http://${name}:8008/patroni`,
      clock,
      wallMs: this.wall.nowMs,
      raft,
      dcs,
      log: simLog(around.world, name),
      effective: simulatedDynamic,
      electionMaxMs: ELECTION_MAX_MS,
      exit: (code, message) => this.exited(incarnation, code, message),
      broken: around.broken,
    });
  }

  private newMember(dcs: DcsStateMachine, raft: Raft, clock: SimClock, memberIncarnation: number): Member {
    const { around, name, agent } = this;
    const { world } = around;
    const guard = new GuardClient(agent, this.guard);
    const postgres = new ModelPostgres({
      agent,
      clock,
      server: this.server,
      guard,
      serverOf: around.serverOf,
      reachable: around.reachable,
    });
    const { incarnation } = agent;
    const facts: MemberFacts = {
      name,
      connUrl: `postgres://${name}:5432/postgres`,
      apiUrl: `http://${name}:8008/patroni`,
      proxyUrl: null,
      raftAddr: `${name}:2222`,
      tags: {},
      version: "simulated",
    };
    return new Member({
      name,
      incarnation: memberIncarnation,
      clock,
      wallMs: this.wall.nowMs,
      raft,
      dcs,
      guard,
      postgres,
      log: simLog(world, name),
      facts: () => facts,
      nofailover: () => false,
      failoverPriority: () => 1,
      peers: () => around.names.map((each) => idOf(each, around.names)),
      bootstrapConfig: () => around.bootstrapConfig,
      effective: simulatedDynamic,
      memberAnswers: (_url, done) => world.after(20, () => agent.deliver(incarnation, () => done(false))),
      askFailsafe: (_url, question, timeoutMs, done) =>
        around.links.ask(this, around.find(question.to)!, question, timeoutMs, done),
      electionMaxMs: ELECTION_MAX_MS,
      exit: (code, message) => this.exited(incarnation, code, message),
      broken: around.broken,
    });
  }

  /** SIGTERM: PostgreSQL is stopped, the lock handed over; then agent and guard end. */
  stopAgent(): void {
    const { member, raft, agent } = this;
    const { incarnation } = agent;
    const stopped = () => {
      if (agent.incarnation !== incarnation || !agent.alive) return;
      this.around.world.log.add(this.name, "agent has stopped");
      raft?.stop();
      this.killAgent(false);
      if (!this.server.anyProcess) this.guard.stop();
    };
    if (member) member.stop(stopped);
    else stopped();
  }

  /** SIGKILL, a crash, or the end of the host: nothing is handed over. */
  killAgent(hostGone: boolean): void {
    if (!this.agent.alive) return;
    this.member?.end();
    this.witness?.end();
    this.agent.kill();
    this.around.network.processEnded(this.id, hostGone);
    this.disk.crash(hostGone);
    this.raft = null;
    this.member = null;
    this.witness = null;
    this.dcs = null;
  }

  /** Power off. */
  killHost(): void {
    this.killAgent(true);
    this.guard.stop();
    this.server.killed();
  }

  private exited(incarnation: number, code: number, message: string): void {
    const { world } = this.around;
    world.log.add(this.name, `agent exits with ${code}: ${message}`);
    this.exits++;
    // The process ends after the event that asked for it.
    world.after(0, () => {
      if (this.agent.incarnation !== incarnation) return;
      this.killAgent(false);
      world.after(2000, () => {
        if (this.agent.incarnation === incarnation) this.startAgent();
      });
    });
  }

  private startRaft(dcs: DcsStateMachine, clock: SimClock, random: () => number): Raft {
    const { around, id, name, agent } = this;
    const { checks, acknowledged } = around;
    const storage = this.disk.storage();
    checks.onStart(id, around.names.map((each) => idOf(each, around.names)));
    acknowledged.onStart(name);
    const known = () => checks.onState(id, dcs.state.revision, JSON.stringify(dcs.state));
    const stateMachine: StateMachine = {
      apply: (command, index, term) => {
        checks.onApply(id, index, term, command);
        const before = dcs.state;
        const result = dcs.apply(command, index);
        acknowledged.onApply(name, command, result);
        known();
        if (dcs.state !== before) around.onRecords(dcs.state);
        return result;
      },
      snapshot: () => dcs.snapshot(),
      restore: (data) => {
        dcs.restore(data);
        acknowledged.onRestore(name, dcs.state.revision);
        known();
      },
    };
    const raft = new RaftNode({
      id,
      clock,
      storage,
      transport: around.network.transport(id, agent),
      stateMachine,
      random,
      clusterId: 1,
      instance: this.disk.instance,
      commandVersion: COMMAND_VERSION,
      log: (_level, _event, text) => {
        around.world.log.add(this.name, `raft: ${text}`);
      },
      members: around.names.map((name) => ({
        id: idOf(name, around.names),
        name,
        addr: `${name}:2222`,
      })),
      electionMinMs: ELECTION_MIN_MS,
      electionMaxMs: ELECTION_MAX_MS,
      heartbeatMs: HEARTBEAT_MS,
      ...around.snapshots,
    });
    raft.onEvent((event) => {
      if (event.kind === "state" || event.kind === "applied") checks.onStatus(raft.status());
    });
    return watched(raft, acknowledged);
  }
}

/** Notes every command whose application was acknowledged: it must never be lost. */
function watched(raft: Raft, acknowledged: Acknowledged): Raft {
  const propose = raft.propose.bind(raft);
  raft.propose = (command, done, options) => {
    const bytes = command.slice();
    propose(bytes, (outcome) => {
      if (outcome.kind === "applied") acknowledged.onTold(bytes, outcome.result as CommandResult);
      done(outcome);
    }, options);
  };
  return raft;
}

function idOf(name: string, names: readonly string[]): number {
  return names.indexOf(name) + 1;
}
