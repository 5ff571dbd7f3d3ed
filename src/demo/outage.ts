/** Judging a client's log: outages, lost writes, two primaries. Pure arithmetic on the client's log. */

/** One write that a server confirmed. Times are those of the client's host, in ms. */
export interface Acknowledged {
  readonly id: number;
  readonly node: string;
  readonly sentMs: number;
  readonly ackMs: number;
}

export interface Gap {
  readonly lengthMs: number;
  readonly beginMs: number;
  readonly endMs: number;
  readonly from: string;
  readonly to: string;
}

/**
 * The longest time without an acknowledgement of any node, among the gaps that touch [beginMs, endMs]. `acks`
 * in order of ackMs. null when nothing is acknowledged before or after: then there is no gap, but no service
 * either.
 */
export function longestGap(acks: readonly Acknowledged[], beginMs: number, endMs = Infinity): Gap | null {
  let longest: Gap | null = null;
  for (let i = 1; i < acks.length; i++) {
    const before = acks[i - 1]!;
    const after = acks[i]!;
    if (after.ackMs < beginMs || before.ackMs > endMs) continue;
    const lengthMs = after.ackMs - before.ackMs;
    if (longest === null || lengthMs > longest.lengthMs) {
      longest = { lengthMs, beginMs: before.ackMs, endMs: after.ackMs, from: before.node, to: after.node };
    }
  }
  return longest;
}

/** Acknowledged ids that `present` does not hold. */
export function lostIds(acks: readonly Acknowledged[], present: ReadonlySet<number>): number[] {
  return acks.map((ack) => ack.id).filter((id) => !present.has(id));
}

/**
 * How long, in ms, `old` went on acknowledging after the first acknowledgement of another node that came
 * after `sinceMs`. 0: never two primaries. Meant for one change of the primary, so `untilMs` lies before the
 * next one.
 */
export function overlapMs(
  acks: readonly Acknowledged[],
  old: string,
  sinceMs: number,
  untilMs = Infinity,
): number {
  const within = acks.filter((ack) => ack.ackMs >= sinceMs && ack.ackMs <= untilMs);
  const first = within.find((ack) => ack.node !== old);
  if (first === undefined) return 0;
  const late = within.filter((ack) => ack.node === old && ack.ackMs > first.ackMs);
  return late.length === 0 ? 0 : late.at(-1)!.ackMs - first.ackMs;
}
