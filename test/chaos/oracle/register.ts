/**
 * Linearizability of registers. Every write writes another value, so that a read names its write. Then the
 * test of Gibbons and Korach ("Testing shared memories", 1997) is complete and quick: a write and its reads
 * are a cluster, which takes up a zone of time. Zones that must not be torn apart must not meet.
 */
import { describeTransaction, type Transaction } from "./history.ts";

interface Cluster {
  readonly value: number | null;
  readonly write: Transaction | null;
  /** Earliest end and latest start of its operations. */
  readonly firstEndMs: number;
  readonly lastStartMs: number;
}

/** One operation on a register. */
interface Access {
  readonly transaction: Transaction;
  readonly kind: "write" | "read";
  readonly value: number | null;
}

/**
 * The violations of every register of the history. `isWhole`: the history begins with the registers' first
 * write; otherwise one value of each may be there from before.
 */
export function checkRegisters(history: readonly Transaction[], isWhole: boolean): string[] {
  const byKey = new Map<number, Access[]>();
  for (const transaction of history) {
    for (const operation of transaction.operations) {
      if (operation.kind !== "write" && operation.kind !== "read") continue;
      if (operation.kind === "read" && transaction.outcome !== "ok") continue;
      const { kind, key, value } = operation;
      byKey.set(key, [...(byKey.get(key) ?? []), { transaction, kind, value }]);
    }
  }
  return [...byKey].flatMap(([key, accesses]) =>
    checkRegister(accesses, isWhole).map((text) => `register ${key}: ${text}`)
  );
}

function checkRegister(accesses: readonly Access[], isWhole: boolean): string[] {
  const writes = new Map<number | null, Transaction>();
  for (const { kind, value, transaction } of accesses) if (kind === "write") writes.set(value, transaction);
  const reads = new Map<number | null, Transaction[]>();
  for (const { kind, value, transaction } of accesses) {
    if (kind === "read") reads.set(value, [...(reads.get(value) ?? []), transaction]);
  }
  const unwritten = [...reads.keys()].filter((value) => !writes.has(value));
  const before = isWhole ? [null] : unwritten.slice(0, 1);
  const violations = unwritten.filter((value) => !before.includes(value)).map((value) =>
    `${describeTransaction(reads.get(value)![0]!)} read ${value}, which nobody wrote`
  );
  const clusters: Cluster[] = [];
  for (const value of before) clusters.push(clusterOf(value, null, reads.get(value) ?? []));
  for (const [value, write] of writes) {
    const seen = reads.get(value) ?? [];
    if (write.outcome === "unknown" && seen.length === 0) continue;
    if (write.outcome === "fail") {
      if (seen.length > 0) {
        violations.push(`${describeTransaction(seen[0]!)} read ${value} of a failed write`);
      }
      continue;
    }
    const early = seen.find(({ endMs }) => endMs < write.sentMs);
    if (early !== undefined) violations.push(`${describeTransaction(early)} read ${value} before its write`);
    clusters.push(clusterOf(value, write, seen));
  }
  return [...violations, ...collisions(clusters)];
}

function clusterOf(value: number | null, write: Transaction | null, reads: readonly Transaction[]): Cluster {
  // What was there from before was written before everything.
  const ends = [write === null ? -Infinity : write.endMs, ...reads.map(({ endMs }) => endMs)];
  const starts = [write === null ? -Infinity : write.sentMs, ...reads.map(({ sentMs }) => sentMs)];
  return { value, write, firstEndMs: min(ends), lastStartMs: max(starts) };
}

/**
 * A cluster that ends an operation before it starts its last one holds the register in between: no other one
 * may do so at the same time, nor lie within.
 */
function collisions(clusters: readonly Cluster[]): string[] {
  const holding = clusters.filter((one) => one.firstEndMs < one.lastStartMs)
    .sort((a, b) => a.firstEndMs - b.firstEndMs);
  const passing = clusters.filter((one) => one.firstEndMs >= one.lastStartMs);
  const found: string[] = [];
  let latest: Cluster | null = null;
  for (const one of holding) {
    if (latest !== null && one.firstEndMs < latest.lastStartMs) found.push(collision(latest, one));
    if (latest === null || one.lastStartMs > latest.lastStartMs) latest = one;
  }
  for (const one of passing) {
    const around = lastBefore(holding, one.lastStartMs);
    if (around !== null && one.firstEndMs < around.lastStartMs) found.push(collision(around, one));
  }
  return found;
}

/**
 * The last zone that begins before `ms`. Zones that hold do not meet (else that is reported), so it is the
 * only one that can reach beyond.
 */
function lastBefore(holding: readonly Cluster[], ms: number): Cluster | null {
  let [low, high] = [0, holding.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holding[middle]!.firstEndMs < ms) low = middle + 1;
    else high = middle;
  }
  return holding[low - 1] ?? null;
}

function collision(one: Cluster, other: Cluster): string {
  const named = ({ value, write, firstEndMs, lastStartMs }: Cluster) =>
    `${value} (${write === null ? "from before" : describeTransaction(write)}; seen from ${
      firstEndMs.toFixed(1)
    } to ${lastStartMs.toFixed(1)} ms)`;
  return `${named(one)} and ${named(other)} cannot be put in an order`;
}

function min(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Infinity);
}

function max(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b), -Infinity);
}
