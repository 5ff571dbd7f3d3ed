/**
 * Keeps the WAL that a copy needs until the new standby streams. The slot on the primary is there before the
 * copy begins. It holds the WAL from the primary's position at that time.
 *
 * A copy of the primary ends behind that position. A copy of a standby may end before it: the standby can be
 * behind, and its backup ends where it has last been made consistent. pg_basebackup receives WAL from the
 * standby as long as the copy takes, which covers the difference, unless the standby stood still. So the end
 * of the WAL that came with the copy is compared with the slot when the copy is done. A gap makes the copy
 * useless, and the next one is taken from the primary.
 */
import type { DataIdentity, Upstream } from "../model/upstream.ts";
import type { Credentials } from "../model/config.ts";
import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";
import { join, list } from "./disk.ts";
import { errorText } from "./error_text.ts";
import { quoteLiteral } from "./quote.ts";
import { askByUrl, ReplicationSource } from "./replication_source.ts";

/** The users that the other members are asked as, and the name that they see. */
export interface Asking {
  readonly replication: Credentials;
  /** The user of pg_rewind, who may ask by SQL. */
  readonly sql: Credentials;
  readonly applicationName: string;
  readonly warn: (text: string) => void;
}

/** Makes the slot on the primary, or finds it there. */
export async function holdWal(leader: Upstream, slot: string, asking: Asking): Promise<void> {
  try {
    const source = await ReplicationSource.open(leader.connUrl, asking.replication, asking.applicationName);
    try {
      if (!await source.inRecovery()) await source.ensureSlot(slot);
    } finally {
      source.close();
    }
  } catch (error) {
    // The copy itself is protected by its own temporary slot; only the time after it is not.
    asking.warn(`could not make the replication slot ${slot} on ${leader.name}: ${errorText(error)}`);
  }
}

/**
 * Why the data of `from` is not what the copy is to be of; null: it is, or the server does not say. An
 * address may lead to another server than the one that published it.
 */
export async function whyOtherData(
  from: Upstream,
  of: DataIdentity,
  asking: Asking,
): Promise<string | null> {
  try {
    const source = await ReplicationSource.open(from.connUrl, asking.replication, asking.applicationName);
    try {
      const { systemId, timeline } = await source.identify();
      if (systemId !== of.systemId) {
        return `${from.name} (${from.connUrl}) has the system identifier ${systemId}, the cluster ${of.systemId}`;
      }
      return of.timeline === null || timeline === of.timeline
        ? null
        : `${from.name} is on timeline ${timeline}, the primary on ${of.timeline}`;
    } finally {
      source.close();
    }
  } catch (error) {
    asking.warn(`could not ask ${from.name} for its system identifier: ${errorText(error)}`);
    return null;
  }
}

/**
 * Why the primary may no longer have the WAL that follows the copy in `directory`; null: it has, or it could
 * not be asked.
 */
export async function whyWalGap(
  directory: string,
  segmentBytes: number,
  leader: Upstream,
  slot: string,
  asking: Asking,
): Promise<string | null> {
  try {
    const held = await heldFrom(leader, slot, asking);
    const segment = lastSegment(list(join(directory, "pg_wal")) ?? [], segmentBytes);
    if (held === null || segment === null) {
      asking.warn(`not known whether ${leader.name} has the WAL that follows the copy`);
      return null;
    }
    return held < segment + segmentBytes
      ? null
      : `the copy's WAL ends in the segment of ${formatLsn(segment)}, ` +
        `and the slot ${slot} on ${leader.name} holds WAL from ${
          formatLsn(held)
        } on: what is between may be gone`;
  } catch (error) {
    asking.warn(`could not ask ${leader.name} for the replication slot ${slot}: ${errorText(error)}`);
    return null;
  }
}

/** The beginning of the last WAL segment among `names`: a standby streams from there on. null: none. */
export function lastSegment(names: readonly string[], segmentBytes: number): Lsn | null {
  const starts = names.filter((name) => /^[0-9A-F]{24}$/.test(name)).map((name) =>
    parseInt(name.slice(8, 16), 16) * 2 ** 32 + parseInt(name.slice(16), 16) * segmentBytes
  );
  return starts.length === 0 ? null : Math.max(...starts);
}

function heldFrom({ connUrl }: Upstream, slot: string, asking: Asking): Promise<Lsn | null> {
  const { sql: credentials, applicationName } = asking;
  return askByUrl(connUrl, credentials, applicationName, async (connection) => {
    const rows = await connection.query(
      `SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = ${quoteLiteral(slot)}`,
    );
    return parseLsn(rows[0]?.restart_lsn ?? "");
  });
}
