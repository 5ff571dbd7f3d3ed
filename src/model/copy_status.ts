/** A copy of another member's data directory that is under way, as its member and the others show it. */

export interface CopyStatus {
  /** The member that is copied from. */
  readonly from: string;
  /** It was a standby when the copy began. Its promotion makes the copy useless. */
  readonly fromStandby: boolean;
  /** The method of the user's own that makes it, which shows no progress; absent: pg_basebackup. */
  readonly by?: string;
  readonly doneBytes: number;
  /** The source's estimate; null: not known yet. */
  readonly totalBytes: number | null;
  /** Over the last seconds; null: not known yet. */
  readonly bytesPerSecond: number | null;
}

export function beginCopy(from: string, fromStandby: boolean): CopyStatus {
  return { from, fromStandby, doneBytes: 0, totalBytes: null, bytesPerSecond: null };
}

/** null: not known. The source's estimate may be too small, then nothing is left. */
export function secondsLeft(
  { doneBytes, totalBytes, bytesPerSecond }: Omit<CopyStatus, "from" | "fromStandby">,
): number | null {
  if (totalBytes === null || bytesPerSecond === null || bytesPerSecond <= 0) return null;
  return Math.max(0, totalBytes - doneBytes) / bytesPerSecond;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** "from node2, 35 %, 4.2 of 12.4 GiB, 110.0 MiB/s, 80 s left", as far as it is known. */
export function describeCopy(copy: Omit<CopyStatus, "fromStandby">): string {
  const { from, doneBytes, totalBytes, bytesPerSecond } = copy;
  if (copy.by !== undefined) return `by ${copy.by}`;
  if (totalBytes === null) return `from ${from}`;
  const percent = totalBytes === 0 ? 0 : Math.min(100, Math.floor(doneBytes / totalBytes * 100));
  const large = totalBytes >= 10 * GIB;
  const size = (bytes: number) => large ? (bytes / GIB).toFixed(1) : String(Math.round(bytes / MIB));
  const left = secondsLeft(copy);
  return [
    `from ${from}`,
    `${percent} %`,
    `${size(doneBytes)} of ${size(totalBytes)} ${large ? "GiB" : "MiB"}`,
    ...(bytesPerSecond === null ? [] : [`${(bytesPerSecond / MIB).toFixed(1)} MiB/s`]),
    ...(left === null ? [] : [`${duration(left)} left`]),
  ].join(", ");
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
