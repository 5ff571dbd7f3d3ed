import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsFiles, TlsLayer } from "../../raft/mod.ts";
import { ManualClock } from "../../raft/node/testing.ts";
import type { Log } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import { TlsWatch } from "./tls_watch.ts";

test("certificates that change on the disk are taken once; half of a pair is refused, and the other half mends it", () => {
  const directory = mkdtempSync(join(tmpdir(), "tls-watch-"));
  try {
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    for (const name of ["cert", "key", "ca"]) write(name, "old");
    const path = (name: string) => join(directory, name);
    const tls = { certfile: path("cert"), keyfile: path("key"), cafile: path("ca") };
    const config = { raft: { tls } } as LocalConfig;
    const taken: TlsFiles[] = [];
    const layer = {
      replace(files: TlsFiles) {
        if (files.cert !== files.key) throw new Error("they do not belong together");
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

    write("cert", "renewed");
    clock.advance(60_000);
    expect(taken).toEqual([]);
    expect(said).toEqual([
      "error the connections between members go on with the old certificate: they do not belong together",
    ]);

    write("key", "renewed");
    clock.advance(60_000);
    expect(taken).toEqual([{ cert: "renewed", key: "renewed", ca: "old" }]);

    rmSync(path("ca"));
    clock.advance(10_000);
    expect(said.at(-1)).toContain("raft.tls.cafile");
    expect(taken).toHaveLength(1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
