/** What the agent knows of one running server. */
import type { Lsn } from "../../model/lsn.ts";
import type { ExemptCommits, PostgresView, Shutdown, SyncView } from "../../model/postgres_view.ts";
import type { ServerStatus } from "../../postgres/status_query.ts";
import type { WalEnd } from "../../postgres/wal_end.ts";

/** Memory of one postmaster; forgotten with it. */
export interface ServerMemory {
  readonly pid: number;
  /** It has answered, and has not said since that it is busy starting or stopping. */
  ready: boolean;
  status: ServerStatus | null;
  received: WalEnd | null;
  replayedLsn: Lsn | null;
  /** A stop that is only being prepared (by a checkpoint) changes nothing until it is announced. */
  shutdown: Shutdown | null;
  /** End of valid WAL on disk at its start, which a restarted server does not report. */
  floor: WalEnd | null;
  slots: PostgresView["slots"];
  /** How far the standbys that stream from it have flushed. */
  flushed: SyncView["flushed"];
  /** It has read the setting that `sync` asks for. */
  syncLoaded: boolean;
  /** The synchronous standbys that others have set here, which nobody has been told of yet; null: none. */
  othersSync: string | null;
  /** Its checkpointer has every commit wait. */
  commitsWait: boolean;
  /** See SyncView. */
  settledLsn: Lsn | null;
  /** See SyncView. */
  exempt: readonly ExemptCommits[];
  /** The epoch under which it has completed a write; null: none yet. */
  wroteUnder: number | null;
}

/** `floor`: see there. `commitsWait`: by the files that it was started with. */
export function newServer(pid: number, floor: WalEnd | null, commitsWait: boolean): ServerMemory {
  return {
    pid,
    ready: false,
    status: null,
    shutdown: null,
    received: null,
    replayedLsn: null,
    floor,
    slots: [],
    flushed: {},
    commitsWait,
    syncLoaded: false,
    othersSync: null,
    settledLsn: null,
    exempt: [],
    wroteUnder: null,
  };
}

/** Nothing less is a vote. */
export function isWhole(end: WalEnd | null): end is WalEnd {
  return end !== null && end.isPart !== true;
}

/** Without the end of WAL at its start nothing says what a server had received before. */
export function furthest({ floor, received }: ServerMemory): WalEnd | null {
  if (!isWhole(floor) || received === null) return null;
  const isFloor = floor.timeline > received.timeline ||
    (floor.timeline === received.timeline && floor.lsn > received.lsn);
  return isFloor ? floor : received;
}

/** The end of all WAL that is known to be on a running standby's disk; null: it has not answered yet. */
export function endOfWal(server: ServerMemory | null): WalEnd | null {
  const { timeline, replayLsn } = server?.status ?? { timeline: null, replayLsn: null };
  if (timeline === null || replayLsn === null) return null;
  return [server!.floor, server!.received].reduce<WalEnd>((end, one) => {
    if (one === null || one.timeline < end.timeline) return end;
    return one.timeline > end.timeline || one.lsn > end.lsn ? one : end;
  }, { timeline, lsn: replayLsn });
}
