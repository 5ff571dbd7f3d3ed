/**
 * Strict serializability of transactions that append to lists and read them, after Elle (Kingsbury, Alvaro,
 * "Elle: inferring isolation anomalies", 2020): a list read shows the order of its appends, so every
 * dependency between transactions is known. With the order of real time added, the history is strictly
 * serializable exactly when no transaction must come before itself.
 */
import { cycles, type Edge } from "./graph.ts";
import { describeTransaction, type Transaction } from "./history.ts";

/** A read without the values that its own transaction had appended before. */
interface Read {
  readonly reader: number;
  readonly key: number;
  readonly values: readonly number[];
}

interface Found {
  readonly violations: string[];
  readonly reads: Read[];
}

/**
 * The violations of a history. `isWhole`: all appends are in it, so that each value has an author; otherwise
 * lists may begin with values from before.
 */
export function checkLists(history: readonly Transaction[], isWhole: boolean): string[] {
  const relevant = history.filter(({ operations }) =>
    operations.some(({ kind }) => kind === "append" || kind === "list")
  );
  const authors = new Map<number, Transaction>();
  for (const one of relevant) for (const value of appended(one)) authors.set(value, one);
  const observed = new Set(
    relevant.filter(({ outcome }) => outcome === "ok").flatMap(({ operations }) =>
      operations.flatMap((one) => one.kind === "list" ? one.values : [])
    ),
  );
  // One whose commit is unknown has happened if somebody has seen it.
  const happened = relevant.filter((one) =>
    one.outcome === "ok" || (one.outcome === "unknown" && appended(one).some((value) => observed.has(value)))
  );
  const numbers = new Map(happened.map((one, number) => [one, number]));
  const { violations, reads } = externalReads(happened);
  const orders = ordersOf(reads, violations, (reader) => describeTransaction(happened[reader]!));
  const authorOf = (value: number) => {
    const author = authors.get(value);
    return author === undefined ? undefined : numbers.get(author);
  };
  for (const [key, order] of orders) {
    violations.push(...wrongValues(key, order, authors, isWhole));
  }
  const edges = [
    ...dependencies(orders, reads, happened, authorOf),
    ...realTime(happened),
  ];
  const around = cycles(happened.length, edges).map((cycle) =>
    cycle.map(({ from, why }) => `${describeTransaction(happened[from]!)} ${why}`).join("; ")
  );
  return [...violations, ...around.map((text) => `no order fits: ${text}`)];
}

function appended({ operations }: Transaction): number[] {
  return operations.flatMap((one) => one.kind === "append" ? [one.value] : []);
}

/** What each transaction read of others; its own appends must stand at the end of what it read. */
function externalReads(happened: readonly Transaction[]): Found {
  const violations: string[] = [];
  const reads: Read[] = [];
  for (const [reader, one] of happened.entries()) {
    if (one.outcome !== "ok") continue;
    const own = new Map<number, number[]>();
    for (const operation of one.operations) {
      if (operation.kind === "append") {
        own.set(operation.key, [...(own.get(operation.key) ?? []), operation.value]);
      } else if (operation.kind === "list") {
        const { key, values } = operation;
        const mine = own.get(key) ?? [];
        const cut = values.length - mine.length;
        if (cut < 0 || !mine.every((value, i) => values[cut + i] === value)) {
          violations.push(`list ${key}: ${describeTransaction(one)} did not read what it had appended`);
          continue;
        }
        reads.push({ reader, key, values: values.slice(0, cut) });
        // As the others see it when it has committed.
        if (mine.length > 0) reads.push({ reader: -1 - reader, key, values });
      }
    }
  }
  return { violations, reads };
}

/** The longest read of each list; every other one must be its beginning. */
function ordersOf(
  reads: readonly Read[],
  violations: string[],
  describe: (reader: number) => string,
): Map<number, readonly number[]> {
  const longest = new Map<number, Read>();
  for (const read of reads) {
    if (read.values.length >= (longest.get(read.key)?.values.length ?? 0)) longest.set(read.key, read);
  }
  const nameOf = (reader: number) => describe(reader < 0 ? -1 - reader : reader);
  for (const read of reads) {
    const whole = longest.get(read.key)!;
    const differs = read.values.findIndex((value, i) => value !== whole.values[i]);
    if (differs === -1) continue;
    violations.push(
      `list ${read.key}: ${nameOf(read.reader)} read ${read.values[differs]} at ${differs}, where ` +
        `${nameOf(whole.reader)} read ${whole.values[differs]}`,
    );
  }
  return new Map([...longest].map(([key, { values }]) => [key, values]));
}

function wrongValues(
  key: number,
  order: readonly number[],
  authors: ReadonlyMap<number, Transaction>,
  isWhole: boolean,
): string[] {
  const wrong: string[] = [];
  const seen = new Set<number>();
  let hasAuthor = isWhole;
  for (const value of order) {
    const author = authors.get(value);
    if (seen.has(value)) wrong.push(`list ${key}: ${value} stands there twice`);
    if (author === undefined && hasAuthor) wrong.push(`list ${key}: nobody appended ${value}`);
    if (author?.outcome === "fail") {
      wrong.push(`list ${key}: ${value} is there, whose transaction failed: ${describeTransaction(author)}`);
    }
    hasAuthor ||= author !== undefined;
    seen.add(value);
  }
  return wrong;
}

function dependencies(
  orders: ReadonlyMap<number, readonly number[]>,
  reads: readonly Read[],
  happened: readonly Transaction[],
  authorOf: (value: number) => number | undefined,
): Edge[] {
  const edges: Edge[] = [];
  const add = (from: number | undefined, to: number | undefined, why: string) => {
    if (from !== undefined && to !== undefined && from !== to) edges.push({ from, to, why });
  };
  for (const [key, order] of orders) {
    for (const [i, value] of order.slice(1).entries()) {
      add(authorOf(order[i]!), authorOf(value), `appended to list ${key} before`);
    }
  }
  const unseen = unseenAppends(orders, happened);
  for (const [key, authors] of unseen) {
    const last = orders.get(key)?.at(-1);
    if (last === undefined) continue;
    for (const author of authors) add(authorOf(last), author, `appended to list ${key} before the unseen`);
  }
  for (const { reader, key, values } of reads) {
    if (reader < 0) continue;
    const order = orders.get(key)!;
    if (values.length > 0) add(authorOf(values.at(-1)!), reader, `was seen in list ${key} by`);
    if (values.length < order.length) {
      add(reader, authorOf(order[values.length]!), `did not see in list ${key}`);
    } else {
      for (const author of unseen.get(key) ?? []) add(reader, author, `did not see in list ${key}`);
    }
  }
  return edges;
}

/** By list: transactions that have appended something which no read shows. */
function unseenAppends(
  orders: ReadonlyMap<number, readonly number[]>,
  happened: readonly Transaction[],
): Map<number, number[]> {
  const seen = new Map([...orders].map(([key, order]) => [key, new Set(order)]));
  const unseen = new Map<number, number[]>();
  for (const [number, { operations }] of happened.entries()) {
    for (const one of operations) {
      if (one.kind !== "append" || seen.get(one.key)?.has(one.value)) continue;
      unseen.set(one.key, [...(unseen.get(one.key) ?? []), number]);
    }
  }
  return unseen;
}

/**
 * One that ended before another one was sent comes before it. Only edges that do not follow from others: each
 * end takes the place of those that it came after.
 */
function realTime(happened: readonly Transaction[]): Edge[] {
  const events = happened.flatMap(({ sentMs, endMs }, number) => [
    { ms: sentMs, isEnd: false, number },
    ...(Number.isFinite(endMs) ? [{ ms: endMs, isEnd: true, number }] : []),
  ]).sort((a, b) => a.ms - b.ms || Number(a.isEnd) - Number(b.isEnd));
  const edges: Edge[] = [];
  const before = new Map<number, readonly number[]>();
  let frontier: number[] = [];
  for (const { isEnd, number } of events) {
    if (!isEnd) {
      before.set(number, frontier);
      for (const from of frontier) edges.push({ from, to: number, why: "ended before" });
    } else {
      const replaced = new Set(before.get(number));
      frontier = [...frontier.filter((one) => !replaced.has(one)), number];
    }
  }
  return edges;
}
