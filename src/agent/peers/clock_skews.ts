/**
 * How far the wall clocks of other members are ahead of this one's. A status says when it was sent, and each
 * ms on its way makes the sender's clock look slower, so that the largest of the last differences is the
 * truest. Leases do not go by wall clocks. But times of events, schedules and certificates do: a clock that
 * is wrong by minutes is told of, and what is scheduled goes by the clock that most members agree on.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { Log } from "../../lib/log.ts";
import { agreedAheadMs, FAR_MS } from "../../model/agreed_time.ts";

const KEPT = 10;
const MAX_MEMBERS = 128;

export interface ClockSkewsParts {
  readonly clock: Pick<Clock, "now">;
  /** This host's wall clock. */
  readonly wallMs: () => number;
  readonly log: Pick<Log, "info" | "warning">;
}

export class ClockSkews {
  readonly #parts: ClockSkewsParts;
  /** Against the clock of leases, which nobody sets: a wall clock of this host that is set counts at once. */
  readonly #differences = new Map<string, { readonly last: readonly number[]; readonly truest: number }>();
  readonly #far = new Set<string>();

  constructor(parts: ClockSkewsParts) {
    this.#parts = parts;
  }

  heard(member: string, sentMs: number): void {
    const before = this.#differences.get(member)?.last ?? [];
    this.#differences.delete(member);
    const last = [...before, sentMs - this.#parts.clock.now()].slice(-KEPT);
    const truest = Math.max(...last);
    this.#differences.set(member, { last, truest });
    if (this.#differences.size > MAX_MEMBERS) {
      const oldest = this.#differences.keys().next().value!;
      this.#differences.delete(oldest);
      this.#far.delete(oldest);
    }
    // Words that waited in a connection do not make so much of all that are kept.
    if (last.length === KEPT) this.#tell(member, truest - this.#ownMs());
  }

  /** Wall time as most of these members and this one have it (agreed_time.ts). */
  agreedMs(members: readonly string[]): number {
    const own = this.#ownMs();
    const ahead = members.flatMap((member) => {
      const truest = this.#differences.get(member)?.truest;
      return truest === undefined ? [] : [truest - own];
    });
    return this.#parts.wallMs() + agreedAheadMs(ahead);
  }

  /**
   * Clocks, `own` included, that are far from that time: ms by which each is ahead. Members that have not
   * said enough yet are left out. Two members that differ each take the other's for wrong.
   */
  offMs(members: readonly string[], own: string): { readonly [member: string]: number } {
    const agreedAhead = this.agreedMs(members) - this.#parts.wallMs();
    const ownMs = this.#ownMs();
    const others = members.flatMap((member) => {
      const differences = member === own ? undefined : this.#differences.get(member);
      if (differences === undefined || differences.last.length < KEPT) return [];
      return [[member, differences.truest - ownMs] as const];
    });
    const off = [[own, 0] as const, ...others].map(([member, ahead]) =>
      [member, ahead - agreedAhead] as const
    );
    return Object.fromEntries(off.filter(([, ms]) => Math.abs(ms) >= FAR_MS));
  }

  #ownMs(): number {
    const { clock, wallMs } = this.#parts;
    return wallMs() - clock.now();
  }

  #tell(member: string, aheadMs: number): void {
    const { log } = this.#parts;
    const isFar = Math.abs(aheadMs) >= FAR_MS;
    if (isFar === this.#far.has(member)) return;
    if (!isFar) {
      this.#far.delete(member);
      return log.info("clock", `the wall clocks of ${member} and of this host agree again`);
    }
    this.#far.add(member);
    const apart = `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? "ahead of" : "behind"}`;
    log.warning(
      "clock",
      `the wall clock of ${member} is ${apart} this host's. The lease does not go by it; times of events and ` +
        "certificates do, and scheduled switchovers and restarts and pause --for by the time that most members " +
        "have. Look at both hosts (timedatectl), and set the wrong one",
    );
  }

  /** ms by member. */
  get all(): { readonly [member: string]: number } {
    const own = this.#ownMs();
    return Object.fromEntries(
      [...this.#differences].map(([member, { truest }]) => [member, truest - own]),
    );
  }
}
