/**
 * What clients did and saw: the history that the oracles judge. Times are nowMs() of one host, so that they
 * compare across clients.
 */

export type Operation =
  | { readonly kind: "append"; readonly key: number; readonly value: number }
  | { readonly kind: "list"; readonly key: number; readonly values: readonly number[] }
  | { readonly kind: "write"; readonly key: number; readonly value: number }
  /** null: the register was never written. */
  | { readonly kind: "read"; readonly key: number; readonly value: number | null };

/** "unknown": the commit was sent, and nobody knows what became of it. */
export type Outcome = "ok" | "fail" | "unknown";

export interface Transaction {
  readonly id: string;
  readonly node: string;
  /** Timeline of the primary that it ran on; null when that was not told. */
  readonly timeline: number | null;
  readonly sentMs: number;
  /** When the client knew the outcome; Infinity while it is unknown: it may take effect at any time. */
  readonly endMs: number;
  readonly outcome: Outcome;
  readonly operations: readonly Operation[];
}

export function isReadOnly({ operations }: Transaction): boolean {
  return operations.every(({ kind }) => kind === "list" || kind === "read");
}

/** A line of a client's log. */
export function transactionLine(transaction: Transaction): string {
  const { endMs, ...rest } = transaction;
  return JSON.stringify({ ...rest, endMs: Number.isFinite(endMs) ? endMs : null });
}

export function parseTransaction(line: string): Transaction {
  const { endMs, ...rest } = JSON.parse(line) as Omit<Transaction, "endMs"> & { endMs: number | null };
  return { ...rest, endMs: endMs ?? Infinity };
}

/** The same text for the same place in the history, for messages. */
export function describeTransaction({ id, node, timeline, sentMs, endMs, outcome }: Transaction): string {
  const end = Number.isFinite(endMs) ? endMs.toFixed(1) : "?";
  return `${id} (${outcome}, ${node}, timeline ${timeline ?? "?"}, ${sentMs.toFixed(1)} to ${end} ms)`;
}
