/** Takes renewed certificates of the connections between members from the disk, without a signal. */
import { readFileSync } from "node:fs";
import type { Clock, TlsFiles, TlsLayer } from "../../../raft/mod.ts";
import { fileState } from "../../lib/file_state.ts";
import type { Log } from "../../lib/log.ts";
import { WatchedFiles } from "../../lib/watched_files.ts";
import type { LocalConfig } from "../../model/config.ts";
import { ownCertificateFlaw } from "./raft_certificate.ts";

const LOOK_MS = 10_000;

export class TlsWatch {
  readonly #files: WatchedFiles;

  constructor(tls: TlsLayer, config: () => LocalConfig, log: Log) {
    this.#files = new WatchedFiles({
      state: () => stateOf(config()),
      take: (why) => {
        const files = readTls(config());
        if (files === null) return;
        tls.replace(files);
        log.info("raft.tls", `certificates of the connections between members were read: ${why}`);
      },
      failed: (reason) =>
        log.error(
          "raft.tls",
          `the connections between members go on with the old certificate: ${reason}`,
        ),
    });
  }

  start(clock: Clock): void {
    clock.after(LOOK_MS, () => {
      this.#files.look();
      this.start(clock);
    });
  }

  /**
   * Takes the present files. Files that cannot be used are logged, and the certificates in force stay until a
   * later look can use them.
   */
  read(why: string): void {
    this.#files.takeNow(why);
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
