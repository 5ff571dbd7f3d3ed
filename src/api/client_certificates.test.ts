/** How long a client certificate counts: not after its end, and not under another authority. */
import { afterEach, beforeEach, expect, setSystemTime, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Authority } from "../../raft/transport/testing_certificates.ts";
import type { LocalConfig, RestApiConfig } from "../model/config.ts";
import { type ApiServer, startApiServer } from "./server.ts";
import { StubPort } from "./testing.ts";

type VerifyClient = RestApiConfig["verifyClient"];
type Version = "TLSv1.2" | "TLSv1.3";

const AFTER_THE_END = new Date("2120-01-02T00:00:00Z");
const authority = new Authority("authority");
const files = authority.issue({ names: ["127.0.0.1"] });
const client = authority.issue({ commonName: "client" });

let directory: string;
let stub: StubPort;
let server: ApiServer;
const sockets: TLSSocket[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "api-clients-"));
  install("cert.pem", files.cert);
  install("key.pem", files.key);
  install("ca.pem", authority.ca);
});
afterEach(async () => {
  setSystemTime();
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.stop();
  rmSync(directory, { recursive: true });
});

function install(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

function configOf(verifyClient: VerifyClient, port: number): LocalConfig {
  return stub.useTls(directory, verifyClient, port);
}

function start(verifyClient: VerifyClient): void {
  stub = new StubPort();
  server = startApiServer(stub, configOf(verifyClient, 0), {
    onError: (error) => expect.unreachable(String(error)),
  });
}

/** Connects and keeps the connection; `session`: that of an earlier one. */
function open(
  version: Version,
  session?: Buffer,
  { cert, key }: { readonly cert?: string; readonly key?: string } = client,
): Promise<{ socket: TLSSocket; session: Promise<Buffer> }> {
  const opened = Promise.withResolvers<{ socket: TLSSocket; session: Promise<Buffer> }>();
  const saved = Promise.withResolvers<Buffer>();
  const versions = { minVersion: version, maxVersion: version };
  const options = { host: "127.0.0.1", port: server.port, ca: authority.ca, cert, key, session, ...versions };
  const socket = connect(options, () => opened.resolve({ socket, session: saved.promise }));
  sockets.push(socket);
  socket.on("session", saved.resolve);
  socket.on("error", opened.reject);
  return opened.promise;
}

/** Status of an answer on this connection; null: it was closed instead. */
function ask(socket: TLSSocket, method: "GET" | "POST", path: string): Promise<number | null> {
  return new Promise((resolve) => {
    socket.once("data", (chunk: Buffer) => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(String(chunk))?.[1])));
    socket.once("close", () => resolve(null));
    socket.once("error", () => resolve(null));
    if (socket.destroyed) return resolve(null);
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
  });
}

const REFUSED: readonly [VerifyClient, number | null][] = [["optional", 403], ["required", null]];

for (const [mode, refused] of REFUSED) {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`${mode}, ${version}: a certificate that has ended counts neither on a kept connection nor in a resumed session`, async () => {
      start(mode);
      const { socket, session } = await open(version);
      expect(await ask(socket, "POST", "/reload")).toBe(202);
      const ticket = await session;
      setSystemTime(AFTER_THE_END);
      expect(await ask(socket, "POST", "/reload")).toBe(refused);
      const later = await open(version, ticket);
      expect(later.socket.isSessionReused()).toBe(true);
      expect(await ask(later.socket, "GET", "/primary")).toBe(mode === "required" ? null : 200);
      if (mode === "optional") expect(await ask(later.socket, "POST", "/reload")).toBe(403);
    });
  }

  test(`${mode}: connections end with the authority that their certificates were judged by`, async () => {
    start(mode);
    const early = (await open("TLSv1.3")).socket;
    expect(await ask(early, "POST", "/reload")).toBe(202);
    // A renewed certificate of the server ends nothing.
    const renewed = authority.issue({ names: ["127.0.0.1"] });
    install("cert.pem", renewed.cert);
    install("key.pem", renewed.key);
    server.reload(configOf(mode, server.port));
    expect(await ask(early, "POST", "/reload")).toBe(202);
    const late = (await open("TLSv1.3")).socket;
    expect(await ask(late, "POST", "/reload")).toBe(202);
    install("ca.pem", new Authority("another authority").ca);
    server.reload(configOf(mode, server.port));
    expect(await Promise.all([early, late].map((socket) => ask(socket, "POST", "/reload")))).toEqual([
      null,
      null,
    ]);
  });
}

test("connections without a certificate end when it becomes required", async () => {
  start("optional");
  const { socket } = await open("TLSv1.3", undefined, {});
  expect(await ask(socket, "GET", "/primary")).toBe(200);
  server.reload(configOf("required", server.port));
  expect(await ask(socket, "GET", "/primary")).toBe(null);
});
