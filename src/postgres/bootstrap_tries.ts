/**
 * How often in a row this node has begun to make the first data directory of a cluster, and has not come to
 * the end. A bootstrap that fails ends the agent, and what supervises the agent starts it again at once.
 * Without a pause a restore that fails would begin anew each second: it would load the archive, and each time
 * one more directory would be set aside, and an older one removed for it.
 */
import { pauseAfter } from "../model/pause_after.ts";
import { join, makeDirectory, readText, removeFile, writeAtomically } from "./disk.ts";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;

export class BootstrapTries {
  readonly #ownDir: string;
  readonly #file: string;

  /** `ownDir`: a directory of the agent, outside of the data directory. */
  constructor(ownDir: string) {
    this.#ownDir = ownDir;
    this.#file = join(ownDir, "bootstrap.tries");
  }

  /** How long the next one has to wait. `nowMs`: the time of day, which may have been set back. */
  pauseMs(nowMs: number): number {
    const { tries, atMs } = this.#read();
    const pause = pauseAfter(tries, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
    return Math.min(pause, Math.max(0, atMs + pause - nowMs));
  }

  begin(nowMs: number): void {
    this.#write(this.#read().tries + 1, nowMs);
  }

  /** The pause counts from now. */
  failed(nowMs: number): void {
    this.#write(this.#read().tries, nowMs);
  }

  done(): void {
    removeFile(this.#file);
  }

  /** No file, or one that is not the agent's: none failed. */
  #read(): { tries: number; atMs: number } {
    const [, tries, atMs] = /^(\d{1,6}) (\d{1,15})\n$/.exec(readText(this.#file) ?? "") ?? [];
    return { tries: Number(tries ?? 0), atMs: Number(atMs ?? 0) };
  }

  #write(tries: number, atMs: number): void {
    makeDirectory(this.#ownDir, 0o700);
    writeAtomically(this.#file, `${tries} ${Math.round(atMs)}\n`, 0o600);
  }
}
