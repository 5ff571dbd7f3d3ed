/** Which node confirmed when, and what of it may be lost where replication is asynchronous. Pure. */
import type { Acknowledged } from "../../src/demo/outage.ts";

/** No lock goes to another member and comes back within this time. */
export const THERE_AND_BACK_MS = 300;

/** Each change of the node that confirms: the last confirmation before it, and the first after it. */
export function changes(acks: readonly Acknowledged[]): [before: Acknowledged, after: Acknowledged][] {
  return acks.slice(1).flatMap((after, i) => {
    const before = acks[i]!;
    return before.node === after.node ? [] : [[before, after] as [Acknowledged, Acknowledged]];
  });
}

/**
 * Runs of confirmations by one node: until another one confirms, or nobody for as long as that may take
 * unseen.
 */
export function reigns(acks: readonly Acknowledged[]): Acknowledged[][] {
  const found: Acknowledged[][] = [];
  for (const [i, ack] of acks.entries()) {
    const before = acks[i - 1];
    const goesOn = before?.node === ack.node && ack.ackMs - before.ackMs <= THERE_AND_BACK_MS;
    if (goesOn) found.at(-1)!.push(ack);
    else found.push([ack]);
  }
  return found;
}

/**
 * With asynchronous replication, each reign may lose its end: what the successor had not received, the last
 * milliseconds or all since its own PostgreSQL was killed. But nothing of a reign is kept that came after a
 * loss: each first loss that has such a successor, with those.
 */
export function lostAmid(
  acks: readonly Acknowledged[],
  present: ReadonlySet<number>,
): { readonly lost: Acknowledged; readonly kept: readonly Acknowledged[] }[] {
  return reigns(acks).flatMap((reign) => {
    const lost = reign.find(({ id }) => !present.has(id));
    if (lost === undefined) return [];
    const kept = reign.filter(({ id, sentMs }) => present.has(id) && sentMs > lost.ackMs);
    return kept.length === 0 ? [] : [{ lost, kept }];
  });
}
