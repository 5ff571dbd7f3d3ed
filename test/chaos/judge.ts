/**
 * The verdict on what clients were told and what is there in the end. Pure.
 *
 * In synchronous modes nothing confirmed is lost, and the whole history is strictly serializable. Without,
 * each reign (a node on a timeline) may lose its end: then the history of each reign is judged by itself.
 */
import { type Acknowledged, lostIds } from "../../src/demo/outage.ts";
import { lostAmid } from "../e2e/reigns.ts";
import { isReadOnly, type Transaction } from "./oracle/history.ts";
import { checkLists } from "./oracle/lists.ts";
import { type Confirmed, secondPrimaries } from "./oracle/one_primary.ts";
import { checkRegisters } from "./oracle/register.ts";
import type { Mode } from "./schedule.ts";

export interface Evidence {
  readonly mode: Mode;
  /** Unique values, in the order of their confirmations. */
  readonly acks: readonly Acknowledged[];
  /** Those that are there in the end, with the timeline that each was written on. */
  readonly present: ReadonlyMap<number, number>;
  /** What the clients with transactions did, and a last one that has read everything. */
  readonly history: readonly Transaction[];
}

export interface Verdict {
  readonly violations: readonly string[];
  /** Confirmed values that are not there. */
  readonly lost: readonly number[];
}

export function judge(evidence: Evidence): Verdict {
  const { mode, acks, present, history } = evidence;
  const lost = lostIds(acks, new Set(present.keys()));
  const isSynchronous = mode !== "off";
  const losses = isSynchronous
    ? lost.map((id) => `lost: ${describeAck(acks.find((ack) => ack.id === id)!)}`)
    : lostAmid(acks, new Set(present.keys())).map(({ lost, kept }) =>
      `lost amid a reign: ${describeAck(lost)}, and kept: ${describeAck(kept[0]!)}`
    );
  const orders = isSynchronous
    ? disorder(history, true)
    : reignsOf(history).flatMap((one) => disorder(one, false));
  const primaries = secondPrimaries(confirmed(evidence)).map((text) => `two primaries: ${text}`);
  return { violations: [...losses, ...orders, ...primaries], lost };
}

/**
 * A transaction that has only read waits for no standby: told apart, so that a violation that needs one is
 * seen to.
 */
function disorder(history: readonly Transaction[], isWhole: boolean): string[] {
  const check = (part: readonly Transaction[]) => [
    ...checkRegisters(part, isWhole),
    ...checkLists(part, isWhole),
  ];
  const isLast = (one: Transaction) => one.id === LAST_READ;
  const written = check(history.filter((one) => isLast(one) || !isReadOnly(one)));
  if (written.length > 0) return written.map((text) => `not serializable: ${text}`);
  return check(history).map((text) => `not serializable with what was only read: ${text}`);
}

/** The id of the transaction that reads everything in the end. */
export const LAST_READ = "last";

function reignsOf(history: readonly Transaction[]): Transaction[][] {
  const reigns = new Map<string, Transaction[]>();
  for (const one of history) {
    const name = `${one.node} ${one.timeline}`;
    const reign = reigns.get(name);
    if (reign === undefined) reigns.set(name, [one]);
    else reign.push(one);
  }
  return [...reigns.values()];
}

function confirmed({ acks, present, history }: Evidence): Confirmed[] {
  const told = history.flatMap(({ node, timeline, sentMs, endMs, outcome, ...rest }) =>
    outcome !== "ok" || timeline === null || isReadOnly({ node, timeline, sentMs, endMs, outcome, ...rest })
      ? []
      : [{ node, timeline, sentMs, endMs }]
  );
  const kept = acks.flatMap(({ id, node, sentMs, ackMs }) => {
    const timeline = present.get(id);
    return timeline === undefined ? [] : [{ node, timeline, sentMs, endMs: ackMs }];
  });
  return [...told, ...kept];
}

function describeAck({ id, node, sentMs, ackMs }: Acknowledged): string {
  return `${id} of ${node}, sent at ${sentMs.toFixed(1)}, confirmed at ${ackMs.toFixed(1)} ms`;
}
