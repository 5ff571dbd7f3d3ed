import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsFiles, TlsLayer } from "../../../raft/mod.ts";
import { ManualClock } from "../../../raft/node/testing.ts";
import type { Log } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { Authority } from "../../../raft/transport/testing_certificates.ts";
import { readTls, TlsWatch } from "./tls_watch.ts";

const AUTHORITY = new Authority("ca");
const [old, renewed] = [AUTHORITY.issue({ names: ["10.0.0.1"] }), AUTHORITY.issue({ names: ["10.0.0.1"] })];

test("certificates that change on the disk are taken once; half of a pair is refused, and the other half mends it", () => {
  const directory = mkdtempSync(join(tmpdir(), "tls-watch-"));
  try {
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    write("cert", old.cert);
    for (const name of ["key", "ca"]) write(name, "old");
    const path = (name: string) => join(directory, name);
    const tls = { certfile: path("cert"), keyfile: path("key"), cafile: path("ca") };
    const config = { name: "pg1", raft: { tls, selfAddr: "10.0.0.1:7000" } } as LocalConfig;
    const taken: TlsFiles[] = [];
    let isFull = false;
    const layer = {
      replace(files: TlsFiles) {
        if (isFull) throw new Error("no room");
        if (files.cert !== old.cert && files.key === "old") throw new Error("they do not belong together");
        taken.push(files);
      },
    } as TlsLayer;
    const said: string[] = [];
    const log = {
      info: (_: string, text: string) => void said.push(`info ${text}`),
      error: (_: string, text: string) => void said.push(`error ${text}`),
    } as unknown as Log;
    const clock = new ManualClock();
    new TlsWatch(layer, () => config, log).start(clock);
    clock.advance(60_000);
    expect(taken).toEqual([]);

    write("cert", renewed.cert);
    clock.advance(60_000);
    expect(taken).toEqual([]);
    expect(said).toEqual([
      "error the connections between members go on with the old certificate: they do not belong together",
    ]);

    write("key", "renewed");
    clock.advance(60_000);
    expect(taken).toEqual([{ cert: renewed.cert, key: "renewed", ca: "old" }]);

    rmSync(path("ca"));
    clock.advance(10_000);
    expect(said.at(-1)).toContain("raft.tls.cafile");
    expect(taken).toHaveLength(1);

    // As a directory that may not be entered: what cannot even be looked at is said, and ends nobody.
    symlinkSync(path("ca"), path("ca"));
    clock.advance(10_000);
    expect(said).toHaveLength(4);
    expect(said.at(-1)).toContain("raft.tls.cafile");

    // Said once as long as it is the same, and tried again without a change of the files.
    isFull = true;
    rmSync(path("ca"));
    write("ca", "renewed");
    clock.advance(60_000);
    expect(said.slice(4)).toEqual([expect.stringContaining("no room")]);
    isFull = false;
    clock.advance(10_000);
    expect(taken.at(-1)).toEqual({ cert: renewed.cert, key: "renewed", ca: "renewed" });
    expect(said).toHaveLength(6);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a certificate that is not this member's is not taken, naming the file and what it must hold", () => {
  const directory = mkdtempSync(join(tmpdir(), "tls-watch-"));
  try {
    const path = join(directory, "cert");
    const read = (cert: string, selfAddr: string | null) => {
      writeFileSync(path, cert);
      const tls = { certfile: path, keyfile: path, cafile: path };
      return () => readTls({ name: "pg1", raft: { tls, selfAddr } } as LocalConfig);
    };
    expect(read(old.cert, "10.0.0.1:7000")).not.toThrow();
    expect(read(old.cert, "10.0.0.2:7000"))
      .toThrow(
        /^raft\.tls\.certfile: .*cert: .* the member at 10\.0\.0\.2:7000: .* must hold IP:10\.0\.0\.2/,
      );
    expect(read(old.cert, null)).toThrow("must hold DNS:pg1");
    expect(read(AUTHORITY.issue({ names: ["pg1"] }).cert, null)).not.toThrow();
    expect(read("no certificate", "10.0.0.1:7000")).toThrow(/^raft\.tls\.certfile: .*no certificate in PEM/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
