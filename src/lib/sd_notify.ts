/**
 * Tells systemd how a service of Type=notify is doing: ready, reloading, stopping, alive. Outside of systemd,
 * without NOTIFY_SOCKET, nothing happens. Never waits, and never says more than the loop has shown: READY
 * comes with the first look of the agent's loop and WATCHDOG with later ones, not from a timer of its own,
 * which would go on while the loop does nothing. Sources: sd_notify(3), sd_watchdog_enabled(3).
 */
import { CLOCK_MONOTONIC, clockMs, type SysResult } from "./ffi.ts";

/** The course of a service, as its service manager is told of it. */
export interface ServiceNotices {
  /** The loop has looked. */
  looked(nowMs: number): void;
  reloading(): void;
  /** The reload is over, whether or not it was refused: the service goes on. */
  reloaded(): void;
  /** The stop begins. `limitMs`: the most that its steps take, each by its own limit. */
  stopping(nowMs: number, limitMs: number): void;
}

/** While the service stops, systemd is asked again and again for so much time from then. */
export const EXTENSION_MS = 30_000;
/** So many messages are sent in the time of one: three may be lost. */
const SPARE = 4;
/** More than these wait only where systemd never reads, and then only the last ones matter. */
const MAX_WAITING = 8;

export interface SystemdOptions {
  readonly environment: { [name: string]: string | undefined };
  readonly pid: number;
  readonly send: (socket: string, message: string) => SysResult;
  /** A message could not be delivered; told once until one gets through. */
  readonly problem: (text: string) => void;
}

export class SystemdNotices implements ServiceNotices {
  readonly #socket: string | null;
  /** WatchdogSec= of the unit; null: there is none, or it is meant for another process. */
  readonly #watchdogMs: number | null;
  readonly #options: SystemdOptions;
  #waiting: string[] = [];
  #ready = false;
  #fedMs = -Infinity;
  #extendedMs = -Infinity;
  /** null: the service is not stopping. */
  #stopUntilMs: number | null = null;
  #failing = false;

  /**
   * Takes the variables of systemd out of the environment: children must not speak in the agent's name. Made
   * once, before any child is started.
   */
  constructor(options: SystemdOptions) {
    const { environment, pid } = options;
    this.#options = options;
    this.#socket = environment["NOTIFY_SOCKET"] ?? null;
    this.#watchdogMs = watchdogMs(environment, pid);
    for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete environment[name];
  }

  looked(nowMs: number): void {
    if (this.#socket === null) return;
    if (!this.#ready && this.#stopUntilMs === null) this.#say("READY=1");
    this.#ready = true;
    this.#flush();
    this.#feed(nowMs);
    this.#extend(nowMs);
  }

  reloading(): void {
    if (this.#stopUntilMs !== null) return;
    // Both in one message: the time says which READY=1 belongs to this reload.
    this.#say(`RELOADING=1\nMONOTONIC_USEC=${Math.floor(clockMs(CLOCK_MONOTONIC) * 1000)}`);
    this.#flush();
  }

  reloaded(): void {
    if (this.#stopUntilMs !== null) return;
    this.#ready = true;
    this.#say("READY=1");
    this.#flush();
  }

  stopping(nowMs: number, limitMs: number): void {
    if (this.#stopUntilMs !== null) return;
    this.#stopUntilMs = nowMs + limitMs;
    this.#say("STOPPING=1");
    this.#flush();
    this.#extend(nowMs);
  }

  #feed(nowMs: number): void {
    if (this.#watchdogMs === null || nowMs - this.#fedMs < this.#watchdogMs / SPARE) return;
    if (this.#send("WATCHDOG=1")) this.#fedMs = nowMs;
  }

  /**
   * TimeoutStopSec= stays the least. Beyond it systemd waits as long as the loop looks: a SIGKILL in the
   * middle would leave PostgreSQL to the end of its lease. Beyond `limitMs` a step hangs that has no limit.
   */
  #extend(nowMs: number): void {
    if (this.#stopUntilMs === null || nowMs >= this.#stopUntilMs) return;
    if (nowMs - this.#extendedMs < EXTENSION_MS / SPARE) return;
    if (this.#send(`EXTEND_TIMEOUT_USEC=${EXTENSION_MS * 1000}`)) this.#extendedMs = nowMs;
  }

  #say(message: string): void {
    if (this.#socket === null) return;
    this.#waiting = [...this.#waiting, message].slice(-MAX_WAITING);
  }

  /** In order. What does not get through is sent again with the next look: without READY=1 a start fails. */
  #flush(): void {
    while (this.#waiting.length > 0 && this.#send(this.#waiting[0]!)) this.#waiting.shift();
  }

  #send(message: string): boolean {
    if (this.#socket === null) return false;
    const sent = this.#options.send(this.#socket, `${message}\n`);
    if (!sent.ok && !this.#failing) {
      this.#options.problem(
        `systemd cannot be told ${
          message.split("\n")[0]
        } (${sent.name}): it is tried again. Without READY=1 and ` +
          "WATCHDOG=1 systemd ends the agent, as the unit's TimeoutStartSec= and WatchdogSec= say",
      );
    }
    this.#failing = !sent.ok;
    return sent.ok;
  }
}

/** WATCHDOG_PID names the process that is to feed; without it every process of the service may. */
function watchdogMs(environment: SystemdOptions["environment"], pid: number): number | null {
  const { WATCHDOG_USEC: usec = "", WATCHDOG_PID: meant = String(pid) } = environment;
  if (!/^[0-9]{1,18}$/.test(usec) || Number(usec) === 0 || meant !== String(pid)) return null;
  return Number(usec) / 1000;
}
