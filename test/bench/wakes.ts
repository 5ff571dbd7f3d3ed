/**
 * What wakes the main thread of an agent at rest, how often, and the processor time that each kind takes: the
 * table of `--only idle --profile`. The agents count themselves (src/lib/wake_profile.ts).
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import type { WakeReport } from "../../src/lib/wake_profile.ts";

const FILE = "wakes.json";
const WRITTEN_MS = 30_000;

/** For ClusterOptions.wrap: makes the agents count. */
export function countingWakes(directory: string): readonly string[] {
  return ["env", `AGENT_WAKE_PROFILE=${join(directory, FILE)}`];
}

export interface Wakes {
  readonly atMs: number;
  readonly report: WakeReport;
}

/** The next report of each host, in their order. */
export function nextWakes(cluster: Cluster): Promise<Wakes[]> {
  return Promise.all(cluster.hosts.map(nextOf));
}

async function nextOf(host: Host): Promise<Wakes> {
  const file = join(host.directory, FILE);
  const inode = () => existsSync(file) ? statSync(file).mtimeMs : 0;
  const before = inode();
  await waitFor(`a count of the wake-ups of ${host.name}`, WRITTEN_MS, () => inode() !== before, 20);
  return { atMs: nowMs(), report: JSON.parse(readFileSync(file, "utf8")) };
}

/** `roles`: of each host, for its heading. Microseconds of processor time, and times a second. */
export function wakesTable(
  roles: readonly string[],
  before: readonly Wakes[],
  after: readonly Wakes[],
): string {
  const changes = after.map((one, i) => changeOf(before[i]!, one));
  const kinds = [...new Set(changes.flatMap((change) => [...change.keys()]))].sort();
  const rows = kinds.map((kind) => [kind, ...changes.map((change) => cell(change.get(kind)))]);
  return [["wake-up", ...roles], ["---", ...roles.map(() => "---")], ...rows]
    .map((row) => `| ${row.join(" | ")} |`).join("\n");
}

interface Change {
  readonly aSecond: number;
  readonly usEach: number;
}

function changeOf(before: Wakes, after: Wakes): Map<string, Change> {
  const seconds = (after.atMs - before.atMs) / 1000;
  const changes = new Map<string, Change>();
  let countedMs = 0;
  for (const [kind, { count, cpuMs }] of Object.entries(after.report.kinds)) {
    const old = before.report.kinds[kind] ?? { count: 0, cpuMs: 0 };
    const times = count - old.count;
    if (times === 0) continue;
    countedMs += cpuMs - old.cpuMs;
    changes.set(kind, { aSecond: times / seconds, usEach: 1000 * (cpuMs - old.cpuMs) / times });
  }
  const mainMs = after.report.mainCpuMs - before.report.mainCpuMs;
  const sleeps = after.report.sleeps - before.report.sleeps;
  // The runtime's own part of every wake-up, and what goes on after an answer of PostgreSQL.
  changes.set("~ not counted above (the runtime, SQL), by sleep", {
    aSecond: sleeps / seconds,
    usEach: 1000 * (mainMs - countedMs) / sleeps,
  });
  changes.set("~ the main thread in all, by sleep", {
    aSecond: sleeps / seconds,
    usEach: 1000 * mainMs / sleeps,
  });
  return changes;
}

function cell(change: Change | undefined): string {
  if (change === undefined) return "";
  const { aSecond, usEach } = change;
  return `${aSecond.toFixed(1)}/s, ${usEach.toFixed(0)} µs, ${(aSecond * usEach / 10_000).toFixed(3)} %`;
}
