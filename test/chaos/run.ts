/** One chaos run: rounds of faults, each with its recovery, and the verdict in the end. */
import { nowMs } from "../../src/demo/now.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { ChaosCluster, type ChaosOptions } from "./chaos_cluster.ts";
import type { Effect } from "./effect.ts";
import { INJECT } from "./faults.ts";
import { judge } from "./judge.ts";
import { readEverything } from "./last_read.ts";
import { leftovers, survey } from "./leftovers.ts";
import type { Transaction } from "./oracle/history.ts";
import { outages } from "./outages.ts";
import { replayAll } from "./replayed.ts";
import { type FaultName, type PlannedFault, type Round, roundOf, type ScheduleOptions } from "./schedule.ts";

export interface RunOptions extends ChaosOptions, ScheduleOptions {
  readonly minutes: number;
  readonly say: (text: string) => void;
}

export interface Outcome {
  readonly violations: readonly string[];
  readonly rounds: number;
  /** By name: with effect, and with nothing to hit. */
  readonly faults: ReadonlyMap<FaultName, { hit: number; missed: number }>;
  /** In ms, ascending. */
  readonly outages: readonly number[];
  readonly acknowledged: number;
  readonly lost: number;
  readonly transactions: Readonly<Record<Transaction["outcome"], number>>;
  readonly decisions: number;
}

const VERDICT_MS = 60_000;
const LEFT_MS = 60_000;
const LOOK_MS = 1000;

export class ChaosRun {
  readonly #options: RunOptions;
  readonly #chaos: ChaosCluster;
  readonly #violations: string[] = [];
  readonly #faults = new Map<FaultName, { hit: number; missed: number }>();
  /** What is to be looked at once the cluster has come back. */
  readonly #after: (() => Promise<void>)[] = [];
  readonly #beginMs = nowMs();

  constructor(options: RunOptions, chaos: ChaosCluster) {
    this.#options = options;
    this.#chaos = chaos;
  }

  async run(): Promise<Outcome> {
    const chaos = this.#chaos;
    await chaos.start(this.#options.seed);
    const first = await chaos.healed((text) => this.#tell(text));
    const before = await survey(chaos, first);
    this.#tell(`healthy, ${first.name} is the primary: the faults begin`);
    const endMs = nowMs() + this.#options.minutes * 60_000;
    let rounds = 0;
    while (nowMs() < endMs && this.#violations.length === 0) {
      await this.#round(roundOf(this.#options, rounds++));
    }
    return await this.#verdict(before, rounds);
  }

  /**
   * All faults of a round, each with its own end; then everything is mended, and must come back by itself.
   */
  async #round(round: Round): Promise<void> {
    const beginMs = nowMs();
    const over = sleep(round.forMs);
    this.#tell(
      `round ${round.number}: ${round.faults.length} faults in ${(round.forMs / 1000).toFixed(0)} s`,
    );
    const done = await Promise.allSettled(round.faults.map(async (planned) => {
      await sleep(beginMs + planned.atMs - nowMs());
      await this.#inject(planned, over);
    }));
    await over;
    for (const one of done) {
      if (one.status === "rejected") this.#violate(`a fault failed: ${(one.reason as Error).message}`);
    }
    try {
      const primary = await this.#chaos.healed((text) => this.#tell(text));
      this.#tell(`healthy again, ${primary.name} is the primary`);
    } catch (error) {
      return this.#violate(`the cluster did not come back: ${(error as Error).message}`);
    }
    const looks = await Promise.allSettled(this.#after.splice(0).map((look) => look()));
    for (const one of looks) {
      if (one.status === "rejected") this.#violate(`a fault had no effect: ${(one.reason as Error).message}`);
    }
  }

  async #inject(planned: PlannedFault, over: Promise<void>): Promise<void> {
    const { name, target, forMs } = planned;
    const host = await this.#chaos.resolve(target);
    const effect: Effect | null = await INJECT[name](this.#chaos, host, planned);
    const counts = this.#faults.get(name) ?? { hit: 0, missed: 0 };
    this.#faults.set(name, counts);
    if (effect === null) {
      counts.missed++;
      this.#tell(`${name}: ${host.name}, where there was nothing to hit`);
      return;
    }
    counts.hit++;
    const role = target.kind === "node" ? "" : `, meant for a ${target.kind}`;
    this.#tell(`${name}: ${effect.what}${role}, ${(forMs / 1000).toFixed(1)} s`);
    if (effect.after !== undefined) this.#after.push(effect.after);
    if (effect.end === undefined) return;
    await Promise.race([sleep(forMs), over]);
    await effect.end();
    this.#tell(`${name}: ${effect.what}, over`);
  }

  async #verdict(before: Awaited<ReturnType<typeof survey>>, rounds: number): Promise<Outcome> {
    const chaos = this.#chaos;
    const { mode } = this.#options;
    await chaos.stopClients();
    const { acks } = chaos.client;
    const history = chaos.transactions.flatMap((one) => one.history());
    const counted = (outcome: Transaction["outcome"]) =>
      history.filter((one) => one.outcome === outcome).length;
    let lost = 0;
    let decisions = 0;
    try {
      const primary = await chaos.cluster.waitHealthy(VERDICT_MS, chaos.active);
      const { present, transaction } = await readEverything(chaos.cluster, primary, history);
      const verdict = judge({ mode, acks, present, history: [...history, transaction] });
      lost = verdict.lost.length;
      for (const text of verdict.violations) this.#violate(text);
      const former = [chaos.spare.name];
      let left: string[] = [];
      // What goes by itself is not left behind: memory above all, which is freed now and then.
      await waitFor("nothing to be left", LEFT_MS, async () => {
        left = leftovers(before, await survey(chaos, primary), former);
        return left.length === 0;
      }, LOOK_MS).catch((error: Error) => {
        for (const text of left.length > 0 ? left : [error.message]) this.#violate(`left: ${text}`);
      });
      await chaos.stopAgents();
      for (const host of chaos.cluster.hosts) {
        const orphans = host.processes();
        if (orphans.length > 0) this.#violate(`left: processes of ${host.name} without an agent: ${orphans}`);
      }
      const replayed = await replayAll(chaos.everActive);
      decisions = replayed.decisions;
      for (const text of replayed.violations) this.#violate(text);
    } catch (error) {
      this.#violate(`no verdict: ${(error as Error).message}`);
    }
    return {
      violations: this.#violations,
      rounds,
      faults: this.#faults,
      outages: outages(acks),
      acknowledged: acks.length,
      lost,
      transactions: { ok: counted("ok"), unknown: counted("unknown"), fail: counted("fail") },
      decisions,
    };
  }

  #violate(text: string): void {
    this.#violations.push(text);
    this.#tell(`VIOLATION ${text}`);
  }

  #tell(text: string): void {
    const atMs = nowMs();
    this.#options.say(
      `${((atMs - this.#beginMs) / 1000).toFixed(1).padStart(7)} s  [${atMs.toFixed(0)}]  ${text}`,
    );
  }
}
