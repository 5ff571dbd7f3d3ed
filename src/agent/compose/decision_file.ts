/**
 * The file `log.decisions`: each decision that differs from the one before, with the view that it was made
 * of, for `agent replay`. It holds the cluster's configuration, so only its owner may read it. Nothing that
 * goes wrong here reaches the loop.
 */
import { basename, dirname } from "node:path";
import { type DecisionPair, recordLine } from "../../brain/replay.ts";
import type { Log } from "../../lib/log.ts";
import { RotatingFile } from "../../lib/rotating_file.ts";
import type { LocalConfig, LogConfig } from "../../model/config.ts";
import { VERSION } from "../../model/version.ts";

type Settings = Pick<LogConfig, "decisions" | "fileNum" | "fileSizeBytes">;

export interface DecisionFileOptions {
  /** In force: a reload may name another file, or none. */
  readonly config: () => Pick<LocalConfig, "name"> & { readonly log: Settings };
  readonly wallMs: () => number;
  readonly log: Log;
}

export class DecisionFile {
  readonly #options: DecisionFileOptions;
  #settings: Settings | null = null;
  #file: RotatingFile | null = null;
  /** A loss is logged once, until a line can be written again. */
  #isLosing = false;

  constructor(options: DecisionFileOptions) {
    this.#options = options;
  }

  /** Writes nothing where no file is configured. */
  record(pair: DecisionPair): void {
    const { config, wallMs } = this.#options;
    const { name, log } = config();
    const file = this.#open(log);
    if (file === null) return;
    const lostBefore = file.lost;
    try {
      const at = new Date(wallMs()).toISOString();
      file.write(recordLine({ version: VERSION, node: name, at, pair }));
    } catch (error) {
      return this.#lost(`a decision could not be written as text: ${String(error)}`);
    }
    if (file.lost > lostBefore) return this.#lost(`${log.decisions} cannot be written`);
    this.#isLosing = false;
  }

  #open(log: Settings): RotatingFile | null {
    if (log === this.#settings) return this.#file;
    this.#settings = log;
    this.#file?.close();
    const { decisions, fileNum, fileSizeBytes } = log;
    return this.#file = decisions === null ? null : new RotatingFile({
      dir: dirname(decisions),
      name: basename(decisions),
      fileNum,
      fileSizeBytes,
      mode: 0o600,
    });
  }

  #lost(why: string): void {
    if (this.#isLosing) return;
    this.#isLosing = true;
    this.#options.log.warning("log.decisions", `${why}: decisions are not recorded`);
  }
}
