/** WAL positions. A byte offset fits a double's 53 bits (8 PiB of WAL); `parseLsn` refuses a larger one. */

/** Absolute byte position in the WAL, as Patroni and pg_wal_lsn_diff(x, '0/0') give it. */
export type Lsn = number;

/** Parses PostgreSQL's "X/Y" notation; null when it is not one. */
export function parseLsn(text: string): Lsn | null {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (!match) return null;
  const value = parseInt(match[1]!, 16) * 2 ** 32 + parseInt(match[2]!, 16);
  return Number.isSafeInteger(value) ? value : null;
}

export function formatLsn(lsn: Lsn): string {
  const high = Math.floor(lsn / 2 ** 32);
  const low = lsn % 2 ** 32;
  return `${high.toString(16).toUpperCase()}/${low.toString(16).toUpperCase()}`;
}
