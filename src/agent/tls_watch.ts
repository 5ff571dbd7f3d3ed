/**
 * Certificates of the connections between members that were renewed on the disk are taken without a signal. Looks at the
 * files' state, which is cheap, and reads them when it has changed.
 */
import { statSync } from "node:fs";
import type { Clock, TlsLayer } from "../../raft/mod.ts";
import type { Log } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import { readTls } from "./open_raft.ts";

const LOOK_MS = 10_000;

export class TlsWatch {
  readonly #tls: TlsLayer;
  readonly #config: () => LocalConfig;
  readonly #log: Log;
  /** Of the files that are in force, or were tried last. */
  #seen: string;

  constructor(tls: TlsLayer, config: () => LocalConfig, log: Log) {
    this.#tls = tls;
    this.#config = config;
    this.#log = log;
    this.#seen = stateOf(config());
  }

  start(clock: Clock): void {
    clock.after(LOOK_MS, () => {
      if (stateOf(this.#config()) !== this.#seen) this.read("they have changed on the disk");
      this.start(clock);
    });
  }

  /** Takes what the files hold now; what cannot be used is said, and what is in force goes on. */
  read(why: string): void {
    const config = this.#config();
    // Before reading: what changes meanwhile is seen at the next look.
    this.#seen = stateOf(config);
    try {
      const files = readTls(config);
      if (files === null) return;
      this.#tls.replace(files);
      this.#log.info("raft.tls", `certificates of the connections between members were read: ${why}`);
    } catch (error) {
      this.#log.error(
        "raft.tls",
        "the connections between members go on with the old certificate: " +
          (error instanceof Error ? error.message : String(error)),
      );
    }
  }
}

function stateOf({ raft: { tls } }: LocalConfig): string {
  if (tls === null) return "";
  return [tls.certfile, tls.keyfile, tls.cafile].map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found ? `${path} ${found.ino} ${found.size} ${found.mtimeMs}` : `${path} missing`;
  }).join("\n");
}
