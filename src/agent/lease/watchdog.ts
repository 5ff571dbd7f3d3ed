/**
 * The watchdog device behind the guard: started at the first acknowledged renewal, hence before PostgreSQL
 * becomes a primary; fed while an acknowledged renewal allows it, or every process of PostgreSQL is stopped;
 * stopped once nothing of PostgreSQL can be a primary any more. When to do which is decided in
 * src/brain/watchdog.ts.
 *
 * The device must never be fed for any other reason: the last means, which resets the host when everything
 * else has failed, must not depend on everything else.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { WatchdogStatus } from "../../api/port.ts";
import {
  careFor,
  type FeedingWindow,
  feedingWindow,
  judgeTimeout,
  planWatchdog,
  type WatchdogPlan,
} from "../../brain/watchdog.ts";
import type { DeviceFacts, WatchdogDevice, WatchdogProblem } from "../../guard/watchdog_port.ts";
import type { Log } from "../../lib/log.ts";
import type { WatchdogConfig } from "../../model/config.ts";

/** Without acknowledgements, fed this often, and once more at the end of the window. */
const MAX_FEED_EVERY_MS = 1000;
/** A device that is not in use is looked at this often: the agent looks around several times a second. */
const PROBE_EVERY_MS = 2000;
const LAST_FEED_BEFORE_MS = 50;
/** A device that could not be used is tried again after this long, then twice as long, and so on. */
const RETRY_MS = 5000;
const MAX_RETRY_MS = 60_000;

/** The member's knowledge at each of its looks. */
export interface WatchdogView {
  readonly ttlMs: number;
  readonly loopWaitS: number;
  /** The guard is disarmed for a pause: PostgreSQL must survive everything. */
  readonly paused: boolean;
  readonly leaseRuns: boolean;
  /** No process of PostgreSQL, or a standby: nothing that is, or may become, a primary. */
  readonly harmless: boolean;
  readonly frozen: boolean;
}

/** A watchdog as the member and the lease need it. */
export interface Watchdog {
  /**
   * A renewal sent at `sentMs` was acknowledged under this ttl. False: the guard must not be armed with it,
   * since the device was fed, while PostgreSQL was frozen, later than this renewal allows: its reset could
   * come too late.
   */
  renewed(sentMs: number, ttlMs: number): boolean;
  /** Returns when to look again. */
  feedIfDue(view: WatchdogView): number;
  /** The watchdog does not forbid a primary: it runs, or is not required. */
  readonly permits: boolean;
  /** It is required, and cannot be used. */
  readonly failed: boolean;
  status(): WatchdogStatus;
  /** The agent ends, and PostgreSQL has been dealt with. */
  close(): void;
}

/** The note that the device runs because of this agent. */
export interface WatchdogMarker {
  read(): string | null;
  set(device: string): void;
  clear(): void;
}

export interface WatchdogOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly config: () => WatchdogConfig;
  readonly device: (config: WatchdogConfig) => WatchdogDevice;
  readonly mark: WatchdogMarker;
  /** The device runs already: root has opened it, and did not stop it again. */
  readonly opened: boolean;
  readonly onChange: () => void;
}

interface Running {
  readonly device: WatchdogDevice;
  readonly facts: DeviceFacts;
  readonly wantedS: number;
  readonly timeoutS: number;
  readonly ttlMs: number;
  readonly window: FeedingWindow;
  /** False: it cannot be used, but not stopped either. */
  readonly usable: boolean;
}

export class DeviceWatchdog implements Watchdog {
  readonly #options: WatchdogOptions;
  #config: WatchdogConfig;
  #device: WatchdogDevice;
  #running: Running | null = null;
  /** An earlier agent, or root, has left it running, and it is not fed. */
  #leftover: boolean;
  #sentMs: number | null = null;
  #ttlMs = 0;
  #loopWaitS = 0;
  #paused = false;
  #problem: WatchdogProblem | null = null;
  #saidProblem = "";
  #retryAtMs = -Infinity;
  #probeAtMs = -Infinity;
  #retryMs = RETRY_MS;
  #fedMs = -Infinity;
  #feeds = 0;
  #closestMs = Infinity;
  #idleFacts: DeviceFacts | null = null;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#config = options.config();
    this.#device = options.device(this.#config);
    this.#leftover = options.opened || options.mark.read() === this.#config.device;
  }

  get permits(): boolean {
    return this.#config.mode !== "required" || this.#paused || this.#running?.usable === true;
  }

  get failed(): boolean {
    return !this.permits && this.#problem !== null;
  }

  renewed(sentMs: number, ttlMs: number): boolean {
    if (this.#config.mode === "off" || this.#paused) return true;
    const nowMs = this.#options.clock.now();
    this.#ttlMs = ttlMs;
    const plan = planWatchdog(this.#config.safetyMarginS, ttlMs, this.#loopWaitS);
    const running = this.#running;
    const window = running !== null && running.ttlMs === ttlMs
      ? running.window
      : plan.kind === "usable"
      ? feedingWindow(plan.timeoutS, ttlMs)
      : null;
    // After an acknowledgement that took this long, the lock may soon pass to another member.
    if (window !== null && nowMs > sentMs + window.windowMs) {
      return running === null || !window.proven || this.#fedMs <= sentMs + window.windowMs;
    }
    this.#sentMs = sentMs;
    if (running === null) this.#start(plan, nowMs);
    else if (running.ttlMs !== ttlMs || running.wantedS !== wantedOf(plan)) {
      this.#apply(running.device, running.facts, plan);
    }
    this.#feed(nowMs);
    return true;
  }

  feedIfDue(view: WatchdogView): number {
    const nowMs = this.#options.clock.now();
    this.#loopWaitS = view.loopWaitS;
    this.#paused = view.paused;
    if (!view.leaseRuns) {
      this.#sentMs = null;
      this.#ttlMs = view.ttlMs;
    }
    this.#configure();
    const unwanted = this.#config.mode === "off" || view.paused;
    if (this.#running === null) {
      if (!unwanted && !view.leaseRuns) this.#probe(nowMs);
      if (this.#leftover && (unwanted || (view.harmless && !view.leaseRuns))) this.#stopLeftover(nowMs);
      if (this.#running === null) return Infinity;
    }
    const { facts, window, timeoutS } = this.#running;
    const care = careFor({
      nowMs,
      unwanted,
      leaseRuns: view.leaseRuns,
      harmless: view.harmless,
      frozen: view.frozen,
      unstoppable: facts.nowayout,
      sentMs: this.#sentMs,
      window,
    });
    if (care === "stop") {
      this.#stop(this.#running, "");
      return Infinity;
    }
    if (care === "starve") return Infinity;
    const everyMs = Math.min(MAX_FEED_EVERY_MS, 500 * timeoutS);
    const lastMs = view.leaseRuns && !view.frozen && !unwanted && this.#sentMs !== null
      ? this.#sentMs + window.windowMs - LAST_FEED_BEFORE_MS
      : Infinity;
    if (nowMs >= this.#fedMs + everyMs || (nowMs >= lastMs && this.#fedMs < lastMs)) this.#feed(nowMs);
    const nextMs = this.#fedMs + everyMs;
    return this.#fedMs < lastMs ? Math.min(nextMs, lastMs) : nextMs;
  }

  status(): WatchdogStatus {
    const { mode, device, driver } = this.#config;
    const running = this.#running;
    const nowMs = this.#options.clock.now();
    if (running === null && mode !== "off") this.#idleFacts ??= this.#device.facts();
    const facts = running?.facts ?? this.#idleFacts;
    const fedS = running === null ? null : (nowMs - this.#fedMs) / 1000;
    return {
      mode,
      driver,
      device,
      active: running !== null,
      healthy: mode === "off" || running?.usable === true || this.#problem === null,
      identity: facts?.identity ?? null,
      bootCause: facts?.bootCause ?? null,
      nowayout: facts?.nowayout ?? false,
      timeoutS: running?.timeoutS ?? null,
      timeLeftS: running === null || fedS === null
        ? null
        : running.device.timeLeftS() ?? Math.max(0, running.timeoutS - fedS),
      lastFeedAgeS: fedS,
      feeds: this.#feeds,
      closestS: Number.isFinite(this.#closestMs) ? this.#closestMs / 1000 : null,
      problem: this.#problem?.text ?? null,
      advice: this.#problem?.advice ?? null,
    };
  }

  close(): void {
    if (this.#running !== null) this.#stop(this.#running, "");
  }

  /** The file was read again: another device, or none, takes its place. */
  #configure(): void {
    const config = this.#options.config();
    if (config === this.#config) return;
    const same = config.device === this.#config.device && config.driver === this.#config.driver;
    this.#config = config;
    this.#idleFacts = null;
    this.#forgive();
    if (same) return;
    if (this.#running !== null) this.#stop(this.#running, `: ${config.device} takes its place`);
    this.#device = this.#options.device(config);
  }

  /** Whether it could be used, for the choice of the next primary. Opening it would start it. */
  #probe(nowMs: number): void {
    if (nowMs < this.#retryAtMs || nowMs < this.#probeAtMs) return;
    this.#probeAtMs = nowMs + PROBE_EVERY_MS;
    const plan = planWatchdog(this.#config.safetyMarginS, this.#ttlMs, this.#loopWaitS);
    const problem = plan.kind === "usable" ? this.#device.probe() : timesProblem(plan.problem);
    if (problem === null) this.#forget();
    else this.#say(problem);
  }

  #start(plan: WatchdogPlan, nowMs: number): void {
    if (this.#problem !== null && nowMs < this.#retryAtMs) return;
    if (plan.kind === "unusable") return this.#fail(timesProblem(plan.problem), nowMs);
    const device = this.#device;
    const opened = device.open();
    if (!opened.ok) return this.#fail(opened.problem, nowMs);
    this.#options.mark.set(device.path);
    this.#fedMs = nowMs;
    this.#apply(device, opened.value, plan);
    if (this.#running === null) return;
    this.#leftover = false;
    if (this.#running.usable) this.#forgive();
    const { timeoutS, facts } = this.#running;
    const { log } = this.#options;
    log.info(
      "watchdog",
      `${this.#name(facts)} activated with ${timeoutS} second timeout, timing slack ${
        timeoutS - this.#loopWaitS
      } seconds`,
    );
    if (facts.nowayout) {
      log.warning(
        "watchdog",
        `${device.path} cannot be stopped (nowayout): it is fed on after a demotion, and when the agent ends, ` +
          `the host is reset after ${timeoutS} s. To change that: nowayout=0 for its kernel module`,
      );
    }
  }

  /** Sets the timeout of an open device; one that cannot be used with it is stopped, if it can be. */
  #apply(device: WatchdogDevice, facts: DeviceFacts, plan: WatchdogPlan): void {
    const before = this.#running;
    const set = plan.kind === "usable" ? device.setTimeout(plan.timeoutS) : null;
    const problem = plan.kind === "unusable"
      ? timesProblem(plan.problem)
      : set === null || !set.ok
      ? set!.problem
      : this.#judge(set.value, plan);
    if (problem !== null) this.#fail(problem, this.#options.clock.now());
    if (problem !== null && !facts.nowayout) {
      device.stop();
      this.#options.mark.clear();
      this.#running = null;
      return this.#options.onChange();
    }
    const timeoutS = set?.ok ? set.value : before?.timeoutS ?? 1;
    this.#running = {
      device,
      facts,
      wantedS: wantedOf(plan),
      timeoutS,
      ttlMs: this.#ttlMs,
      window: feedingWindow(timeoutS, this.#ttlMs),
      usable: problem === null,
    };
    if (before !== null && before.timeoutS !== timeoutS) {
      this.#options.log.info("watchdog", `${this.#name(facts)}: timeout changed to ${timeoutS} s`);
    }
    this.#options.onChange();
  }

  /** Why a device with this timeout cannot be used; null when it can. */
  #judge(actualS: number, plan: Extract<WatchdogPlan, { kind: "usable" }>): WatchdogProblem | null {
    const verdict = judgeTimeout(actualS, plan.timeoutS, this.#loopWaitS);
    if (verdict.kind === "good") {
      if (!feedingWindow(actualS, this.#ttlMs).proven) this.#warnOfMargin(plan.marginS);
      return null;
    }
    if (verdict.kind === "late" && this.#config.mode !== "required") {
      this.#options.log.warning("watchdog", `${this.#device.path}: ${verdict.text}`);
      return null;
    }
    return {
      code: "timeout",
      text: `${this.#device.path}: ${verdict.text}`,
      advice: "See what it can do: wdctl. Choose ttl and watchdog.safety_margin so that it fits, " +
        "or load another driver",
    };
  }

  #warnOfMargin(marginS: number): void {
    this.#options.log.warning(
      "watchdog",
      `with watchdog.safety_margin: ${marginS} the reset of a stalled host may come after another member was granted the ` +
        "lock; -1 (half the ttl) makes it come in time",
    );
  }

  #feed(nowMs: number): void {
    const running = this.#running;
    if (running === null) return;
    const fed = running.device.feed();
    if (!fed.ok) {
      // Not stopped: if it still runs, it must be able to reset the host. It is opened again at the next
      // renewal.
      running.device.abandon();
      this.#running = null;
      this.#leftover = true;
      this.#say(fed.problem);
      this.#options.onChange();
      return;
    }
    this.#closestMs = Math.min(this.#closestMs, this.#fedMs + 1000 * running.timeoutS - nowMs);
    this.#fedMs = nowMs;
    this.#feeds++;
  }

  #stop(running: Running, why: string): void {
    const { log, mark, onChange } = this.#options;
    running.device.stop();
    this.#running = null;
    this.#sentMs = null;
    this.#idleFacts = running.facts;
    if (running.facts.nowayout) {
      log.error(
        "watchdog",
        `${running.device.path} cannot be stopped (nowayout): the host is reset within ${running.timeoutS} s ` +
          "unless something feeds it",
      );
    } else {
      mark.clear();
      log.info("watchdog", `${this.#name(running.facts)} disabled${why}`);
    }
    onChange();
  }

  /** Opening takes the device over; it is then stopped like the agent's own, or fed if that is impossible. */
  #stopLeftover(nowMs: number): void {
    if (nowMs < this.#retryAtMs) return;
    const device = this.#device;
    const opened = device.open();
    if (!opened.ok) return this.#fail(opened.problem, nowMs);
    this.#leftover = false;
    this.#fedMs = nowMs;
    if (opened.value.nowayout) {
      return this.#apply(
        device,
        opened.value,
        planWatchdog(this.#config.safetyMarginS, this.#ttlMs, this.#loopWaitS),
      );
    }
    device.stop();
    this.#options.mark.clear();
    this.#options.log.info(
      "watchdog",
      `${this.#name(opened.value)} disabled: it had been left running before this start of the agent`,
    );
  }

  #fail(problem: WatchdogProblem, nowMs: number): void {
    this.#retryAtMs = nowMs + this.#retryMs;
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
    this.#say(problem);
  }

  /** Once for each problem: a member without a device would say it at every renewal. */
  #say(problem: WatchdogProblem): void {
    this.#problem = problem;
    if (this.#saidProblem === problem.text) return;
    this.#saidProblem = problem.text;
    const { log, onChange } = this.#options;
    if (this.#config.mode === "required") {
      log.error(
        "watchdog",
        `watchdog.mode is required, so this member cannot become primary: ${problem.text}. ${problem.advice}`,
      );
    } else {
      const level = problem.code === "missing" ? "info" : "warning";
      log[level]("watchdog", `no watchdog is used: ${problem.text}. ${problem.advice}`);
    }
    onChange();
  }

  #forgive(): void {
    this.#retryAtMs = -Infinity;
    this.#retryMs = RETRY_MS;
    this.#forget();
  }

  #forget(): void {
    if (this.#problem === null) return;
    this.#problem = null;
    this.#saidProblem = "";
    this.#idleFacts = null;
    this.#options.onChange();
  }

  #name({ identity }: DeviceFacts): string {
    return `Watchdog ${this.#device.path}${identity === null ? "" : ` (${identity})`}`;
  }
}

/** 0: no timeout would do. */
function wantedOf(plan: WatchdogPlan): number {
  return plan.kind === "usable" ? plan.timeoutS : 0;
}

function timesProblem(text: string): WatchdogProblem {
  return {
    code: "timeout",
    text,
    advice: "Set watchdog.safety_margin: -1 (half the ttl), or raise ttl: agent ctl edit-config -s ttl=30",
  };
}
