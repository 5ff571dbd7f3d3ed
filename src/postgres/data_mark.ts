/**
 * Notices a data directory that somebody has put in the place of a later one, from a backup or from another
 * host: it has a name by which data of this member is known (data_id.ts), and perhaps less in it. The names
 * that this host's data has had are kept outside of the directory, each with the latest checkpoint that was
 * seen under it. In one directory the checkpoint only goes forward, so that an earlier one tells another
 * directory. So does a directory that was shut down at that checkpoint, when a primary had been started from
 * it: PostgreSQL shuts down with a new one, whatever has been written (CreateCheckPoint skips an idle one,
 * but not at a shutdown), and a primary that crashed says "in production". A standby may be shut down at a
 * checkpoint where it was already. A base backup has a backup_label, which PostgreSQL takes away when it
 * starts from it: under the name of data from which a server has run, it is a backup of that one.
 *
 * What is not noticed: a copy of the files, or a snapshot, of a running or crashed server, or of a standby,
 * that was made since the checkpoint that was seen last; nor one that was made as an exclusive backup since
 * then, nor a base backup from which somebody has started a server. A holder with less than its standby has
 * replayed is found all the same (src/brain/keep/short_data.ts).
 */
import { WorkQueue } from "../lib/work_queue.ts";
import type { Lsn } from "../model/lsn.ts";
import type { DataDirectory } from "../model/postgres_view.ts";
import { join, makeDirectory, readText, writeDurably } from "./disk.ts";

export interface SeenData {
  readonly dataId: string;
  /** 0: no server has been seen that ran from it. */
  readonly checkpointLsn: Lsn;
  /** It was a primary's since that checkpoint. */
  readonly inProduction: boolean;
}

/** The latest last. */
export type KnownData = readonly SeenData[];

/** Data whose name is forgotten counts as that of another host: nothing is lost by that. */
const MOST_NAMES = 16;
const MARK = /^([0-9a-f]{32}) (\d{1,16})( in production)?$/;

export class DataMark {
  readonly #ownDir: string;
  readonly #file: string;
  /** As the file has it; undefined: it was not read yet. */
  #known: KnownData | undefined = undefined;
  readonly #turns = new WorkQueue();

  /** `ownDir`: a directory of the agent, outside of the data directory. */
  constructor(ownDir: string) {
    this.#ownDir = ownDir;
    this.#file = join(ownDir, "data_checkpoint");
  }

  get known(): KnownData {
    return this.#known ??= (readText(this.#file) ?? "").split("\n").flatMap((line) => {
      const [, dataId, lsn, production] = MARK.exec(line) ?? [];
      if (dataId === undefined) return [];
      return { dataId, checkpointLsn: Number(lsn), inProduction: production !== undefined };
    });
  }

  /** On disk when it resolves. What says no more than is known changes nothing. */
  note(data: SeenData): Promise<void> {
    return this.#turns.take(async () => {
      const known = withData(this.known, data);
      if (known === null) return;
      makeDirectory(this.#ownDir, 0o700);
      await writeDurably(this.#file, known.map(line).join(""), 0o600);
      this.#known = known;
    });
  }
}

function line({ dataId, checkpointLsn, inProduction }: SeenData): string {
  return `${dataId} ${checkpointLsn}${inProduction ? " in production" : ""}\n`;
}

/** Pure. null: it says no more than is known. */
export function withData(known: KnownData, data: SeenData): KnownData | null {
  const seen = seenAs(known, data.dataId);
  if (seen !== null && !isLater(data, seen)) return null;
  return [...known.filter((each) => each !== seen), data].slice(-MOST_NAMES);
}

function seenAs(known: KnownData, dataId: string | undefined): SeenData | null {
  return known.find((each) => each.dataId === dataId) ?? null;
}

function isLater(data: SeenData, seen: SeenData): boolean {
  if (data.checkpointLsn !== seen.checkpointLsn) return data.checkpointLsn > seen.checkpointLsn;
  return data.inProduction && !seen.inProduction;
}

/** How a directory is known to hold other data than its name says. */
export type OtherData =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "backup" }
  | { readonly kind: "earlier" | "shut-down"; readonly seen: SeenData };

/** `known`: of before the directory was read. null: it is not, or it has no name. */
export function otherDataIn(directory: DataDirectory, known: KnownData, dataDir: string): OtherData | null {
  return otherData(directory, known, () => isBackedUp(readText(join(dataDir, "backup_label"))));
}

/**
 * By the text of its backup_label. PostgreSQL 13 and 14 put one into the directory of the server itself while
 * an exclusive backup of it is made (pg_start_backup).
 */
function isBackedUp(label: string | null): boolean {
  return label !== null && !/^BACKUP METHOD: pg_start_backup$/m.test(label);
}

/** Pure. `isBackup`: whether it has a backup_label. */
export function otherData(
  directory: DataDirectory,
  known: KnownData,
  isBackup: () => boolean,
): OtherData | null {
  if (directory.kind !== "valid" || directory.dataId === undefined) return null;
  const seen = seenAs(known, directory.dataId);
  // Notes are lost with the raft directory alone, and a member without its raft directory has no vote.
  if (seen === null) return known.length === 0 ? null : { kind: "elsewhere" };
  const { checkpointLsn, clusterState } = directory.control;
  if (checkpointLsn < seen.checkpointLsn) return { kind: "earlier", seen };
  const isShutDown = seen.inProduction && clusterState === "shut down";
  if (checkpointLsn === seen.checkpointLsn && isShutDown) return { kind: "shut-down", seen };
  return seen.checkpointLsn > 0 && isBackup() ? { kind: "backup" } : null;
}
