/**
 * Composes a running agent: opens everything that touches the world (clock, log directory, network, guard,
 * PostgreSQL, REST) and connects it to the member. Decides nothing. A part that cannot be opened ends the
 * start with a sentence that names the setting to change.
 */
import { bootstrapDifference } from "../../config/bootstrap_difference.ts";
import { effectiveDynamic } from "../../config/dynamic.ts";
import { GuardClient } from "../../guard/client.ts";
import { ownedByAnother } from "../../guard/directory_owner.ts";
import type { KeptDevice } from "../../guard/open_watchdog.ts";
import { watchdogDevice } from "../../guard/watchdog.ts";
import { WatchdogMark } from "../../guard/watchdog_mark.ts";
import { lookAtServer } from "../health/server_probe.ts";
import { HealthWatch } from "../health/health_watch.ts";
import type { Log } from "../../lib/log.ts";
import { pinnedSelfCommand } from "../../lib/self_command.ts";
import { timedClock } from "../../lib/wake_profile.ts";
import type { LocalConfig } from "../../model/config.ts";
import { failsafeGap, votersHeard } from "../../model/failsafe_gap.ts";
import { isUnfenced, type Life } from "../../model/life.ts";
import type { MemberFacts } from "../../model/records.ts";
import { VERSION } from "../../model/version.ts";
import { timingProblems } from "./dynamic_reader.ts";
import type { Gap } from "./gap_watch.ts";
import { Ground, type NodeOptions } from "./ground.ts";
import { Member } from "../loop/member.ts";
import type { MemberOptions } from "../loop/member_rooms.ts";
import { onceHeard } from "./once_heard.ts";
import { ownMachine } from "./own_machine.ts";
import { isUnmanagedConf } from "../../postgres/config_files.ts";
import { PostgresExecutor } from "../postgres/executor.ts";
import { PublishedAddress } from "./published_address.ts";
import { raftAddress } from "../peers/raft_address.ts";
import { AgentApiPort } from "../rest/api_port.ts";
import { askFailsafe, memberAnswers } from "../rest/ask_member.ts";
import type { RunningAgent } from "./running.ts";
import { watchSlotClash } from "../peers/slot_clash.ts";
import { DeviceWatchdog } from "../lease/watchdog.ts";

export interface AgentOptions extends NodeOptions {
  /** Command line of a guard process of this executable. */
  readonly guardCommand: readonly string[];
  /** The watchdog device that was opened as root, before privileges were dropped. @default none */
  readonly keptWatchdog?: KeptDevice | null;
}

/** Starts everything. A part that cannot be opened is logged, and options.exit is called with 1. */
export function startAgent(options: AgentOptions): RunningAgent {
  let guard: GuardClient | null = null;
  const exit = (code: number, message: string) => {
    options.log.critical("exit", message);
    // A guard without PostgreSQL has nothing left to do; one with it stays, for the next agent.
    if (guard === null) options.exit(code);
    else guard.shutdown(() => options.exit(code));
  };
  try {
    return compose(options, exit, (client) => guard = client);
  } catch (error) {
    exit(1, messageOf(error));
    return { stop() {}, reload() {} };
  }
}

type Exit = (code: number, message: string) => void;

function compose(
  options: AgentOptions,
  exit: Exit,
  guardStarted: (guard: GuardClient) => void,
): RunningAgent {
  const { log, config: { name, scope } } = options;
  const dataDir = mayStart(options.config);
  const ground = new Ground(options, () => member.voter, (message) => exit(1, message));
  const { dcs } = ground;
  // After the raft directory was locked: only one process writes its machine id.
  const machine = ownMachine(options.config.raft.dataDir, dataDir, log);
  const guard = openGuard(options, ground, dataDir, machine, exit);
  guardStarted(guard);
  const postgres = openPostgres(options, ground, guard);
  const watchdog = openWatchdog(options, ground, () => member.wake());
  const postmasterPid = () => guard.view().postmaster?.pid ?? null;
  const archiver: { failed: number | null } = { failed: null };
  const health = openHealth(ground, log, { server: postgres, postmasterPid }, () => member, archiver);
  const member: Member = new Member({
    ...memberOptions(ground, log, exit),
    machine,
    guard,
    postgres,
    watchdog,
    ailments: () => health.ailments(),
  });
  const published = new PublishedAddress();
  const inForce = (next: LocalConfig) => {
    postgres.reload(next);
    member.factsChanged();
  };
  guard.onChange(() => publish(ground, published.due(postmasterPid()), inForce, log));
  ground.watch(member.voter, failsafeLacks(ground, member));
  member.voter.changes.onChange(sayBootstrapDifference(ground, member, log));
  member.voter.changes.onChange(watchSlotClash({ name, state: () => dcs.state, log, exit }));
  return ground.run({
    voter: member.voter,
    api: (reload) =>
      new AgentApiPort({ ...ground.forApi(reload), member, guard, postgres, watchdog, health, archiver }),
    reloaded: (next, plan) => {
      published.reloaded(plan, postmasterPid());
      inForce(next);
    },
    listenPending: () => published.isPending,
    title: `${name} of cluster ${scope}`,
    start: () => {
      member.start();
      health.start();
    },
    stop: (done) =>
      onceHeard(guard, ground.clock, () =>
        member.stop(() => {
          member.end();
          watchdog.close();
          guard.shutdown(done);
        })),
    stopping: "stopping: PostgreSQL is stopped and the lock handed over",
    removed: ": PostgreSQL is stopped, and so is this agent",
  });
}

/** The data directory. Throws before raft is opened: a start that fails must not reach the cluster. */
function mayStart(config: LocalConfig): string {
  if (config.postgresql === null) {
    throw new Error("raft.witness: this is the file of a witness, which is started by: agent witness FILE");
  }
  const forbidden = timingProblems(effectiveDynamic(config.bootstrap.dcs, config).config, config);
  if (forbidden.length > 0) {
    throw new Error(`bootstrap.dcs and raft.election_timeout do not fit: ${forbidden.join("; ")}`);
  }
  const { dataDir } = config.postgresql;
  const taken = ownedByAnother(dataDir, config.raft.dataDir);
  if (taken !== null) throw new Error(`postgresql.data_dir: ${taken}`);
  return dataDir;
}

function openGuard(
  { guardCommand, log }: AgentOptions,
  { config, clock, dcs, raft }: Ground,
  dataDir: string,
  machine: Pick<Life, "machine" | "boot">,
  exit: Exit,
): GuardClient {
  return new GuardClient({
    directory: config.raft.dataDir,
    dataDir,
    command: guardCommand,
    clock: timedClock("guard: timer", clock),
    log,
    unmanaged: isUnmanagedConf(config.postgresql!.configDir),
    unfenced: () => isUnfenced(dcs.state.lock, config.name, { node: raft.id, ...machine }),
    // PostgreSQL belongs to the other agent now and is not touched.
    onSuperseded: () =>
      exit(1, "another agent was started on this data directory and has taken its guard over"),
    onTaken: (why) => exit(1, `postgresql.data_dir: ${why}`),
  });
}

/** `connectAddress`: that of the file, which PostgreSQL listens on by now; null: nothing is new. */
function publish(
  ground: Ground,
  connectAddress: string | null,
  inForce: (config: LocalConfig) => void,
  log: Log,
): void {
  if (connectAddress === null) return;
  ground.use({ ...ground.config, postgresql: { ...ground.config.postgresql!, connectAddress } });
  inForce(ground.config);
  log.info(
    "reload",
    `postgresql.connect_address: ${connectAddress} is published, PostgreSQL was started again`,
  );
}

function openHealth(
  ground: Ground,
  log: Log,
  { server, postmasterPid }: {
    readonly server: PostgresExecutor;
    readonly postmasterPid: () => number | null;
  },
  member: () => Member,
  archiver: { failed: number | null },
): HealthWatch {
  return new HealthWatch({
    clock: ground.clock,
    wallMs: ground.wallMs,
    log,
    command: pinnedSelfCommand(),
    dataDir: ground.config.postgresql!.dataDir,
    postgres: () => server.view(),
    postmasterPid,
    lookAtServer: () => lookAtServer(server.server, (failed) => archiver.failed = failed),
    dynamic: () => member().dynamic,
    changed: () => member().wake(),
  });
}

function openPostgres({ config, log }: AgentOptions, ground: Ground, guard: GuardClient): PostgresExecutor {
  return new PostgresExecutor({
    config,
    dynamic: ground.effective(null),
    incarnation: ground.incarnation,
    guard,
    clock: timedClock("SQL: timer", ground.clock),
    log,
    certificatesUsed: (files) => ground.certificates.serverUses(files),
  });
}

function openWatchdog(options: AgentOptions, ground: Ground, wake: () => void): DeviceWatchdog {
  const kept = options.keptWatchdog ?? null;
  return new DeviceWatchdog({
    clock: ground.clock,
    log: options.log,
    config: () => ground.config.watchdog,
    device: (settings) => watchdogDevice(settings, kept),
    mark: new WatchdogMark(ground.config.raft.dataDir),
    opened: kept !== null && kept.fd !== null && kept.resting === false,
    onChange: wake,
  });
}

function memberOptions(
  ground: Ground,
  log: Log,
  exit: Exit,
): Omit<MemberOptions, "machine" | "guard" | "postgres" | "watchdog"> {
  const { clock, wallMs, raft, dcs, effective, restored, record, incarnation } = ground;
  const config = () => ground.config;
  const facts = () => factsOf(config());
  return {
    name: config().name,
    incarnation,
    clock,
    wallMs,
    raft,
    dcs,
    log,
    facts,
    nofailover: () => config().nofailover,
    failoverPriority: () => config().failoverPriority,
    reloadRefused: () => ground.reloadRefused,
    certificatesEnding: () => ground.certificates.ending,
    peers: () => raft.status().members.map((peer) => peer.id),
    bootstrapConfig: () => restored.forNewCluster(),
    effective,
    record,
    electionMaxMs: config().raft.electionMaxMs,
    memberAnswers: memberAnswers(config, facts),
    askFailsafe: askFailsafe(config, facts),
    exit,
  };
}

/** Said once, when the records are known: the file may have been edited since they were made of it. */
function sayBootstrapDifference({ config, dcs }: Ground, member: Member, log: Log): () => void {
  let said = false;
  return () => {
    const inForce = dcs.state.config;
    if (said || inForce === null || !member.isJoined) return;
    said = true;
    const text = bootstrapDifference(config.bootstrap.dcs, inForce.value);
    if (text !== null) log.info("config", text);
  };
}

function failsafeLacks({ config, dcs, raft }: Ground, member: Member): Gap {
  const missing = () => {
    if (dcs.state.lock.holder !== config.name) return null;
    const voters = votersHeard(raft.status());
    return failsafeGap({ enabled: member.dynamic.failsafeMode, state: dcs.state, voters });
  };
  const over = "failsafe mode lacks nothing any more";
  return { event: "failsafe", title: "failsafe mode", over, missing };
}

function factsOf(config: LocalConfig): MemberFacts {
  const postgresql = config.postgresql!;
  const scheme = config.restapi.certfile === null ? "http" : "https";
  return {
    name: config.name,
    connUrl: `postgres://${postgresql.connectAddress}/postgres`,
    apiUrl: `${scheme}://${config.restapi.connectAddress}/patroni`,
    proxyUrl: postgresql.proxyAddress === null ? null : `postgres://${postgresql.proxyAddress}/postgres`,
    raftAddr: raftAddress(config),
    tags: config.tags,
    version: VERSION,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
