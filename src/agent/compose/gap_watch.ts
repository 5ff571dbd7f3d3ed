/** Logs a gap once it has lasted for a while, and logs its end. */
import type { Clock } from "../../../raft/mod.ts";
import type { SeenStatus } from "../../api/port.ts";
import type { Log } from "../../lib/log.ts";
import type { MemberStatus } from "../../model/member_status.ts";

/** Members that start together join within seconds. */
const SETTLE_MS = 30_000;

export interface Gap {
  /** Kind of the line in the log. */
  readonly event: string;
  /** The words in front of the missing names. */
  readonly title: string;
  readonly over: string;
  /** null while nothing is missing, or when another member reports it. */
  readonly missing: () => string | null;
}

/** Returns a function to call now and then. */
export function watchGap(gap: Gap, clock: Pick<Clock, "now">, log: Log): () => void {
  const { event, title, over } = gap;
  let since: { readonly text: string; readonly atMs: number } | null = null;
  let said: string | null = null;
  return () => {
    const text = gap.missing();
    if (text === null) {
      since = null;
      if (said !== null) log.info(event, over);
      said = null;
      return;
    }
    if (since?.text !== text) since = { text, atMs: clock.now() };
    if (said === text || clock.now() - since.atMs < SETTLE_MS) return;
    said = text;
    log.warning(event, `${title}: ${text}`);
  };
}

/** Members that were heard of within a ttl. */
export function heardOf(statuses: readonly SeenStatus[], ttlS: number): readonly MemberStatus[] {
  return statuses.filter(({ ageMs }) => ageMs <= ttlS * 1000).map(({ status }) => status)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What the other members of the raft group last said; `left`: names that are not in it. */
export function silentOf(
  statuses: readonly SeenStatus[],
  ttlS: number,
  left: readonly string[],
): readonly MemberStatus[] {
  return statuses.filter(({ status: { name }, ageMs }) => ageMs > ttlS * 1000 && !left.includes(name))
    .map(({ status }) => status);
}
