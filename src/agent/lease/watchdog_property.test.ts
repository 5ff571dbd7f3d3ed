/**
 * The watchdog against a judge that shares no arithmetic with it: a device that counts, a guard that freezes
 * and thaws, acknowledgements that are late and looks that do not come. Whatever happens, a host that stalls
 * while its PostgreSQL runs as a primary is reset before the ttl of the renewal that it runs under has passed
 * on a clock slower by rho.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Timer } from "../../../raft/mod.ts";
import { leaseFromTtl, RHO } from "../../lease/timing.ts";
import type { DeviceResult, WatchdogDevice } from "../../guard/watchdog_port.ts";
import { silentLog } from "../../lib/log.ts";
import { DeviceWatchdog } from "./watchdog.ts";

const STOP_BUDGET_MS = 450;
const NO_TIMER: Timer = { cancel: () => {} };
const FACTS = { identity: null, bootCause: null, nowayout: false };
const DONE: DeviceResult<null> = { ok: true, value: null };

type Step =
  /** Time passes, this part of a ttl. */
  | { readonly kind: "pass"; readonly ofTtl: number }
  /** A renewal sent so long ago is acknowledged. */
  | { readonly kind: "acknowledge"; readonly ofTtl: number }
  /** The agent looks; the guard looks; PostgreSQL crashes. */
  | { readonly kind: "look" | "guard" | "crash" };

class World {
  nowMs = 1_000_000;
  /** s of what the guard is armed with, and so PostgreSQL runs under; null: it never was. */
  armedMs: number | null = null;
  postgres: "none" | "standby" | "primary" | "frozen" = "standby";
  resetAtMs: number | null = null;
  #timeoutMs = 60_000;
  #sentMs = -Infinity;
  readonly #watchdog: DeviceWatchdog;
  readonly #leaseMs: number;

  readonly #ttlMs: number;

  constructor(ttlMs: number, safetyMarginS: number | null) {
    this.#ttlMs = ttlMs;
    this.#leaseMs = leaseFromTtl(ttlMs);
    const config = { mode: "required", device: "/dev/judge", safetyMarginS, driver: "default" } as const;
    this.#watchdog = new DeviceWatchdog({
      clock: { now: () => this.nowMs, after: () => NO_TIMER, soon: () => {} },
      log: silentLog,
      config: () => config,
      device: () => this.#device(),
      mark: { read: () => null, set: () => {}, clear: () => {} },
      opened: false,
      onChange: () => {},
    });
    this.#look();
  }

  do(step: Step): void {
    switch (step.kind) {
      case "pass":
        this.nowMs += Math.ceil(step.ofTtl * this.#ttlMs);
        return;
      case "guard":
        return this.#guard();
      case "look":
        return this.#look();
      case "crash":
        if (this.postgres === "primary" || this.postgres === "frozen") this.postgres = "none";
        return;
      case "acknowledge":
        return this.#acknowledge(this.nowMs - Math.floor(step.ofTtl * this.#ttlMs));
    }
  }

  check(): void {
    if (this.postgres !== "primary") return;
    expect(this.#watchdog.permits && this.resetAtMs !== null).toBe(true);
    expect(this.resetAtMs! + 50).toBeLessThanOrEqual(this.armedMs! + this.#ttlMs / (1 + RHO));
  }

  /** As the agent does it: newer than what is proven, and a lease that is not over. */
  #acknowledge(sentMs: number): void {
    if (sentMs <= this.#sentMs || sentMs + this.#leaseMs <= this.nowMs) return;
    this.#sentMs = sentMs;
    if (!this.#watchdog.renewed(sentMs, this.#ttlMs)) return;
    this.armedMs = sentMs;
    this.#guard();
    const leftMs = sentMs + this.#leaseMs - this.nowMs;
    const startable = this.postgres === "standby" || this.postgres === "none";
    if (startable && this.#watchdog.permits && leftMs >= STOP_BUDGET_MS) this.postgres = "primary";
  }

  #guard(): void {
    const leftMs = this.armedMs === null ? -Infinity : this.armedMs + this.#leaseMs - this.nowMs;
    if (this.postgres === "primary" && leftMs <= 0) this.postgres = "frozen";
    if (this.postgres === "frozen" && leftMs >= STOP_BUDGET_MS) this.postgres = "primary";
  }

  #look(): void {
    this.#watchdog.feedIfDue({
      ttlMs: this.#ttlMs,
      loopWaitS: 1,
      paused: false,
      leaseRuns: this.#sentMs + this.#leaseMs > this.nowMs,
      harmless: this.postgres === "none" || this.postgres === "standby",
      frozen: this.postgres === "frozen",
    });
  }

  #device(): WatchdogDevice {
    const ping = () => void (this.resetAtMs = this.nowMs + this.#timeoutMs);
    return {
      path: "/dev/judge",
      probe: () => null,
      facts: () => FACTS,
      open: () => {
        this.#timeoutMs = 60_000;
        ping();
        return { ok: true, value: FACTS };
      },
      setTimeout: (seconds) => {
        this.#timeoutMs = 1000 * seconds;
        ping();
        return { ok: true, value: seconds };
      },
      feed: () => {
        ping();
        return DONE;
      },
      stop: () => void (this.resetAtMs = null),
      abandon: () => {},
      timeLeftS: () => null,
    };
  }
}

test("no history lets a stalled host outlive the lock under which its primary runs", () => {
  const ofTtl = (most: number) => fc.integer({ min: 0, max: 1000 * most }).map((part) => part / 1000);
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant("pass" as const), ofTtl: ofTtl(0.5) }),
    fc.record({ kind: fc.constant("acknowledge" as const), ofTtl: fc.oneof(ofTtl(0.01), ofTtl(1)) }),
    fc.constantFrom<Step>({ kind: "look" }, { kind: "look" }, { kind: "guard" }, { kind: "crash" }),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(2000, 3000, 5000, 10_000, 30_000),
      fc.constantFrom(null, -1, 1),
      fc.array(step, { maxLength: 60, size: "max" }),
      (ttlMs, margin, steps) => {
        const world = new World(ttlMs, margin);
        for (const each of steps) {
          world.do(each);
          world.check();
        }
      },
    ),
    { numRuns: 3000 },
  );
});
