/**
 * The common part of the compositions of a member and a witness: raft below, the REST interface above,
 * reloads, log lines about the cluster, and the end. Decides nothing.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { ApiPort } from "../../api/port.ts";
import { ApiThread } from "../../api/thread/api_thread.ts";
import type { ReloadPlan } from "../../config/reload.ts";
import { operatorNeeded } from "../../dcs/operator_needed.ts";
import { DcsStateMachine } from "../../dcs/state_machine.ts";
import { SystemClock, wallClockMs } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import type { JsonObject } from "../../model/json.ts";
import { VERSION } from "../../model/version.ts";
import { dynamicReader } from "./dynamic_reader.ts";
import { type Gap, heardOf, watchGap } from "./gap_watch.ts";
import { openRaft } from "./open_raft.ts";
import { logQuorum } from "./quorum_watch.ts";
import { applyReload, inTurn } from "./reload.ts";
import { EXIT_REMOVED, type RunningAgent } from "./running.ts";
import type { TlsWatch } from "./tls_watch.ts";
import type { Voter } from "../loop/voter.ts";

export interface NodeOptions {
  readonly config: LocalConfig;
  /** Reads the file again; null with the reasons logged when it cannot be used. */
  readonly reload: () => LocalConfig | null;
  readonly log: Log;
  readonly exit: (code: number) => void;
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
  readonly raft: Raft;
  /** The dynamic configuration that a value of the records stands for. */
  readonly effective: (dcs: JsonObject) => DynamicConfig;
  readonly #options: NodeOptions;
  readonly #closeRaft: (closed: () => void) => void;
  readonly #tlsWatch: TlsWatch | null;
  #config: LocalConfig;
  #api: ApiThread | null = null;

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
      mayRemove: (info) => voter().objectionTo(info),
      mayJoin: (visitor) => voter().objectionToJoining(visitor),
      fatal,
    });
    this.raft = opened.raft;
    this.#closeRaft = opened.closeRaft;
    this.#tlsWatch = opened.tlsWatch;
    this.effective = dynamicReader(config, log);
  }

  /** The local configuration in force. */
  get config(): LocalConfig {
    return this.#config;
  }

  /** Puts a configuration in force, though no file was read. */
  use(config: LocalConfig): void {
    this.#config = config;
  }

  /** The port of the REST interface; undefined before it listens. */
  get apiPort(): number | undefined {
    return this.#api?.port;
  }

  /** The log tells of it when it stands for a while, as the voter's view changes. */
  watch(voter: Voter, gap: Gap): void {
    voter.changes.onChange(watchGap(gap, this.clock, this.#options.log));
  }

  run(parts: NodeParts): RunningAgent {
    const { log, exit } = this.#options;
    const { raft, clock } = this;
    const reload = inTurn(() => this.#reload(parts));
    this.#api = new ApiThread(parts.api(reload), this.#config, { clock, log });
    log.info("start", `agent ${VERSION} started as ${parts.title}`);
    this.#watchCluster(parts.voter);
    let stopping = false;
    const stop = (code: number) => {
      if (stopping) return;
      stopping = true;
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
    parts.start();
    raft.start();
    return {
      reload: () => void reload(),
      stop() {
        if (!stopping) log.info("stop", parts.stopping);
        stop(0);
      },
    };
  }

  async #reload(parts: NodeParts): Promise<void> {
    const read = this.#options.reload();
    if (read === null) return;
    await applyReload({
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
    // Changes come once a second at least, as every voter tells of itself.
    voter.changes.onChange(logQuorum(() => raft.status(), clock, this.#options.log));
    this.watch(voter, {
      event: "operator_needed",
      title: "an operator is needed",
      over: "no operator is needed any more",
      missing: () => operatorNeeded(dcs.state, heardOf(voter.board.seen(clock.now()), voter.dynamic.ttlS)),
    });
  }
}
