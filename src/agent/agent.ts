/**
 * Composition of a running agent: opens what touches the world (clock, log directory, network, guard, PostgreSQL,
 * REST) and connects it to the member. Decides nothing. Whatever cannot be opened ends the start with a sentence that
 * names the setting to change.
 */
import { ApiThread } from "../api/thread/api_thread.ts";
import { operatorNeeded } from "../dcs/operator_needed.ts";
import { DcsStateMachine } from "../dcs/state_machine.ts";
import { GuardClient } from "../guard/client.ts";
import { ownedByAnother } from "../guard/directory_owner.ts";
import type { KeptDevice } from "../guard/open_watchdog.ts";
import { watchdogDevice } from "../guard/watchdog.ts";
import { WatchdogMark } from "../guard/watchdog_mark.ts";
import { SystemClock, wallClockMs } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { random } from "../lib/random.ts";
import type { LocalConfig } from "../model/config.ts";
import { effectiveDynamic } from "../config/dynamic.ts";
import { failsafeGap, votersHeard } from "../model/failsafe_gap.ts";
import { isUnfenced } from "../model/life.ts";
import type { MemberFacts } from "../model/records.ts";
import { VERSION } from "../model/version.ts";
import { AgentApiPort } from "./rest/api_port.ts";
import { askFailsafe, memberAnswers } from "./rest/ask_member.ts";
import { heardOf, watchGap } from "./gap_watch.ts";
import { Member } from "./member.ts";
import { dynamicReader, timingProblems } from "./dynamic_reader.ts";
import { openRaft } from "./open_raft.ts";
import { ownMachine } from "./own_machine.ts";
import { PostgresExecutor } from "./postgres/executor.ts";
import { PublishedAddress } from "./published_address.ts";
import { logQuorum } from "./quorum_watch.ts";
import { raftAddress } from "./raft_address.ts";
import { applyReload, inTurn } from "./reload.ts";
import { EXIT_REMOVED, type RunningAgent } from "./running.ts";
import { watchSlotClash } from "./slot_clash.ts";
import { DeviceWatchdog } from "./watchdog.ts";

export interface AgentOptions {
  readonly config: LocalConfig;
  /** Reads the file again; null with the reasons logged when it cannot be used. */
  readonly reload: () => LocalConfig | null;
  readonly log: Log;
  /** Command line of a guard process of this executable. */
  readonly guardCommand: readonly string[];
  /** The watchdog device that was opened as root, before privileges were dropped. @default none */
  readonly keptWatchdog?: KeptDevice | null;
  readonly exit: (code: number) => void;
}

/** Starts everything. What cannot be opened is said, and options.exit is called with 1. */
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

function compose(
  options: AgentOptions,
  exit: (code: number, message: string) => void,
  guardStarted: (guard: GuardClient) => void,
): RunningAgent {
  const { log } = options;
  let { config } = options;
  if (config.postgresql === null) {
    throw new Error("raft.witness: this is the file of a witness, which is started by: agent witness FILE");
  }
  const forbidden = timingProblems(effectiveDynamic(config.bootstrap.dcs, config).config, config);
  if (forbidden.length > 0) {
    throw new Error(`bootstrap.dcs and raft.election_timeout do not fit: ${forbidden.join("; ")}`);
  }
  // Before raft is opened: nothing of this start may reach the cluster.
  const taken = ownedByAnother(config.postgresql.dataDir, config.raft.dataDir);
  if (taken !== null) throw new Error(`postgresql.data_dir: ${taken}`);
  const clock = new SystemClock();

  const dcs = new DcsStateMachine();
  const fatal = (message: string) => exit(1, message);
  const { raft, closeRaft, tlsWatch } = openRaft({
    config: () => config,
    clock,
    dcs,
    log,
    mayRemove: (info) => member.objectionTo(info),
    mayJoin: (visitor) => member.objectionToJoining(visitor),
    fatal,
  });
  // After the raft directory was locked: its machine id is written by one process.
  const machine = ownMachine(config.raft.dataDir, config.postgresql.dataDir, log);
  const dynamicOf = dynamicReader(() => config, log);
  const guard = new GuardClient({
    directory: config.raft.dataDir,
    dataDir: config.postgresql.dataDir,
    command: options.guardCommand,
    clock,
    log,
    unfenced: () => isUnfenced(dcs.state.lock, config.name, { node: raft.status().id, ...machine }),
    // PostgreSQL is the other agent's business now: nothing of it is touched.
    onSuperseded: () =>
      exit(1, "another agent was started on this data directory and has taken its guard over"),
    onTaken: (why) => exit(1, `postgresql.data_dir: ${why}`),
  });
  guardStarted(guard);
  const postgres = new PostgresExecutor({ config, dynamic: dynamicOf({}), guard, clock, log });
  const watchdog = new DeviceWatchdog({
    clock,
    log,
    config: () => config.watchdog,
    device: (settings) => watchdogDevice(settings, options.keptWatchdog ?? null),
    mark: new WatchdogMark(config.raft.dataDir),
    opened: (options.keptWatchdog?.fd ?? null) !== null && options.keptWatchdog?.resting === false,
    onChange: () => member.wake(),
  });
  const member: Member = new Member({
    name: config.name,
    machine,
    incarnation: Math.floor(random() * 2 ** 48),
    clock,
    wallMs: wallClockMs,
    raft,
    dcs,
    guard,
    postgres,
    watchdog,
    log,
    facts: () => factsOf(config),
    nofailover: () => config.nofailover,
    failoverPriority: () => config.failoverPriority,
    pgCtlTimeoutS: () => config.postgresql?.pgCtlTimeoutS ?? 60,
    peers: () => raft.status().members.map((peer) => peer.id),
    bootstrapConfig: () => config.bootstrap.dcs,
    effective: dynamicOf,
    electionMaxMs: config.raft.electionMaxMs,
    memberAnswers: memberAnswers(() => config, () => factsOf(config)),
    askFailsafe: askFailsafe(() => config, () => factsOf(config)),
    exit,
  });

  let api: ApiThread | null = null;
  const published = new PublishedAddress();
  const postmasterPid = () => guard.view().postmaster?.pid ?? null;
  const use = (next: LocalConfig) => {
    config = next;
    postgres.reload(next);
    member.factsChanged();
  };
  const reload = inTurn(async () => {
    const read = options.reload();
    if (read === null) return;
    await applyReload({
      inForce: config,
      read,
      use: (next, plan) => {
        published.reloaded(plan, postmasterPid());
        use(next);
      },
      listenPending: published.isPending,
      tls: tlsWatch,
      api,
      log,
    });
  });
  guard.onChange(() => {
    const connectAddress = published.due(postmasterPid());
    if (connectAddress === null) return;
    use({ ...config, postgresql: { ...config.postgresql!, connectAddress } });
    log.info(
      "reload",
      `postgresql.connect_address: ${connectAddress} is published, PostgreSQL was started again`,
    );
  });
  const port = new AgentApiPort({
    config: () => config,
    member,
    raft,
    dcs,
    guard,
    postgres,
    watchdog,
    clock,
    wallMs: wallClockMs,
    reload,
  });
  api = new ApiThread(port, config, { clock, log });
  log.info("start", `agent ${VERSION} started as ${config.name} of cluster ${config.scope}`);
  // Changes come twice a second at least, as the member publishes its status.
  member.voter.changes.onChange(logQuorum(() => raft.status(), clock, log));
  const missing = () => {
    if (dcs.state.lock.holder !== config.name) return null;
    const voters = votersHeard(raft.status());
    return failsafeGap({ enabled: member.dynamic.failsafeMode, state: dcs.state, voters });
  };
  const over = "failsafe mode lacks nothing any more";
  const failsafe = { event: "failsafe", title: "failsafe mode", over, missing };
  member.voter.changes.onChange(watchGap(failsafe, clock, log));
  member.voter.changes.onChange(watchGap(
    {
      event: "operator_needed",
      title: "an operator is needed",
      over: "no operator is needed any more",
      missing: () =>
        operatorNeeded(dcs.state, heardOf(member.voter.board.seen(clock.now()), member.dynamic.ttlS)),
    },
    clock,
    log,
  ));
  member.voter.changes.onChange(watchSlotClash({ name: config.name, state: () => dcs.state, log, exit }));
  let stopping = false;
  const stop = (code: number) => {
    if (stopping) return;
    stopping = true;
    member.stop(() => {
      member.end();
      watchdog.close();
      guard.shutdown(() => {
        raft.stop();
        closeRaft(() => options.exit(code));
      });
    });
  };
  raft.onEvent((event) => {
    if (event.kind !== "removed") return;
    log.critical(
      "exit",
      `${config.name} was removed from the cluster: PostgreSQL is stopped, and so is this agent. To make it a member ` +
        `again, move ${config.raft.dataDir} aside and start it: it joins as a new one`,
    );
    stop(EXIT_REMOVED);
  });
  member.start();
  raft.start();
  return {
    reload: () => void reload(),
    stop() {
      if (!stopping) log.info("stop", "stopping: PostgreSQL is stopped and the lock handed over");
      stop(0);
    },
  };
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
