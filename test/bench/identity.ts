/**
 * Two machines of one name, in many clusters side by side: how long two of them confirm writes, whether a
 * former primary confirms anything after its lease, and what is lost. With a long ttl a try is mostly
 * waiting, so one cluster after the other would take hours.
 */
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { leaseFromTtl } from "../../src/lease/timing.ts";
import { nowMs } from "../../src/demo/now.ts";
import { type Acknowledged, longestGap, lostIds, overlapMs } from "../../src/demo/outage.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { IdentityCluster } from "./identity_cluster.ts";
import { type Scene, type Way, WAYS } from "./identity_ways.ts";
import { eachAtMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";

const DEADLINE_MS = 60_000;
/** The harm comes at any moment of the renewals' rhythm. */
const JITTER_MS = 700;
/** Replication is asynchronous: what a primary confirmed in its last moment may be nowhere else. */
const LAST_MOMENT_MS = 100;

export interface IdentityOptions {
  readonly ttls: readonly number[];
  readonly certificates: boolean;
  /** For each ttl. */
  readonly clusters: number;
  /** Repetitions of each way with each ttl. */
  readonly reps: number;
  /** A part of the names of the ways wanted. */
  readonly only: string;
  /** A line of JSON is appended for each try. */
  readonly journal: string | null;
  readonly say: (text: string) => void;
}

interface Result {
  readonly overlapMs: number;
  readonly lateMs: number;
  readonly lostCount: number;
  readonly outageMs: number;
  readonly moved: boolean;
  readonly proof: string;
}

interface Try {
  readonly way: Way;
  readonly rep: number;
}

export async function measureIdentity(options: IdentityOptions): Promise<Measurement[]> {
  const ways = WAYS.filter(({ name }) => name.includes(options.only));
  if (ways.length === 0) {
    throw new Error(
      `no way is called "${options.only}"; there are ${WAYS.map(({ name }) => name).join("; ")}`,
    );
  }
  // Every way once before any comes again: an early end leaves all with about the same number.
  const tries = Array.from({ length: options.reps }, (_, i) => ways.map((way) => ({ way, rep: i + 1 })))
    .flat();
  const all = await Promise.all(options.ttls.map(async (ttlS) => {
    const queue = [...tries];
    const crews = Array.from({ length: options.clusters }, () => crew(options, ttlS * 1000, queue));
    const done = (await Promise.all(crews)).flat();
    return ways.flatMap((way) => summary(`ttl ${ttlS}, ${way.name}`, done.filter((one) => one.way === way)));
  }));
  return all.flat();
}

type Done = { readonly way: Way } & ({ readonly result: Result } | { readonly failure: string });

/** One cluster after another of this ttl, and with each as many tries as it lives through. */
async function crew(options: IdentityOptions, ttlMs: number, queue: Try[]): Promise<Done[]> {
  const { certificates, journal, reps, say } = options;
  const done: Done[] = [];
  let it: IdentityCluster | null = null;
  const directory = mkdtempSync(join(tmpdir(), "agent-identity-"));
  chmodSync(directory, 0o755);
  try {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { way, rep } = next;
      const title = `ttl ${ttlMs / 1000}${
        certificates ? ", certificates" : ""
      }, ${way.name}, ${rep} of ${reps}`;
      const at = new Date().toISOString();
      let result: Result | null = null;
      let failure: string | null;
      try {
        it ??= await IdentityCluster.create({ ttlMs, certificates, directory, say });
        result = await once(it, way);
        failure = whatIsWrong(result);
      } catch (error) {
        failure = (error as Error).message;
      }
      const kept = failure === null || it === null ? null : keep(it);
      if (journal !== null) {
        const load = loadavg()[0];
        const line = { way: way.name, ttlMs, certificates, at, load, ...result, failure, kept };
        appendFileSync(journal, `${JSON.stringify(line)}\n`);
      }
      const failed = failure === null ? "" : `FAILED, ${failure}${kept === null ? "" : `; logs in ${kept}`} `;
      say(`${title}: ${failed}${result === null ? "" : describe(result)}`);
      done.push(
        failure === null ? { way, result: result! } : { way, failure: `${title}: ${failed.trimEnd()}` },
      );
      if (result !== null) continue;
      await it?.destroy();
      it = null;
    }
  } finally {
    await it?.destroy();
    rmSync(directory, { recursive: true, force: true });
  }
  return done;
}

/** The logs of a try that failed, where they outlive the cluster. */
function keep({ cluster }: IdentityCluster): string {
  const kept = mkdtempSync(join(tmpdir(), "agent-identity-failed-"));
  for (const host of cluster.hosts) {
    if (existsSync(host.logFile)) copyFileSync(host.logFile, join(kept, `${host.name}.log`));
  }
  for (const file of readdirSync(cluster.directory)) {
    if (file.startsWith("client-") && file.endsWith(".log")) {
      copyFileSync(join(cluster.directory, file), join(kept, file));
    }
  }
  return kept;
}

function whatIsWrong({ overlapMs, lateMs, lostCount }: Result): string | null {
  if (overlapMs > 0) return `two primaries confirmed writes for ${overlapMs} ms`;
  if (lateMs > 0) return `a write was confirmed ${lateMs} ms after the lease`;
  return lostCount > 0 ? `${lostCount} confirmed writes are lost` : null;
}

function describe(one: Result): string {
  return `overlap ${one.overlapMs} ms, after the lease ${one.lateMs} ms, ${one.lostCount} lost, outage ${
    one.outageMs.toFixed(0)
  } ms, ${one.moved ? "succeeded" : "same primary"}, ${one.proof}`;
}

function summary(name: string, done: readonly Done[]): Measurement[] {
  const results = done.flatMap((one) => "result" in one ? [one.result] : []);
  const failures = done.flatMap((one) => "failure" in one ? [one.failure] : []);
  const seconds = (of: (result: Result) => number) => results.map((result) => of(result) / 1000);
  return [
    measurement(`${name}: two primaries`, "s", eachAtMost(0, "s"), seconds((one) => one.overlapMs), failures),
    measurement(`${name}: write outage`, "s", NO_GOAL, seconds((one) => one.outageMs)),
  ];
}

async function once(it: IdentityCluster, way: Way): Promise<Result> {
  const { client, cluster, ttlMs } = it;
  const primary = await cluster.waitHealthy(DEADLINE_MS, it.founders);
  const others = it.founders.filter((host) => host !== primary);
  const other = others[Math.floor(Math.random() * others.length)]!;
  if (way.inPause) {
    await cluster.ctl("pause", "--wait");
    await waitFor(
      "an unfenced epoch",
      DEADLINE_MS,
      async () => (await primary.rest("/agent/decisions")).text.includes("PAUSE: no action"),
      100,
    );
  }
  await client.waitForWrite(nowMs() + 200, DEADLINE_MS, primary.name);
  await sleep(JITTER_MS * Math.random());
  const beginMs = nowMs();
  const since = () => {
    client.read();
    const begin = client.acks.findLastIndex((ack) => ack.ackMs < beginMs) + 1;
    return client.acks.slice(begin);
  };
  const isSucceeded: Scene["isSucceeded"] = () => since().some((ack) => ack.node !== primary.name);
  const trial = await way.begin({ it, primary, other, isSucceeded });
  try {
    await trial.watch();
  } finally {
    await trial.heal();
  }
  const proof = trial.proof();
  const healMs = nowMs();
  const next = await it.restored();
  if (way.inPause) {
    await cluster.ctl("resume", "--wait");
    await it.restored();
  }
  await client.waitForWrite(healMs, DEADLINE_MS, next.name);
  const acks = since().sort((a, b) => a.ackMs - b.ackMs);
  const own = acks.filter((ack) => ack.node === primary.name && ack.ackMs < healMs);
  const leaseEndMs = trial.harmMs + leaseFromTtl(ttlMs);
  return {
    overlapMs: round(sideBySideMs(acks, primary.name, beginMs, healMs, next === primary)),
    lateMs: way.lateFromHarm ? round(Math.max(0, (own.at(-1)?.ackMs ?? 0) - leaseEndMs)) : 0,
    lostCount: lostIds(durable(acks), await cluster.presentIds(await it.restored())).length,
    outageMs: round(longestGap(acks, beginMs, healMs)?.lengthMs ?? 0),
    moved: acks.some((ack) => ack.node !== primary.name),
    proof,
  };
}

/** `isBack`: the former primary has the lock again, and may confirm after `healMs`. */
function sideBySideMs(
  acks: readonly Acknowledged[],
  primary: string,
  beginMs: number,
  healMs: number,
  isBack: boolean,
): number {
  // As if each that confirmed anything had been the only one.
  const nodes = [...new Set(acks.map(({ node }) => node))];
  return Math.max(
    0,
    ...nodes.map((node) => {
      if (node === primary) return overlapMs(acks, node, beginMs, isBack ? healMs : Infinity);
      const first = acks.find((ack) => ack.node === node)!;
      return overlapMs(acks, node, first.ackMs, healMs);
    }),
  );
}

/**
 * Without what a primary confirmed in its last moment before another one confirmed anything. `acks` in order
 * of time.
 */
function durable(acks: readonly Acknowledged[]): Acknowledged[] {
  const kept: Acknowledged[] = [];
  let endMs = Infinity;
  for (let i = acks.length - 1; i >= 0; i--) {
    const ack = acks[i]!;
    const after = acks[i + 1];
    if (after !== undefined && after.node !== ack.node) endMs = ack.ackMs - LAST_MOMENT_MS;
    if (ack.ackMs < endMs) kept.push(ack);
  }
  return kept;
}

const round = (ms: number) => Math.round(ms * 10) / 10;
