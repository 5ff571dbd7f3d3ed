/** The agent behind the REST API: its state in memory, and the operations that requests ask for. */
import type {
  ApiPort,
  ApiView,
  FailsafeOutcome,
  FailsafeRequest,
  ProcessClocks,
  ReinitializeOutcome,
  RestartOutcome,
  WriteOutcome,
} from "../../api/port.ts";
import { watchdogTimes } from "../../brain/watchdog.ts";
import { effectiveDynamic } from "../../config/dynamic.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { ConfigCheck } from "../../model/config_check.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Ends } from "../../model/hook_exit.ts";
import type { Measures } from "../../model/measures.ts";
import { STATE_KNOWN_MS } from "../../model/member_status.ts";
import type { PlaceReading } from "../../model/place_reading.ts";
import type { ScheduledRestart } from "../../model/records.ts";
import type { TimingReport } from "../../model/timing.ts";
import { ClusterApi, type ClusterApiOptions, processClocks } from "./cluster_api.ts";
import type { Member } from "../loop/member.ts";
import { isLeader } from "../loop/own_status.ts";
import type { PostgresPort } from "../postgres/port.ts";
import { answerFailsafe } from "./failsafe_answer.ts";
import { restartInPlace } from "./restart_in_place.ts";
import type { Watchdog } from "../lease/watchdog.ts";

export interface ApiPortOptions extends ClusterApiOptions {
  readonly member: Member;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort & {
    /** Says what this member finds in a configuration. */
    readonly check: (configuration: DynamicConfig) => Promise<ConfigCheck>;
    readonly ends: () => Ends;
  };
  readonly watchdog: Watchdog;
  /** WAL files that archive_command did not take, as the server last said; null: it has not. */
  readonly archiver: { readonly failed: number | null };
  /** The places of PostgreSQL's files, as they were last probed. */
  readonly health: { readonly places: readonly PlaceReading[] };
}

export class AgentApiPort extends ClusterApi implements ApiPort {
  readonly #options: ApiPortOptions;
  #extraVersion = 0;

  constructor(options: ApiPortOptions) {
    super(options.member.voter, options);
    this.#options = options;
    options.guard.onChange(() => this.#extraVersion++);
    options.postgres.onChange(() => this.#extraVersion++);
  }

  override version(): number {
    return super.version() + this.#extraVersion + (this.holdsLease() ? 0.5 : 0);
  }

  leaseRemainingMs(): number {
    const until = this.#options.member.leaseUntilMs();
    return until === null ? 0 : Math.max(0, until - this.#options.clock.now());
  }

  holdsLease(): boolean {
    const { postgres, member, dcs, config } = this.#options;
    return isLeader({
      postgres: postgres.view(),
      dcs: dcs.state,
      name: config().name,
      life: member.life(),
      paused: member.dynamic.pause,
      inStandbyCluster: member.dynamic.standbyCluster !== null,
      leaseLeftMs: this.leaseRemainingMs(),
    });
  }

  timing(): TimingReport {
    const { config, watchdog } = this.#options;
    const { timeoutS, problem } = watchdog.status();
    return this.timingReport((ttlMs, loopWaitS) =>
      watchdogTimes(config().watchdog, ttlMs, loopWaitS, timeoutS, problem)
    );
  }

  measures(): Measures {
    const { member, postgres, archiver } = this.#options;
    return this.sharedMeasures({
      demotions: member.demotions,
      rewinds: postgres.ends().rewinds,
      archiveFailed: archiver.failed,
    });
  }

  clocks(): readonly ProcessClocks[] {
    const { guard, clock } = this.#options;
    const ofGuard = guard.view().clocks ?? null;
    return [
      this.ownClocks(),
      ...(ofGuard === null ? [] : [processClocks("guard", ofGuard, clock.now())]),
    ];
  }

  view(): ApiView {
    const { member, guard, postgres, watchdog, clock, health } = this.#options;
    const nowMs = clock.now();
    const view = postgres.view();
    return {
      ...this.sharedView(nowMs),
      postgres: view,
      sqlAnswers: view.process === "running" && view.lastLookMs !== null &&
        nowMs - view.lastLookMs < STATE_KNOWN_MS,
      status: member.status,
      guard: guard.view(),
      watchdog: watchdog.status(),
      failsafeActive: member.failsafe.active(),
      reinitialize: member.reinitialization.status,
      counters: member.counters,
      hookExits: postgres.ends().hooks,
      places: health.places,
    };
  }

  override checkConfig(value: JsonObject): Promise<ConfigCheck> {
    const { postgres, config } = this.#options;
    return postgres.check(effectiveDynamic(value, config()).config);
  }

  restart(timeoutS: number | null): Promise<RestartOutcome> {
    const { postgres, member } = this.#options;
    return restartInPlace({ postgres, member, onChange: (listener) => this.onChange(listener) }, timeoutS);
  }

  scheduleRestart(restart: ScheduledRestart): Promise<WriteOutcome> {
    return this.records.scheduleRestart(this.#options.config().name, restart);
  }

  cancelScheduledRestart(): Promise<WriteOutcome | { readonly kind: "missing" }> {
    const { config, member } = this.#options;
    return this.records.cancelRestart(config().name, member.isJoined);
  }

  reinitialize(force: boolean, fromLeader: boolean): Promise<ReinitializeOutcome> {
    const { postgres, member, dcs, config } = this.#options;
    if (dcs.state.lock.holder === null) {
      return Promise.resolve({ kind: "refused", reason: "Cluster has no leader, can not reinitialize" });
    }
    if (dcs.state.lock.holder === config().name) {
      return Promise.resolve({ kind: "refused", reason: "I am the leader, can not reinitialize" });
    }
    const { action } = postgres.view();
    const busy = member.reinitializing ? "reinitialize" : member.restartWanted ? "restart" : action?.kind;
    if (busy !== undefined && !force) return Promise.resolve({ kind: "busy", action: busy });
    if (action !== null) postgres.cancelLongAction("reinitialize was requested", false);
    member.withdrawRestart();
    member.requestReinit(fromLeader);
    return Promise.resolve({ kind: "started" });
  }

  acceptFailsafe(request: FailsafeRequest): Promise<FailsafeOutcome> {
    const { member, postgres } = this.#options;
    return Promise.resolve(answerFailsafe(request, {
      leads: this.holdsLease(),
      answer: (ask) => member.failsafe.answer(ask),
      position: () => {
        const { receivedLsn, replayedLsn } = postgres.view();
        return receivedLsn ?? replayedLsn;
      },
    }));
  }
}
