/** The agent behind the REST API: a look at what is in memory, and the operations that requests ask for. */
import type {
  ApiPort,
  ApiView,
  FailsafeOutcome,
  FailsafeRequest,
  ProcessClocks,
  ReinitializeOutcome,
  RestartOutcome,
  ScheduledRestart,
} from "../../api/port.ts";
import { watchdogTimes } from "../../brain/watchdog.ts";
import type { GuardPort } from "../../guard/port.ts";
import { STATE_KNOWN_MS } from "../../model/member_status.ts";
import type { TimingReport } from "../../model/timing.ts";
import { ClusterApi, type ClusterApiOptions, processClocks } from "./cluster_api.ts";
import type { Member } from "../loop/member.ts";
import { isWritablePrimary } from "../loop/own_status.ts";
import type { PostgresPort } from "../postgres/port.ts";
import { restartInPlace } from "./restart_in_place.ts";
import { RestartSchedule, takesPlace } from "./scheduled_restart.ts";
import type { Watchdog } from "../lease/watchdog.ts";

export interface ApiPortOptions extends ClusterApiOptions {
  readonly member: Member;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort;
  readonly watchdog: Watchdog;
}

export class AgentApiPort extends ClusterApi implements ApiPort {
  readonly #options: ApiPortOptions;
  readonly #scheduled: RestartSchedule;
  #extraVersion = 0;

  constructor(options: ApiPortOptions) {
    super(options.member.voter, options);
    this.#options = options;
    this.#scheduled = new RestartSchedule({
      wallMs: options.wallMs,
      due: (restart) => {
        if (takesPlace(restart, this.view())) options.member.requestRestart();
      },
    });
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
    return isWritablePrimary({
      postgres: postgres.view(),
      dcs: dcs.state,
      name: config().name,
      life: member.life(),
      paused: member.dynamic.pause,
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

  clocks(): readonly ProcessClocks[] {
    const { guard, clock } = this.#options;
    const ofGuard = guard.view().clocks ?? null;
    return [
      this.ownClocks(),
      ...(ofGuard === null ? [] : [processClocks("guard", ofGuard, clock.now())]),
    ];
  }

  view(): ApiView {
    const { config, member, guard, postgres, watchdog, clock } = this.#options;
    const nowMs = clock.now();
    const view = postgres.view();
    const schedule = this.#scheduled.restart;
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
      scheduledRestarts: schedule === null ? {} : { [config().name]: schedule },
      counters: member.counters,
    };
  }

  restart(timeoutS: number | null): Promise<RestartOutcome> {
    const { postgres, member } = this.#options;
    return restartInPlace({ postgres, member, onChange: (listener) => this.onChange(listener) }, timeoutS);
  }

  scheduleRestart(restart: ScheduledRestart): Promise<boolean> {
    return Promise.resolve(this.#scheduled.set(restart));
  }

  cancelScheduledRestart(): Promise<boolean> {
    return Promise.resolve(this.#scheduled.cancel());
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
    if (action !== null && !force) return Promise.resolve({ kind: "busy", action: action.kind });
    if (action !== null) postgres.cancelLongAction("reinitialize was requested");
    member.requestReinit(fromLeader);
    return Promise.resolve({ kind: "started" });
  }

  acceptFailsafe({ name, epoch, to, node }: FailsafeRequest): Promise<FailsafeOutcome> {
    const { member, postgres } = this.#options;
    if (epoch === null || to === null || node === null) {
      return Promise.resolve({ kind: "refused", reason: "the request names no epoch, or not whom it asks" });
    }
    const answer = member.failsafe.answer({ holder: name, epoch, to, node });
    if (answer.kind !== "accepted") return Promise.resolve(answer);
    const { receivedLsn, replayedLsn } = postgres.view();
    return Promise.resolve({ kind: "accepted", lsn: receivedLsn ?? replayedLsn });
  }
}
