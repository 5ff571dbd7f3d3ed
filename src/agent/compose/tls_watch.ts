/**
 * Takes renewed certificates of the connections between members from the disk, without a signal. Looks at
 * the files' state, which is cheap, and reads them when it has changed.
 */
import { readFileSync } from "node:fs";
import type { Clock, TlsFiles, TlsLayer } from "../../../raft/mod.ts";
import { fileState } from "../../lib/file_state.ts";
import type { Log } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { ownCertificateFlaw } from "./raft_certificate.ts";

const LOOK_MS = 10_000;

export class TlsWatch {
  readonly #tls: TlsLayer;
  readonly #config: () => LocalConfig;
  readonly #log: Log;
  /** State of the files that are in force, or were tried last. */
  #seen: string;
  /** Why the present files are not in force; null: they are. Said once, and tried again at each look. */
  #failure: string | null = null;

  constructor(tls: TlsLayer, config: () => LocalConfig, log: Log) {
    this.#tls = tls;
    this.#config = config;
    this.#log = log;
    this.#seen = stateOf(config());
  }

  start(clock: Clock): void {
    clock.after(LOOK_MS, () => {
      const isNew = stateOf(this.#config()) !== this.#seen;
      // What failed may have had a cause outside of the files: no free file descriptor, a slow disk.
      if (isNew || this.#failure !== null) this.#read("they have changed on the disk", isNew);
      this.start(clock);
    });
  }

  /**
   * Takes the present files. Files that cannot be used are logged, and the certificates in force stay until a
   * later look can use them.
   */
  read(why: string): void {
    this.#read(why, true);
  }

  /** `isNew`: a failure is said even if it is the last one's again. */
  #read(why: string, isNew: boolean): void {
    const config = this.#config();
    // Noted before the files are read: a change in between is seen at the next look.
    this.#seen = stateOf(config);
    try {
      const files = readTls(config);
      if (files !== null) this.#tls.replace(files);
      this.#failure = null;
      if (files === null) return;
      this.#log.info("raft.tls", `certificates of the connections between members were read: ${why}`);
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      const isSaid = !isNew && failure === this.#failure;
      this.#failure = failure;
      if (isSaid) return;
      this.#log.error(
        "raft.tls",
        `the connections between members go on with the old certificate: ${failure}`,
      );
    }
  }
}

function stateOf({ raft: { tls } }: LocalConfig): string {
  return tls === null ? "" : fileState([tls.certfile, tls.keyfile, tls.cafile]);
}

/**
 * Certificates of the connections between members; null: none configured. Throws with the file's name when
 * one cannot be read, or is not this member's: the others would refuse it.
 */
export function readTls(config: LocalConfig): TlsFiles | null {
  const { tls } = config.raft;
  if (tls === null) return null;
  const read = (key: string, file: string) => {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new Error(
        `raft.tls.${key}: ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  const cert = read("certfile", tls.certfile);
  const flaw = ownCertificateFlaw(cert, config);
  if (flaw !== null) throw new Error(`raft.tls.certfile: ${tls.certfile}: ${flaw}`);
  return { cert, key: read("keyfile", tls.keyfile), ca: read("cafile", tls.cafile) };
}
