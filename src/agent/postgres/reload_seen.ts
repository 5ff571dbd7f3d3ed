/**
 * Which of a server's processes have read a setting after a reload. A signal says nothing about that: each
 * process reads the files when it comes to it.
 */
import type { Connection } from "../../postgres/connection.ts";
import type { PostgresContext } from "./context.ts";
import { sleep } from "./wait.ts";

type Parts = Pick<PostgresContext["parts"], "server" | "clock">;

const POLL_MS = 20;
/** What an effect waits for such a process before it is begun anew. */
const READ_LIMIT_MS = 10_000;
export const LIMIT_MS = 5_000;

/** False: it was not seen in time, or nobody asks for it any more. */
async function isSeen(
  clock: Parts["clock"],
  isStale: () => boolean,
  look: () => Promise<boolean>,
): Promise<boolean> {
  const untilMs = clock.now() + READ_LIMIT_MS;
  while (!isStale() && clock.now() < untilMs) {
    if (await look()) return true;
    await sleep(clock, POLL_MS);
  }
  return false;
}

/**
 * The postmaster has read that `setting` is `wanted`, and has signalled all its processes. A new connection
 * is its child, and has what it has read. It signals all its processes before it accepts another connection.
 */
export async function hasRead(
  setting: string,
  wanted: string,
  { server, clock }: Parts,
  isStale: () => boolean,
): Promise<boolean> {
  const options = { applicationName: "agent sync", statementTimeoutMs: LIMIT_MS };
  const isPresent = () =>
    server.with(options, async (connection) => {
      const [row] = await connection.query(`SELECT current_setting('${setting}') AS present`);
      return row?.present === wanted;
    });
  return await isSeen(clock, isStale, isPresent) && !isStale();
}

/**
 * Every WAL sender that may let commits go goes by what the postmaster has read. A sender reads the files at
 * the top of its loop, before it reads an answer of its standby; so one that stands still in between lets go,
 * by the setting from before, what that answer confirms. Two things show that a sender is past that point: it
 * waits in its loop (WalSenderMain), which goes on at the top; or its standby has flushed WAL that was
 * inserted since, which it has sent in one turn of its loop and was told of in a later one.
 */
export async function sendersHaveRead(
  connection: Pick<Connection, "query">,
  { clock }: Pick<Parts, "clock">,
  isStale: () => boolean,
): Promise<boolean> {
  const [row] = await connection.query("SELECT pg_current_wal_insert_lsn() AS inserted");
  let unseen: readonly string[] | null = null;
  return await isSeen(clock, isStale, async () => {
    const rows = await connection.query(undecidedSenders(row?.inserted ?? ""));
    const pids = rows.map(({ pid }) => pid ?? "");
    // Those that have come since are children of a postmaster that has read it.
    unseen = unseen === null ? pids : unseen.filter((pid) => pids.includes(pid));
    return unseen.length === 0;
  });
}

/** One that starts, catches up or sends a base backup lets nothing go in this turn of its loop. */
function undecidedSenders(insertedLsn: string): string {
  return `
SELECT sender.pid FROM pg_stat_replication AS sender LEFT JOIN pg_stat_activity AS process USING (pid)
WHERE sender.sync_priority > 0 AND sender.state IN ('streaming', 'stopping')
  AND process.wait_event IS DISTINCT FROM 'WalSenderMain'
  AND NOT coalesce(sender.flush_lsn > '${insertedLsn}'::pg_lsn, false)`;
}

/**
 * The startup process goes by what the postmaster has read: it asks for no WAL receiver by the upstream from
 * before. It reads the files between two records, and again before it turns from a source of WAL that has
 * nothing more to the next one. So one that waits, for anything but a disk, or that goes on from record to
 * record, comes to that first.
 */
export async function startupHasRead(
  connection: Pick<Connection, "query">,
  { clock }: Pick<Parts, "clock">,
  isStale: () => boolean,
): Promise<boolean> {
  let replayed: string | null | undefined;
  let moves = -1;
  return await isSeen(clock, isStale, async () => {
    const [row] = await connection.query(STARTUP_QUERY);
    if (row === undefined || row.waits === "t") return true;
    if (row.replayed !== replayed) moves++;
    replayed = row.replayed;
    // The first of them may have begun before the signal.
    return moves === 2;
  });
}

const STARTUP_QUERY = `
SELECT coalesce(wait_event_type NOT IN ('IO', 'LWLock'), false) AS waits, pg_last_wal_replay_lsn() AS replayed
FROM pg_stat_activity WHERE backend_type = 'startup'`;
