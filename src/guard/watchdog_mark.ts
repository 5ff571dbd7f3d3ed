/**
 * A note on disk that the device runs because of this agent: an agent that was killed left it running, and
 * the next one, which may not be the holder any more, has to stop it, or the host is reset without need. Good
 * for one boot.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bootId } from "../lib/process_table.ts";

export class WatchdogMark {
  readonly #path: string;

  /** `directory`: raft.data_dir. */
  constructor(directory: string) {
    this.#path = join(directory, "run", "watchdog");
  }

  /** The device that was left running since this host booted; null: none. */
  read(): string | null {
    const [boot, device] = (readText(this.#path) ?? "").split("\n");
    return device !== undefined && boot === bootId() ? device : null;
  }

  /** Without a place to write it, a successor would not know: nothing worse. */
  set(device: string): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(this.#path, `${bootId()}\n${device}\n`, { mode: 0o600 });
    } catch (error) {
      if ((error as { code?: unknown }).code === undefined) throw error;
    }
  }

  clear(): void {
    rmSync(this.#path, { force: true });
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // there is none
  }
}
