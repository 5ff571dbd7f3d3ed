/**
 * Was a history of one register linearizable? Each operation must seem to happen at one moment between its
 * call and its return. The search of Wing and Gong with Lowe's memory of configurations that failed before.
 * Pure.
 *
 * Registers are checked one by one: a history is linearizable exactly when that of every register is.
 */

/** What was seen of an operation on a register. Times are those of one clock that all clients share. */
export interface Operation {
  readonly callMs: number;
  /** Infinity: no answer ever came, and it may have happened or not. */
  readonly returnMs: number;
  /** Stored value, different from all others of the history; null: it only reads. */
  readonly writes: number | null;
  /** The value before it; null: not known. */
  readonly saw: number | null;
}

export const EMPTY = 0;

interface Event {
  readonly operation: Operation;
  readonly id: number;
  /** Null in the event of a return. */
  readonly returns: Event | null;
  previous: Event | null;
  next: Event | null;
}

export function isLinearizable(history: readonly Operation[]): boolean {
  const operations = withEffects(history);
  const head = linked(operations);
  const done = new Uint32Array(Math.ceil(operations.length / 32) || 1);
  const failedBefore = new Set<string>();
  const path: { readonly call: Event; readonly before: number }[] = [];
  let value = EMPTY;
  let event = head.next;
  while (head.next !== null) {
    if (event === null) throw new Error("a history without an end");
    if (event.returns === null) {
      // Whoever returns here must have happened by now, and could not: the last choice was wrong.
      const last = path.pop();
      if (last === undefined) return false;
      done[last.call.id >>> 5]! ^= 1 << (last.call.id & 31);
      value = last.before;
      putBack(last.call.returns!);
      putBack(last.call);
      event = last.call.next;
      continue;
    }
    const { writes, saw } = event.operation;
    if (saw === null || saw === value) {
      done[event.id >>> 5]! ^= 1 << (event.id & 31);
      const after = writes ?? value;
      const configuration = `${after} ${done.join(" ")}`;
      if (!failedBefore.has(configuration)) {
        failedBefore.add(configuration);
        path.push({ call: event, before: value });
        value = after;
        takeOut(event);
        takeOut(event.returns);
        event = head.next;
        continue;
      }
      done[event.id >>> 5]! ^= 1 << (event.id & 31);
    }
    event = event.next;
  }
  return true;
}

/**
 * Without the operations that nobody answered for and whose value nobody saw: it is always possible that they
 * did not happen, and whether they did makes no difference to the others. One whose value was seen did
 * happen.
 */
function withEffects(history: readonly Operation[]): Operation[] {
  const seen = new Set(history.map(({ saw }) => saw));
  return history.filter(({ returnMs, writes }) =>
    returnMs !== Infinity || (writes !== null && seen.has(writes))
  );
}

/** The events in the order of time, behind a head that is none. */
function linked(operations: readonly Operation[]): Event {
  const events: { readonly atMs: number; readonly isReturn: boolean; readonly event: Event }[] = [];
  operations.forEach((operation, id) => {
    const returned: Event = { operation, id, returns: null, previous: null, next: null };
    const called: Event = { operation, id, returns: returned, previous: null, next: null };
    events.push({ atMs: operation.callMs, isReturn: false, event: called });
    events.push({ atMs: operation.returnMs, isReturn: true, event: returned });
  });
  // At the same moment they overlap.
  events.sort((a, b) =>
    a.atMs === b.atMs ? Number(a.isReturn) - Number(b.isReturn) : a.atMs < b.atMs ? -1 : 1
  );
  const nobody: Operation = { callMs: 0, returnMs: 0, writes: null, saw: null };
  const head: Event = { operation: nobody, id: -1, returns: null, previous: null, next: null };
  let last = head;
  for (const { event } of events) {
    event.previous = last;
    last.next = event;
    last = event;
  }
  return head;
}

function takeOut({ previous, next }: Event): void {
  previous!.next = next;
  if (next !== null) next.previous = previous;
}

function putBack(event: Event): void {
  event.previous!.next = event;
  if (event.next !== null) event.next.previous = event;
}
