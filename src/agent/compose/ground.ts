/**
 * The common part of the compositions of a member and a witness: raft below, the REST interface above,
 * reloads, log lines about the cluster, and the end. Decides nothing.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { ApiPort } from "../../api/port.ts";
import { ApiThread } from "../../api/thread/api_thread.ts";
import type { ReloadPlan } from "../../config/reload.ts";
import { operatorNeeded } from "../../brain/cluster/operator_needed.ts";
import { longestStopMs } from "../../brain/shutdown.ts";
import type { DecisionPair } from "../../brain/replay.ts";
import { DcsStateMachine } from "../../dcs/state_machine.ts";
import { SystemClock, wallClockMs } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { random } from "../../lib/random.ts";
import { pinnedSelfCommand } from "../../lib/self_command.ts";
import type { ServiceNotices } from "../../lib/sd_notify.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import type { JsonObject } from "../../model/json.ts";
import type { LogCounts } from "../../model/measures.ts";
import { type ReloadRefused, reloadRefused } from "../../model/reload_refused.ts";
import { VERSION } from "../../model/version.ts";
import type { WrittenConfig } from "../../config/written.ts";
import type { ClusterApiOptions } from "../rest/cluster_api.ts";
import { StartCheck } from "../health/start_check.ts";
import { CertificateExpiry } from "./certificate_expiry.ts";
import { dynamicReader } from "./dynamic_reader.ts";
import { DecisionFile } from "./decision_file.ts";
import { type Gap, heardOf, silentOf, watchGap } from "./gap_watch.ts";
import { openRaft } from "./open_raft.ts";
import { logQuorum } from "./quorum_watch.ts";
import { applyReload, inTurn } from "./reload.ts";
import { RestoredConfig } from "./restored_config.ts";
import { EXIT_REMOVED, type RunningAgent } from "./running.ts";
import type { TlsWatch } from "./tls_watch.ts";
import { LatenessHistogram } from "../loop/lateness.ts";
import type { Voter } from "../loop/voter.ts";
import { leftGroup } from "../peers/left_group.ts";

export interface NodeOptions {
  readonly config: LocalConfig;
  /** Reads the file again; the first reason, with all of them logged, when it cannot be used. */
  readonly reload: () => LocalConfig | string;
  /** The file and the environment, as they were read last and could be used. */
  readonly written: () => WrittenConfig;
  readonly log: Log & { readonly counts: () => LogCounts };
  readonly exit: (code: number) => void;
  /** The service manager. */
  readonly notices: ServiceNotices;
}

/** The parts of the node that stands on the ground: a member, or a witness. */
export interface NodeParts {
  readonly voter: Voter;
  readonly api: (reload: () => Promise<void>) => ApiPort;
  /** A reload has put this in force. */
  readonly reloaded: (config: LocalConfig, plan: ReloadPlan) => void;
  /** See planReload. @default false */
  readonly listenPending?: () => boolean;
  /** For the first line of the log: "node1 of cluster demo". */
  readonly title: string;
  /** Subscribes to raft, and begins. */
  readonly start: () => void;
  /** Ends everything but raft. */
  readonly stop: (done: () => void) => void;
  /** The meaning of a stop here, for the log. */
  readonly stopping: string;
  /** The same after its removal from the cluster. */
  readonly removed: string;
}

export class Ground {
  readonly clock = new SystemClock();
  readonly wallMs = wallClockMs;
  readonly dcs = new DcsStateMachine();
  /** Random: tells this life of the agent from those before it, and from others of its name. */
  readonly incarnation = Math.floor(random() * 2 ** 48);
  readonly raft: Raft;
  /** The dynamic configuration that a value of the records stands for; null: they hold none. */
  readonly effective: (dcs: JsonObject | null) => DynamicConfig;
  readonly restored: RestoredConfig;
  /** Keeps a decision with its view, where the file is configured. */
  readonly record: (pair: DecisionPair) => void;
  readonly certificates: CertificateExpiry;
  readonly #options: NodeOptions;
  readonly #closeRaft: (closed: () => void) => void;
  readonly #tlsWatch: TlsWatch | null;
  #config: LocalConfig;
  #api: ApiThread | null = null;
  #reloadRefused: ReloadRefused | null = null;
  readonly #syncs = new LatenessHistogram();

  /** Throws when the raft directory cannot be used. `voter` is asked when raft runs. */
  constructor(options: NodeOptions, voter: () => Voter, fatal: (message: string) => void) {
    this.#options = options;
    this.#config = options.config;
    const { log } = options;
    const config = () => this.#config;
    const opened = openRaft({
      config,
      clock: this.clock,
      dcs: this.dcs,
      log,
      syncs: this.#syncs,
      mayRemove: (info) => voter().objectionTo(info),
      mayJoin: (visitor) => voter().objectionToJoining(visitor),
      fatal,
    });
    this.raft = opened.raft;
    this.#closeRaft = opened.closeRaft;
    this.#tlsWatch = opened.tlsWatch;
    this.certificates = new CertificateExpiry({ config, wallMs: this.wallMs, log });
    const decisions = new DecisionFile({ config, wallMs: this.wallMs, log });
    this.record = (pair) => decisions.record(pair);
    this.restored = new RestoredConfig(config, log);
    this.effective = dynamicReader(config, () => this.restored.untilKnown(), log);
  }

  /** The parts of an API that are the same for a member and a witness. */
  forApi(reload: () => Promise<void>): ClusterApiOptions {
    const { raft, dcs, clock, wallMs } = this;
    const { written, log } = this.#options;
    return {
      config: () => this.#config,
      raft,
      dcs,
      clock,
      wallMs,
      reload,
      written,
      raftSync: () => this.#syncs.reading(),
      logCounts: () => log.counts(),
      certificates: () => this.certificates.readings,
    };
  }

  /** The local configuration in force. */
  get config(): LocalConfig {
    return this.#config;
  }

  /** The last reload, when it was refused: until a good one. */
  get reloadRefused(): ReloadRefused | null {
    return this.#reloadRefused;
  }

  /** Puts a configuration in force, though no file was read. */
  use(config: LocalConfig): void {
    this.#config = config;
  }

  /** The port of the REST interface; undefined before it listens. */
  get apiPort(): number | undefined {
    return this.#api?.port;
  }

  /** Logged once it has lasted for a while. Looked at whenever the voter's view changes. */
  watch(voter: Voter, gap: Gap): void {
    voter.changes.onChange(watchGap(gap, this.clock, this.#options.log));
  }

  run(parts: NodeParts): RunningAgent {
    const { log, exit, notices } = this.#options;
    const { raft, clock } = this;
    const reload = inTurn(() => this.#reload(parts));
    this.#api = new ApiThread(parts.api(reload), this.#config, { clock, log });
    log.info("start", `agent ${VERSION} started as ${parts.title}`);
    this.#watchCluster(parts.voter);
    const startCheck = this.#startCheck(parts.voter);
    let stopping = false;
    const stop = (code: number) => {
      if (stopping) return;
      stopping = true;
      startCheck.end();
      notices.stopping(clock.now(), longestStopMs(parts.voter.dynamic));
      parts.stop(() => {
        raft.stop();
        this.#closeRaft(() => exit(code));
      });
    };
    raft.onEvent((event) => {
      if (event.kind !== "removed") return;
      const { name, raft: { dataDir } } = this.#config;
      log.critical(
        "exit",
        `${name} was removed from the cluster${parts.removed}. To make it a member again, move ${dataDir} aside and start ` +
          "it: it joins as a new one",
      );
      stop(EXIT_REMOVED);
    });
    this.certificates.start(clock);
    parts.voter.onLooked((nowMs) => notices.looked(nowMs));
    parts.start();
    raft.start();
    startCheck.start();
    return {
      reload: () => void reload(),
      stop() {
        if (!stopping) log.info("stop", parts.stopping);
        stop(0);
      },
    };
  }

  #startCheck({ loop }: Voter): StartCheck {
    const { clock, dcs, config: { raft } } = this;
    return new StartCheck({
      clock,
      log: this.#options.log,
      command: pinnedSelfCommand(),
      directory: raft.dataDir,
      ttlMs: () => dcs.state.grantTtlMs,
      electionMaxMs: raft.electionMaxMs,
      guardMs: () => loop.lateness.measured().find(({ kind }) => kind === "guard")?.maxMs ?? null,
    });
  }

  async #reload(parts: NodeParts): Promise<void> {
    const { notices, reload } = this.#options;
    notices.reloading();
    try {
      const read = reload();
      const refused = typeof read === "string" ? read : await this.#apply(read, parts);
      const at = () => new Date(this.wallMs()).toISOString();
      this.#reloadRefused = refused === null ? null : reloadRefused(at(), refused);
    } finally {
      notices.reloaded();
    }
  }

  /** What stayed as it was, and why; null: nothing. */
  #apply(read: LocalConfig, parts: NodeParts): Promise<string | null> {
    return applyReload({
      inForce: this.#config,
      read,
      use: (next, plan) => {
        this.#config = next;
        parts.reloaded(next, plan);
      },
      listenPending: parts.listenPending?.() ?? false,
      tls: this.#tlsWatch,
      api: this.#api,
      log: this.#options.log,
    });
  }

  #watchCluster(voter: Voter): void {
    const { clock, raft, dcs } = this;
    // Changes come at least once a second, because every voter publishes a status.
    voter.changes.onChange(logQuorum(() => raft.status(), clock, this.#options.log));
    this.watch(voter, {
      event: "operator_needed",
      title: "an operator is needed",
      over: "no operator is needed any more",
      missing: () => {
        const { board, dynamic: { ttlS } } = voter;
        const seen = board.seen(clock.now());
        const left = leftGroup(seen, raft.status().members, (name) => board.nodeOf(name));
        return operatorNeeded(dcs.state, voter.dynamic, heardOf(seen, ttlS), silentOf(seen, ttlS, left));
      },
    });
  }
}
