/**
 * A stopped primary whose disk holds less than a standby of it has replayed. PostgreSQL sends no WAL that the
 * primary has not flushed, and a standby replays whole records: what it has replayed was on the primary's
 * disk. So the directory is not the one that was there, put back from a copy that nothing else tells
 * (src/postgres/data_mark.ts), or its disk has lost what it said was flushed. Started as a primary, it would
 * lack what was acknowledged.
 */
import { isVoter } from "../../sync/record.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import type { NodeView } from "./view.ts";

/**
 * The synchronous standby that has more; null: none that is heard, or the end of the own WAL is not known.
 * Only a leader's data is compared: its standbys have WAL of its history alone (src/sync/DESIGN.md).
 */
export function standbyAhead({ name, dcs: { sync }, statuses, postgres }: NodeView): string | null {
  const { directory, walEnd } = postgres;
  if (sync.leader !== name || sync.unknown === true || walEnd === null) return null;
  if (directory.kind !== "valid" || directory.standbySignal) return null;
  const ahead = statuses.find(({ status: { name: other, dataToken, timeline, replayedLsn }, ageMs }) =>
    ageMs < FRESH_MS && isVoter(sync, other, dataToken) &&
    timeline === walEnd.timeline && (replayedLsn ?? 0) > walEnd.lsn
  );
  return ahead?.status.name ?? null;
}
