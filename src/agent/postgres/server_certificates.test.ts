/** With a real server: test/e2e_tls.test.ts. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../../raft/node/testing.ts";
import type { ServerCertificateFiles } from "../../model/certificate.ts";
import type { PostgresContext } from "./context.ts";
import { renewedFiles, ServerCertificates, tlsFiles } from "./server_certificates.ts";

const SETTINGS = {
  ssl: "on",
  ssl_cert_file: "/etc/ssl/server.crt",
  ssl_key_file: "server.key",
  ssl_ca_file: "",
  loaded: "1000",
};
const FILES = ["/etc/ssl/server.crt", "/data/server.key"];

test("the files of a server with TLS are known, relative ones in its directory", () => {
  const [cert, key] = FILES;
  expect(tlsFiles(SETTINGS, "/data")).toEqual(new Map([["ssl_cert_file", cert!], ["ssl_key_file", key!]]));
  expect(tlsFiles({ ...SETTINGS, ssl: "off" }, "/data")).toEqual(new Map());
  expect(tlsFiles({}, "/data")).toEqual(new Map());
});

test("files that changed after the server had read them are renewed", () => {
  const renewed = (times: { readonly [path: string]: number }) =>
    renewedFiles(FILES, 1000, (path) => times[path] ?? null).map(({ file }) => file);
  expect(renewed({ "/etc/ssl/server.crt": 999, "/data/server.key": 1000 })).toEqual([]);
  expect(renewed({ "/etc/ssl/server.crt": 1001, "/data/server.key": 1000 })).toEqual([FILES[0]!]);
  expect(renewed({ "/etc/ssl/server.crt": 1001, "/data/server.key": 1001 })).toEqual(FILES);
  expect(renewed({})).toEqual([]);
});

/** `taken`: whether the guard takes the signal to reload. */
function serverWith(directory: string, taken: () => boolean) {
  const clock = new ManualClock();
  const rows = [
    { name: "ssl", setting: "on" },
    { name: "ssl_cert_file", setting: join(directory, "server.crt") },
    { name: "loaded", setting: "1000" },
  ];
  let reloads = 0;
  const used: ServerCertificateFiles[] = [];
  const context = {
    dataDir: directory,
    info: () => {},
    reload: () => (reloads++, Promise.resolve(taken())),
    parts: {
      clock,
      certificatesUsed: (files: ServerCertificateFiles) => void used.push(files),
      memory: { server: { pid: 7, ready: true } },
      log: { debug: (_: string, text: string) => fail(text) },
      server: { with: (_: unknown, use: (c: unknown) => unknown) => use({ query: () => rows }) },
    },
  } as unknown as PostgresContext;
  return { certificates: new ServerCertificates(context), clock, used, reloads: () => reloads };
}

function fail(text: string): never {
  throw new Error(text);
}

test("files of which the server was told are told once; a reload that failed does not count", async () => {
  const directory = mkdtempSync(join(tmpdir(), "server-certificates-"));
  try {
    writeFileSync(join(directory, "server.crt"), "renewed");
    let isTaken = false;
    const { certificates, clock, used, reloads } = serverWith(directory, () => isTaken);
    // The question is asked anew after five minutes.
    const lookLater = async () => {
      clock.advance(300_001);
      await certificates.look();
    };
    await certificates.look();
    expect(reloads()).toBe(1);
    expect(used).toEqual([{ certfile: join(directory, "server.crt"), cafile: null }]);
    isTaken = true;
    await lookLater();
    expect(reloads()).toBe(2);
    await lookLater();
    expect(reloads()).toBe(2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
