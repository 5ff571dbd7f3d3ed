/**
 * Notices a data directory that somebody has put back from a backup of its own: it has the name of the later
 * one (data_id.ts), and less in it. The latest checkpoint that was seen is kept outside of the directory. In
 * one directory it only goes forward, so that an earlier one tells another directory. So does a directory
 * that was shut down at that checkpoint, when a primary had been started from it: PostgreSQL shuts down with
 * a new one, whatever has been written (CreateCheckPoint skips an idle one, but not at a shutdown), and a
 * primary that crashed says "in production". A standby may be shut down at a checkpoint where it was already.
 *
 * What is not noticed: a copy of a running or crashed server, or of a standby, that was made since the
 * checkpoint that was seen last.
 */
import type { Lsn } from "../model/lsn.ts";
import type { FoundDirectory } from "./data_directory.ts";
import { exists, join, makeDirectory, readText, writeDurably } from "./disk.ts";

export interface SeenData {
  readonly dataId: string;
  readonly checkpointLsn: Lsn;
  /** It was a primary's since that checkpoint. */
  readonly inProduction: boolean;
}

const MARK = /^([0-9a-f]{32}) (\d{1,16})( in production)?\n$/;

export class DataMark {
  readonly #ownDir: string;
  readonly #file: string;
  /** As the file has it; undefined: it was not read yet. */
  #seen: SeenData | null | undefined = undefined;

  /** `ownDir`: a directory of the agent, outside of the data directory. */
  constructor(ownDir: string) {
    this.#ownDir = ownDir;
    this.#file = join(ownDir, "data_checkpoint");
  }

  /** null: nothing was seen, or the file is not the agent's. */
  get seen(): SeenData | null {
    if (this.#seen === undefined) {
      const [, dataId, lsn, production] = MARK.exec(readText(this.#file) ?? "") ?? [];
      this.#seen = dataId === undefined
        ? null
        : { dataId, checkpointLsn: Number(lsn), inProduction: production !== undefined };
    }
    return this.#seen;
  }

  /** On disk when it resolves. One that is behind changes nothing. */
  async note(data: SeenData): Promise<void> {
    const { seen } = this;
    if (seen?.dataId === data.dataId && !isLater(data, seen)) return;
    makeDirectory(this.#ownDir, 0o700);
    const production = data.inProduction ? " in production" : "";
    await writeDurably(this.#file, `${data.dataId} ${data.checkpointLsn}${production}\n`, 0o600);
    this.#seen = data;
  }
}

function isLater(data: SeenData, seen: SeenData): boolean {
  if (data.checkpointLsn !== seen.checkpointLsn) return data.checkpointLsn > seen.checkpointLsn;
  return data.inProduction && !seen.inProduction;
}

/**
 * `seen`: of before `found` was read. While there is a backup_label, recovery begins before the checkpoint of
 * the control file, and sets it back.
 */
export function isPutBack({ directory }: FoundDirectory, seen: SeenData | null, dataDir: string): boolean {
  if (directory.kind !== "valid" || seen === null || directory.dataId !== seen.dataId) return false;
  if (exists(join(dataDir, "backup_label"))) return false;
  const { checkpointLsn, clusterState } = directory.control;
  return checkpointLsn < seen.checkpointLsn ||
    (checkpointLsn === seen.checkpointLsn && seen.inProduction && clusterState === "shut down");
}
