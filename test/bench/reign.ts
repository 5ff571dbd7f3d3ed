/**
 * What must not change while a primary stays in office, and what its guard has done to it: from the metrics
 * and the log.
 */
import type { Host } from "../../src/demo/host.ts";
import { only, scrape } from "./scrape.ts";

export interface Reign {
  readonly host: Host;
  /** Epoch of the lock: another one is a failover, even to the same host. */
  readonly epoch: number;
  readonly postmaster: number;
}

export async function reignOf(host: Host): Promise<Reign> {
  const postmaster = host.postmasterPid();
  if (postmaster === null) throw new Error(`PostgreSQL of ${host.name} does not run`);
  const series = await scrape(host);
  if (only(series, "agent_holds_lease") !== 1) throw new Error(`${host.name} does not hold the lease`);
  return { host, epoch: only(series, "agent_lease_epoch"), postmaster };
}

export function describeChange(before: Reign, after: Reign): string | null {
  if (after.host !== before.host) return `${before.host.name} lost the lock to ${after.host.name}`;
  if (after.epoch !== before.epoch) return `${before.host.name} lost the lock, and got it back`;
  if (after.postmaster !== before.postmaster) return `PostgreSQL of ${before.host.name} was started again`;
  return null;
}

/** Each freeze and thaw of a host so far, in ms from the first signal to the last. */
export function freezesIn(log: string): { readonly frozeMs: number[]; readonly thawedMs: number[] } {
  const times = (word: string) =>
    [...log.matchAll(new RegExp(`\\(${word} \\d+ processes took ([0-9.]+) ms\\)`, "g"))].map(([, ms]) =>
      Number(ms)
    );
  return { frozeMs: times("stopping"), thawedMs: times("continuing") };
}

/** How long PostgreSQL of a host stood still each time, in ms, until it went on or was killed. */
export function standstillsIn(log: string): number[] {
  const found: number[] = [];
  let frozenMs: number | null = null;
  const line =
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d),(\d{3}) .*PostgreSQL (is frozen: its|runs again: its|is killed: it)/gm;
  for (const [, date, time, ms, what] of log.matchAll(line)) {
    const atMs = Date.parse(`${date}T${time}.${ms}Z`);
    if (what!.startsWith("is frozen")) frozenMs ??= atMs;
    else if (frozenMs !== null) {
      found.push(atMs - frozenMs);
      frozenMs = null;
    }
  }
  return found;
}
