/**
 * Notices a data directory that somebody has put back from a backup of its own: it has the name of the later
 * one (data_id.ts), and less in it. The latest checkpoint that was seen is kept outside of the directory. In
 * one directory it only goes forward, so that an earlier one tells another directory. What was put back from
 * after the checkpoint that was seen last is not noticed.
 */
import type { Lsn } from "../model/lsn.ts";
import type { FoundDirectory } from "./data_directory.ts";
import { exists, join, makeDirectory, readText, writeDurably } from "./disk.ts";

export interface SeenData {
  readonly dataId: string;
  readonly checkpointLsn: Lsn;
}

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
      const [, dataId, lsn] = /^([0-9a-f]{32}) (\d{1,16})\n$/.exec(readText(this.#file) ?? "") ?? [];
      this.#seen = dataId === undefined ? null : { dataId, checkpointLsn: Number(lsn) };
    }
    return this.#seen;
  }

  /** On disk when it resolves. One that is behind changes nothing. */
  async note(data: SeenData): Promise<void> {
    const { seen } = this;
    if (seen?.dataId === data.dataId && seen.checkpointLsn >= data.checkpointLsn) return;
    makeDirectory(this.#ownDir, 0o700);
    await writeDurably(this.#file, `${data.dataId} ${data.checkpointLsn}\n`, 0o600);
    this.#seen = data;
  }
}

/**
 * `seen`: of before `found` was read. While there is a backup_label, recovery begins before the checkpoint of
 * the control file, and sets it back.
 */
export function isPutBack({ directory }: FoundDirectory, seen: SeenData | null, dataDir: string): boolean {
  return directory.kind === "valid" && seen !== null && directory.dataId === seen.dataId &&
    directory.control.checkpointLsn < seen.checkpointLsn && !exists(join(dataDir, "backup_label"));
}
