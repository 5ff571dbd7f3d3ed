/**
 * How far the wall clocks of other members are ahead of this one's. A status says when it was sent, and each
 * ms on its way makes the sender's clock look slower, so that the largest of the last differences is the
 * truest. For people only: leases do not go by wall clocks. But times of events, schedules and certificates
 * do, so a clock that is wrong by minutes is told of.
 */
import type { Log } from "../../lib/log.ts";

const KEPT = 10;
/** Words that waited in a connection do not make so much of all that are kept. */
const FAR_MS = 60_000;
const MAX_MEMBERS = 128;

export class ClockSkews {
  readonly #log: Pick<Log, "info" | "warning">;
  readonly #differences = new Map<string, readonly number[]>();
  readonly #far = new Set<string>();

  constructor(log: Pick<Log, "info" | "warning">) {
    this.#log = log;
  }

  heard(member: string, sentMs: number, wallMs: number): void {
    const before = this.#differences.get(member) ?? [];
    this.#differences.delete(member);
    const last = [...before, sentMs - wallMs].slice(-KEPT);
    this.#differences.set(member, last);
    if (this.#differences.size > MAX_MEMBERS) {
      const oldest = this.#differences.keys().next().value!;
      this.#differences.delete(oldest);
      this.#far.delete(oldest);
    }
    if (last.length === KEPT) this.#tell(member, Math.max(...last));
  }

  #tell(member: string, aheadMs: number): void {
    const isFar = Math.abs(aheadMs) >= FAR_MS;
    if (isFar === this.#far.has(member)) return;
    if (!isFar) {
      this.#far.delete(member);
      return this.#log.info("clock", `the wall clocks of ${member} and of this host agree again`);
    }
    this.#far.add(member);
    const apart = `${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? "ahead of" : "behind"}`;
    this.#log.warning(
      "clock",
      `the wall clock of ${member} is ${apart} this host's. The lease does not go by it; times of events, scheduled ` +
        "switchovers and restarts, pause --for and certificates do. Look at both hosts (timedatectl), and set " +
        "the wrong one",
    );
  }

  /** ms by member. */
  get all(): { readonly [member: string]: number } {
    return Object.fromEntries([...this.#differences].map(([member, own]) => [member, Math.max(...own)]));
  }
}
