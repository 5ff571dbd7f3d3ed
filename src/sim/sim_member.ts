/**
 * One host of a simulated cluster with everything on it, and the lives of its agent: the production Member
 * (or Witness) on the production RaftNode, over a simulated clock, network and disk, the guard's production
 * fence, and a model PostgreSQL.
 */
import type { Found, Raft } from "../../raft/mod.ts";
import { SimClock, type SimDisk, SimHost, SimProcess, type World } from "../../raft/sim/mod.ts";
import { Member } from "../agent/loop/member.ts";
import { Witness } from "../agent/loop/witness.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import { type Command, COMMAND_VERSION, parseCommand } from "../dcs/commands.ts";
import { DcsStateMachine } from "../dcs/state_machine.ts";
import type { JsonObject } from "../model/json.ts";
import type { Life } from "../model/life.ts";
import type { DcsState, MemberFacts } from "../model/records.ts";
import { simulatedDynamic } from "./dynamic.ts";
import { HostAilments } from "./host_ailments.ts";
import type { Links } from "./links.ts";
import { ModelGuardClient } from "./model_guard_client.ts";
import { ModelGuard } from "./model_guard.ts";
import { ModelPostgres } from "./model_postgres.ts";
import { ModelServer, type ServerWorld } from "./model_server.ts";
import { ELECTION_MAX_MS, RaftPlace, type RaftSurroundings } from "./raft_place.ts";
import { replayed } from "./replayed.ts";
import { simLog } from "./sim_log.ts";
import { WallClock } from "./wall_clock.ts";

/** Bound on the difference of clock rates that the production code assumes. */
export const RHO = 1e-3;
const MAX_TIMER_LATENESS_MS = 30;
/** How often a process that is killed stays for a while, since its disk hangs. */
const KEEPS_KILLED = 0.05;

/** The surroundings that a member needs: the cluster around it. */
export interface Surroundings extends ServerWorld, RaftSurroundings {
  readonly world: World;
  readonly links: Links;
  readonly broken: BrokenRules;
  readonly bootstrapConfig: JsonObject;
  find(name: string): SimMember | undefined;
  onRecords(state: DcsState): void;
  readonly rho: number;
  onGrant(leader: SimMember, grant: Command & { op: "grant" }): void;
}

export class SimMember {
  host: SimHost;
  readonly wall: WallClock;
  agent: SimProcess;
  guard: ModelGuard;
  server: ModelServer;
  readonly place: RaftPlace;
  raft: Raft | null = null;
  /** null on a witness, whose PostgreSQL never runs either. */
  member: Member | null = null;
  witness: Witness | null = null;
  dcs: DcsStateMachine | null = null;
  /** Started again by the service manager after it has ended by itself. */
  exits = 0;
  /** The raft group has removed it, and it has ended: it is not started again as it is. */
  removed = false;
  /** Its log was refused, as damaged or as that of a later version: it cannot go on with this directory. */
  refused = false;
  /** It is not to come back. */
  retired = false;
  /** The name in its configuration, where an operator has copied that of another member; null: its own. */
  alias: string | null = null;
  /** As in its configuration, which `factsChanged` has read anew. Half of the members are to be copied from. */
  tags: JsonObject;
  readonly ailments: HostAilments;
  /** The next start by the service manager. */
  #nextStart: ReturnType<World["after"]> | null = null;
  /** Host name of the current machine; a replacement gets a new one. */
  #hostname: string;
  #machines = 1;
  #boots = 1;
  /** As kept with the raft directory. */
  #directories = 1;
  /** Counts the further machines that have had this name at this address, one after the other or at once. */
  #doubles = 0;
  /** The previous machine has not been switched off yet: its PostgreSQL may write. */
  formerRuns = false;
  readonly isWitness: boolean;
  readonly name: string;
  readonly #around: Surroundings;

  /**
   * `id`: for the network, until it has a place. `founder`: its first place; else it has to find the cluster.
   */
  constructor(
    name: string,
    around: Surroundings,
    { id, founder, isWitness }: {
      readonly id: number;
      readonly founder: Found | null;
      readonly isWitness: boolean;
    },
  ) {
    this.name = name;
    this.#around = around;
    const { world } = around;
    this.isWitness = isWitness;
    this.tags = { clonefrom: world.random.split(`clonefrom ${name}`).chance(0.5) };
    this.#hostname = name;
    this.wall = new WallClock(world);
    this.ailments = new HostAilments(world);
    ({ host: this.host, agent: this.agent, server: this.server, guard: this.guard } = this.#newMachine());
    this.place = new RaftPlace(this.agent, addressOf(name), id, founder, around);
  }

  /** It runs on the machine of that life, perhaps since another boot. */
  hasLife(life: Life): boolean {
    return life.machine === this.#machine.machine;
  }

  /** A machine with nothing on it. */
  #newMachine() {
    const { name } = this;
    const around = this.#around;
    const doubles = this.#doubles;
    const host = new SimHost(around.world, doubles === 0 ? name : `${name}+${doubles}`, around.rho);
    const agent = new SimProcess(host, name);
    const server = new ModelServer(name, around);
    const guard = new ModelGuard(host, server, around.broken.has("no-guard") ? agent : null);
    guard.keepsKilled = KEEPS_KILLED;
    return { host, agent, server, guard };
  }

  /** In raft; of the place before, while it has none. */
  get id(): number {
    return this.place.id;
  }

  get disk(): SimDisk {
    return this.place.disk;
  }

  get apiUrl(): string {
    return `http://${this.#hostname}:8008/patroni`;
  }

  startAgent(): void {
    if (this.agent.alive || this.retired) return;
    const { name, agent } = this;
    const around = this.#around;
    const { world } = around;
    agent.start();
    const random = world.random.split(`agent ${agent.host.name} ${agent.incarnation}`);
    const clock = new SimClock(agent, random.split("timers"), MAX_TIMER_LATENESS_MS);
    const dcs = new DcsStateMachine(around.broken);
    const { incarnation } = agent;
    const raft = this.place.open({
      clock,
      random: random.split("raft").unit,
      dcs,
      changed: () => around.onRecords(dcs.state),
      proposed: (bytes) => {
        const judged = parseCommand(bytes, COMMAND_VERSION);
        if (judged.ok && judged.command.op === "grant") around.onGrant(this, judged.command);
      },
      mayRemove: (member) => (this.member ?? this.witness)!.objectionTo(member),
      mayJoin: (visitor) => (this.member ?? this.witness)!.objectionToJoining(visitor),
      removed: () => {
        this.removed = true;
        // As the production agent does: PostgreSQL is stopped, then it ends.
        world.after(0, () => agent.deliver(incarnation, () => this.stopAgent()));
      },
      notOpened: ({ code, message }) => {
        // A bit of the number of the format makes it that of a later version.
        this.refused = code === "damaged" || code === "version";
        this.#exited(incarnation, 1, message);
      },
    });
    if (raft === null) return this.#startAgain(incarnation);
    this.dcs = dcs;
    this.raft = raft;
    world.log.add(name, `agent starts (life ${agent.incarnation})`);
    if (this.isWitness) this.witness = this.#newWitness(dcs, raft, clock);
    else this.member = this.#newMember(dcs, raft, clock, random.bits());
    (this.member ?? this.witness)!.start();
    raft.start();
  }

  #newWitness(dcs: DcsStateMachine, raft: Raft, clock: SimClock): Witness {
    const { name, agent } = this;
    const around = this.#around;
    const { incarnation } = agent;
    return new Witness({
      name,
      raftAddr: this.place.addr,
      apiUrl: () => this.apiUrl,
      clock,
      wallMs: this.wall.nowMs,
      raft,
      dcs,
      log: simLog(around.world, name),
      effective: (records) => simulatedDynamic(records ?? around.bootstrapConfig),
      electionMaxMs: ELECTION_MAX_MS,
      exit: (code, message) => this.#exited(incarnation, code, message),
      broken: around.broken,
      record: replayed(name),
    });
  }

  #facts(name: string): MemberFacts {
    return {
      name,
      connUrl: `postgres://${this.name}:5432/postgres`,
      apiUrl: this.apiUrl,
      proxyUrl: null,
      raftAddr: this.place.addr,
      tags: this.tags,
      version: "simulated",
    };
  }

  #newMember(dcs: DcsStateMachine, raft: Raft, clock: SimClock, memberIncarnation: number): Member {
    const { agent, agent: { incarnation } } = this;
    const around = this.#around;
    const name = this.alias ?? this.name;
    const { world } = around;
    const guard = new ModelGuardClient(agent, this.guard);
    const postgres = new ModelPostgres({
      agent,
      incarnation: memberIncarnation,
      clock,
      server: this.server,
      guard,
      serverOf: around.serverOf,
      reachable: around.reachable,
      dynamic: simulatedDynamic(around.bootstrapConfig),
      broken: around.broken,
    });
    return new Member({
      name,
      machine: this.#machine,
      incarnation: memberIncarnation,
      clock,
      wallMs: this.wall.nowMs,
      raft,
      dcs,
      guard,
      postgres,
      log: simLog(world, name),
      facts: () => this.#facts(name),
      nofailover: () => this.tags["nofailover"] === true,
      failoverPriority: () => 1,
      ailments: () => this.ailments.on(agent.host),
      peers: () => raft.status().members.map((peer) => peer.id),
      bootstrapConfig: () => around.bootstrapConfig,
      effective: (records) => simulatedDynamic(records ?? around.bootstrapConfig),
      memberAnswers: (_name, _url, done) =>
        world.after(20, () => agent.deliver(incarnation, () => done(false))),
      askFailsafe: (url, question, timeoutMs, done) =>
        around.links.ask(
          { id: this.id, agent },
          { url, host: around.find(question.to) },
          question,
          timeoutMs,
          done,
        ),
      electionMaxMs: ELECTION_MAX_MS,
      exit: (code, message) => {
        // No service manager looks after a machine that was replaced.
        if (agent === this.agent) this.#exited(incarnation, code, message);
        else world.log.add(name, `the agent of the former machine exits with ${code}: ${message}`);
      },
      broken: around.broken,
      record: replayed(name),
    });
  }

  /** SIGTERM: PostgreSQL is stopped, the lock handed over; then agent and guard end. */
  stopAgent(): void {
    const { member, raft, agent } = this;
    const { incarnation } = agent;
    const stopped = () => {
      if (agent.incarnation !== incarnation || !agent.alive) return;
      this.#around.world.log.add(this.name, "agent has stopped");
      raft?.stop();
      this.killAgent(false);
      if (!this.server.anyProcess) this.guard.stop();
    };
    if (member) member.stop(stopped);
    else stopped();
  }

  /** SIGKILL, a crash, or the end of the host: nothing is handed over. */
  killAgent(hostGone: boolean): void {
    if (!this.agent.alive) {
      // Until then, writes of a dead process are in the page cache.
      if (hostGone) this.disk.crash(true);
      return;
    }
    this.member?.end();
    this.witness?.end();
    this.agent.kill();
    this.place.ended(hostGone);
    this.raft = null;
    this.member = null;
    this.witness = null;
    this.dcs = null;
  }

  /** Power off. */
  killHost(): void {
    this.#nextStart?.cancel();
    this.killAgent(true);
    this.guard.stop();
    this.server.killed();
  }

  /** The clock begins anew, unless something has been running all the time. */
  powerOn(): void {
    if (this.agent.alive || this.guard.process.alive || this.server.anyProcess) return;
    this.host.reboot();
    this.#boots++;
  }

  /** The machine as production reads it from the raft directory and the kernel. */
  get #machine(): { machine: string; boot: string } {
    // Without the rule all machines with one name count as the same.
    if (this.#around.broken.has("name-is-enough")) return { machine: "any", boot: "any" };
    const machine = `${this.#hostname}.${this.#doubles}.${this.#directories}`;
    return { machine, boot: `${machine}.${this.#boots}` };
  }

  /** Power on, and the agent started. */
  boot(): void {
    if (this.agent.alive) return;
    this.powerOn();
    this.startAgent();
  }

  /** The raft directory is moved aside, so that a start is that of a new member. */
  emptyRaftDirectory(): void {
    this.killAgent(false);
    this.place.empty();
    this.server.notes.known = [];
    this.#directories++;
    this.removed = this.refused = false;
  }

  /** The host is lost with its disks; another machine has its name and nothing else. */
  replaceMachine(): void {
    this.killHost();
    this.emptyRaftDirectory();
    this.server.directory.setAside();
    this.#hostname = `${this.name}-${++this.#machines}`;
    this.place.move(addressOf(this.#hostname));
  }

  /**
   * Another machine boots under this name, while the present one lives on without hearing, or being heard by,
   * raft: with a copy of its disks, or with nothing. Returns what ends the former one.
   */
  double(how: "copy" | "replacement"): () => void {
    const { raft, member, agent, guard, server, host } = this;
    raft?.stop();
    this.place.ended(true);
    this.raft = null;
    this.member = null;
    this.dcs = null;
    this.#doubles++;
    this.formerRuns = true;
    ({ host: this.host, agent: this.agent, server: this.server, guard: this.guard } = this.#newMachine());
    this.place.moveTo(this.agent);
    if (how === "copy") this.server.directory.restoredFrom(server.directory);
    else this.emptyRaftDirectory();
    this.#around.world.log.add(this.name, `${this.host.name} boots (${how}) while ${host.name} lives on`);
    return () => {
      member?.end();
      agent.kill();
      guard.stop();
      server.killed();
      this.formerRuns = false;
    };
  }

  #exited(incarnation: number, code: number, message: string): void {
    const { world } = this.#around;
    world.log.add(this.name, `agent exits with ${code}: ${message}`);
    this.exits++;
    // The process ends after the event that asked for it.
    world.after(0, () => this.#startAgain(incarnation));
  }

  #startAgain(incarnation: number): void {
    if (!this.agent.alive || this.agent.incarnation !== incarnation) return;
    this.killAgent(false);
    this.#nextStart = this.#around.world.after(2000, () => {
      if (this.agent.incarnation === incarnation) this.startAgent();
    });
  }
}

/** The address of a machine's raft port. */
export function addressOf(hostname: string): string {
  return `${hostname}:2222`;
}
