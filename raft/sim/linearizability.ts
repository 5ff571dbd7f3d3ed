/**
 * Checks whether a history of one register is linearizable: each operation must seem to happen at one moment
 * between its call and its return. Pure.
 *
 * All written values differ, so what was seen leaves no choice (Gibbons and Korach). A write that saw a value
 * comes right after the write of that value, and a read between that write and the next one: the operations
 * form chains, within which the order is known and into which nothing else fits. What is left is the order of
 * the chains. One must go before another when any of its operations returned before one of the other's was
 * called; there is an order exactly when no two must each go before the other (a longer circle holds such a
 * pair). A search over all orders would take time without bound where many writes have no answer.
 *
 * Registers are checked one by one: a history is linearizable exactly when that of every register is.
 */

/** Operation on a register, as it was seen. Times are those of one clock that all clients share. */
export interface Operation {
  readonly callMs: number;
  /** Time of the answer; Infinity: none ever came, and the operation may have happened or not. */
  readonly returnMs: number;
  /** Stored value, different from all others of the history; null: it only reads. */
  readonly writes: number | null;
  /** Value before the operation; null: not known. */
  readonly saw: number | null;
}

export const EMPTY = 0;

/** Writes the first value, before everything else. */
const BEGINNING: Operation = { callMs: -Infinity, returnMs: -Infinity, writes: EMPTY, saw: null };

export function isLinearizable(history: readonly Operation[]): boolean {
  const operations = [BEGINNING, ...withEffects(history)];
  const chains = chainsOf(operations);
  return chains !== null && chains.every(isInOrder) && canBeOrdered(chains);
}

/**
 * Leaves out operations without an answer whose value nobody saw: they may always not have happened, and that
 * makes no difference to the others. An operation whose value was seen did happen.
 */
function withEffects(history: readonly Operation[]): Operation[] {
  const seen = new Set(history.map(({ saw }) => saw));
  return history.filter(({ returnMs, writes }) =>
    returnMs !== Infinity || (writes !== null && seen.has(writes))
  );
}

/** Operations in the order that their values leave them; null: two saw what only one could have seen. */
function chainsOf(operations: readonly Operation[]): Operation[][] | null {
  const readers = new Map<number, Operation[]>();
  const overwrites = new Map<number, Operation>();
  const heads: Operation[] = [];
  for (const operation of operations) {
    const { writes, saw } = operation;
    if (saw === null) {
      heads.push(operation);
    } else if (writes === null) {
      readers.set(saw, [...(readers.get(saw) ?? []), operation]);
    } else if (overwrites.has(saw)) return null;
    else overwrites.set(saw, operation);
  }
  const chains = heads.map((head) => {
    const chain: Operation[] = [];
    for (let last: Operation | undefined = head; last !== undefined;) {
      chain.push(last);
      const { writes }: Operation = last;
      if (writes === null) break;
      // Their order among themselves is that of time.
      chain.push(...(readers.get(writes) ?? []).sort((a, b) => a.callMs - b.callMs));
      last = overwrites.get(writes);
    }
    return chain;
  });
  // What is in no chain saw a value that nobody wrote.
  const placed = chains.reduce((sum, chain) => sum + chain.length, 0);
  return placed === operations.length ? chains : null;
}

/** No operation had returned before one that comes ahead of it was called. */
function isInOrder(chain: readonly Operation[]): boolean {
  let latestCallMs = -Infinity;
  return chain.every(({ callMs, returnMs }) => {
    latestCallMs = Math.max(latestCallMs, callMs);
    return returnMs >= latestCallMs;
  });
}

function canBeOrdered(chains: readonly (readonly Operation[])[]): boolean {
  const spans = chains.map((chain) => ({
    firstReturnMs: Math.min(...chain.map(({ returnMs }) => returnMs)),
    lastCallMs: Math.max(...chain.map(({ callMs }) => callMs)),
  }));
  type Span = (typeof spans)[number];
  const isBefore = (one: Span, other: Span) => one.firstReturnMs < other.lastCallMs;
  return spans.every((one, i) =>
    spans.slice(i + 1).every((other) => !(isBefore(one, other) && isBefore(other, one)))
  );
}
