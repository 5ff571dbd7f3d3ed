/**
 * Never two primaries that confirm. Every promotion begins a timeline with a higher number, so a
 * confirmation on a timeline, of something that was sent after a later timeline had confirmed, comes from a
 * second primary.
 */

export interface Confirmed {
  readonly node: string;
  readonly timeline: number;
  readonly sentMs: number;
  readonly endMs: number;
}

/** One violation for each node and timeline that confirmed beside another one. */
export function secondPrimaries(confirmed: readonly Confirmed[]): string[] {
  const byEnd = [...confirmed].sort((a, b) => a.endMs - b.endMs);
  const found = new Map<string, string>();
  const first = new Map<string, Confirmed>();
  let [at, latest] = [0, null as Confirmed | null];
  for (const one of [...confirmed].sort((a, b) => a.sentMs - b.sentMs)) {
    for (; at < byEnd.length && byEnd[at]!.endMs < one.sentMs; at++) {
      const ended = byEnd[at]!;
      if (latest === null || ended.timeline > latest.timeline) latest = ended;
      if (!first.has(reignOf(ended))) first.set(reignOf(ended), ended);
    }
    const other = latest !== null && latest.timeline > one.timeline ? latest : between(one, first);
    if (other === null || found.has(reignOf(one))) continue;
    found.set(
      reignOf(one),
      `${reignOf(one)} confirmed at ${one.endMs.toFixed(1)} ms what was sent at ${
        one.sentMs.toFixed(1)
      } ms, ` +
        `after ${reignOf(other)} had confirmed at ${other.endMs.toFixed(1)} ms`,
    );
  }
  return [...found.values()];
}

/** Another node on the same timeline that confirmed after this one had begun to. */
function between(one: Confirmed, first: ReadonlyMap<string, Confirmed>): Confirmed | null {
  const own = first.get(reignOf(one));
  if (own === undefined) return null;
  for (const other of first.values()) {
    if (other.timeline === one.timeline && other.node !== one.node && other.sentMs > own.endMs) return other;
  }
  return null;
}

function reignOf({ node, timeline }: Pick<Confirmed, "node" | "timeline">): string {
  return `${node} on timeline ${timeline}`;
}
