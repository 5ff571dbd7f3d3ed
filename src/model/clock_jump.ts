/**
 * Notices that a process stood still, or that the wall clock and the clock of leases went apart. Pure: the
 * caller reads the clocks, at each wake-up and before anything else.
 *
 * Nothing is decided by the wall clock: it is set by people and daemons. But when a whole virtual machine was
 * paused and its clock of leases with it, only the wall clock that is put right afterwards shows it.
 */

export interface ClockJump {
  /** `stall`: woken late. `forward`, `backward`: the wall clock against the clock of leases. */
  readonly kind: "stall" | "forward" | "backward";
  readonly byMs: number;
  /** Clock.now() when it was noticed. */
  readonly atMs: number;
}

export interface ClockReport {
  /** Since the start of the process. */
  readonly jumps: number;
  readonly last: ClockJump | null;
}

/** A busy host alone does not make a timer this late. */
const STALL_MS = 1000;
/**
 * Two clocks are not read in one instant, and a daemon that slews the wall clock does so by up to a twelfth.
 */
const APART_MS = 300;
const SLEW = 0.1;

export class ClockWatch {
  #before: { readonly nowMs: number; readonly wallMs: number } | null = null;
  #jumps = 0;
  #last: ClockJump | null = null;

  /** `lateMs`: how much later than planned this wake-up is; 0 when none was planned. */
  look(nowMs: number, wallMs: number, lateMs: number): ClockJump | null {
    const before = this.#before;
    this.#before = { nowMs, wallMs };
    if (before === null) return null;
    const passedMs = nowMs - before.nowMs;
    const apartMs = wallMs - before.wallMs - passedMs;
    if (Math.abs(apartMs) > APART_MS + SLEW * passedMs) {
      return this.#noticed(apartMs > 0 ? "forward" : "backward", Math.abs(apartMs), nowMs);
    }
    return lateMs > STALL_MS ? this.#noticed("stall", lateMs, nowMs) : null;
  }

  report(): ClockReport {
    return { jumps: this.#jumps, last: this.#last };
  }

  #noticed(kind: ClockJump["kind"], byMs: number, atMs: number): ClockJump {
    this.#jumps++;
    this.#last = { kind, byMs, atMs };
    return this.#last;
  }
}

/** `who`: the process that noticed it. */
export function describeJump(who: string, { kind, byMs }: ClockJump): string {
  const seconds = `${(byMs / 1000).toFixed(1)} s`;
  switch (kind) {
    case "stall":
      return `the ${who} stood still for ${seconds}: the host was suspended or is overloaded, or the process was stopped; ` +
        "the lease ran on meanwhile";
    case "forward":
      return `the wall clock went ahead by ${seconds} against the clock of leases: it was set, or the whole virtual machine ` +
        "was paused; after a pause, a primary without synchronous standbys may have confirmed writes after its lease";
    case "backward":
      return `the wall clock went back by ${seconds}: leases do not depend on it, but times in logs, in history and of ` +
        "scheduled actions do; see what sets it (timedatectl, chronyc tracking)";
  }
}
