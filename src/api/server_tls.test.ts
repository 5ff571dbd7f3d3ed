/** HTTPS: who may come without a client certificate, and how a renewed certificate gets into service. */
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { askFailsafe } from "../agent/rest/ask_member.ts";
import { MemoryLog } from "../lib/log.ts";
import type { LocalConfig, RestApiConfig } from "../model/config.ts";
import { ApiClient, type ClientTls } from "./client.ts";
import * as certificates from "./certificates.ts";
import { ListenError } from "./listen_error.ts";
import { type ApiServer, startApiServer } from "./server.ts";
import { StubPort } from "./testing.ts";

// Made for this test alone, valid for 127.0.0.1 until 2126; the authority's key was thrown away.
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUAiuT/a9+QZtfrw+L2MNwOT9p1FgwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAwNjE2WhgPMjEy
NjEwMjgwMDA2MTZaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEz6EsTTE+5eLmT72H0q5ZOvf+IiK3uq5R3kCpJ6mk
S52XdG6bWHy7g7SmPAWAW9fWlNU48YTW2C30oJDzGDGkXaNTMFEwHQYDVR0OBBYE
FAI9zdV+5pvz2RBr1rz114IjfDlQMB8GA1UdIwQYMBaAFAI9zdV+5pvz2RBr1rz1
14IjfDlQMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAM7zqcpp
nCP+rhj6RTlzOkK12gtCiqzzETlcXZSDGc27AiEA5jiRJYUUag045jyzLSsOxd4N
9gBDS7tGwELblgrH5ew=
-----END CERTIFICATE-----
`;
const SERVER = `-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUFc6x/KZs2StKtfNdd5xNo7pXLmcwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAwNjE2WhgPMjEy
NjEwMjgwMDA2MTZaMBExDzANBgNVBAMMBnNlcnZlcjBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABC8NljHlhDAPTHzEXRY5+WV9ErEMsR2TEKb+uVyqy4kuYuVoMv7O
E12vK3Xi/8KAGIp8GpmV9VKP1g1u0RP4sQSjUzBRMA8GA1UdEQQIMAaHBH8AAAEw
HQYDVR0OBBYEFJo+L9FG8ulp0uUbMqlUtvDV9Q53MB8GA1UdIwQYMBaAFAI9zdV+
5pvz2RBr1rz114IjfDlQMAoGCCqGSM49BAMCA0gAMEUCIQCK4yMLE8UkJUq+kATG
yO2JGAsK4zu1C2AGCgoTDRb/xQIgNaMBnGcvH2luCIO+MWkP8vqka0vEKLP9/hob
wxkM2wI=
-----END CERTIFICATE-----
`;
const SERVER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIDuvYbCk/ClMPVHy
qdXY2xkL3bHSqg21Bl0qNhwZ0W6hRANCAAQvDZYx5YQwD0x8xF0WOfllfRKxDLEd
kxCm/rlcqsuJLmLlaDL+zhNdryt14v/CgBiKfBqZlfVSj9YNbtET+LEE
-----END PRIVATE KEY-----
`;
const RENEWED = `-----BEGIN CERTIFICATE-----
MIIBgzCCASigAwIBAgIUFc6x/KZs2StKtfNdd5xNo7pXLmgwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAwNjE2WhgPMjEy
NjEwMjgwMDA2MTZaMBIxEDAOBgNVBAMMB3JlbmV3ZWQwWTATBgcqhkjOPQIBBggq
hkjOPQMBBwNCAAQUva4S1h0O50iUCyFQYohKdaNfmHmcdg8Wp2YcgHMw1hXgFht3
OHGKXcvoydhleHWrVLExX5sGPKUmOsSif/wro1MwUTAPBgNVHREECDAGhwR/AAAB
MB0GA1UdDgQWBBSuwezbAZbGAAjP9+xEp6rOdT+fgjAfBgNVHSMEGDAWgBQCPc3V
fuab89kQa9a89deCI3w5UDAKBggqhkjOPQQDAgNJADBGAiEAztMz952QhwTHCY1w
g6XlweUTLpYxBo/Hc2+m0AOgj6cCIQDA7OKjvv/JGmsnFP3YX9NbkuYwbbiVMUSJ
/7Z9JdxYAg==
-----END CERTIFICATE-----
`;
const RENEWED_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgS9z1h0Ola6oZoepz
whPj5a/OzE4ve909lB7sv9bRzKGhRANCAAQUva4S1h0O50iUCyFQYohKdaNfmHmc
dg8Wp2YcgHMw1hXgFht3OHGKXcvoydhleHWrVLExX5sGPKUmOsSif/wr
-----END PRIVATE KEY-----
`;
const CLIENT = `-----BEGIN CERTIFICATE-----
MIIBgDCCASegAwIBAgIUFc6x/KZs2StKtfNdd5xNo7pXLmkwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAwNjE2WhgPMjEy
NjEwMjgwMDA2MTZaMBExDzANBgNVBAMMBmNsaWVudDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABGN/HcQlO8OVZh51NJiwE5AG4FubnErXUN/B7otsGF2pTPGMCsuz
IrSnThE1ImQkmyQx6oTRjqE3ztSvibqCOF+jUzBRMA8GA1UdEQQIMAaHBH8AAAEw
HQYDVR0OBBYEFEn5WMZ3fx4crujx306/OVbZJ+pAMB8GA1UdIwQYMBaAFAI9zdV+
5pvz2RBr1rz114IjfDlQMAoGCCqGSM49BAMCA0cAMEQCIHcPJDh7aJ9+Mc8Uo1+3
Aw8HaI8icuYwl6sin1HeNya2AiBX9+wS0kxVuOMnH/9Prz3TUPK32xFM/Hsj9GVl
TYS5CQ==
-----END CERTIFICATE-----
`;
const CLIENT_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfxtXXHvm8suxriJS
9sLxHuWrzxTRXiqYpSBRRNM9HquhRANCAARjfx3EJTvDlWYedTSYsBOQBuBbm5xK
11Dfwe6LbBhdqUzxjArLsyK0p04RNSJkJJskMeqE0Y6hN87Ur4m6gjhf
-----END PRIVATE KEY-----
`;

const WITH_CERTIFICATE: ClientTls = { ca: AUTHORITY, cert: CLIENT, key: CLIENT_KEY, insecure: false };
const WITHOUT_CERTIFICATE: ClientTls = { ca: AUTHORITY, insecure: false };

let directory: string;
const running: ApiServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "api-tls-"));
  install(SERVER, SERVER_KEY);
  writeFileSync(join(directory, "ca.pem"), AUTHORITY);
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  rmSync(directory, { recursive: true });
});

function install(certificate: string, key: string): void {
  writeFileSync(join(directory, "cert.pem"), certificate);
  writeFileSync(join(directory, "key.pem"), key);
}

/** With `port` 0 a free one. */
function configOf(
  verifyClient: RestApiConfig["verifyClient"],
  port = 0,
): { stub: StubPort; config: LocalConfig } {
  const stub = new StubPort();
  return { stub, config: stub.useTls(directory, verifyClient, port) };
}

function start(verifyClient: RestApiConfig["verifyClient"], port = 0): ApiServer {
  const { stub, config } = configOf(verifyClient, port);
  const server = startApiServer(stub, config, { onError: (error) => expect.unreachable(String(error)) });
  running.push(server);
  return server;
}

/** Status codes of a safe and of an unsafe request; null: no answer. */
async function codes(server: ApiServer, tls: ClientTls | null): Promise<(number | null)[]> {
  const client = new ApiClient({ timeoutMs: 2000, authentication: null, tls });
  const base = `https://127.0.0.1:${server.port}`;
  const replies = [
    await client.request(base, "GET", "/primary"),
    await client.request(base, "POST", "/reload"),
  ];
  return replies.map((reply) => reply.ok ? reply.status : null);
}

/** Name in the certificate that a new connection is shown. */
function shownName(server: ApiServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const tls = { ca: AUTHORITY, cert: CLIENT, key: CLIENT_KEY };
    const socket = connect({ host: "127.0.0.1", port: server.port, ...tls }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

const MATRIX: readonly [RestApiConfig["verifyClient"], (number | null)[], (number | null)[]][] = [
  ["none", [200, 202], [200, 202]],
  ["optional", [200, 403], [200, 202]],
  ["required", [null, null], [200, 202]],
];

for (const [mode, without, withOne] of MATRIX) {
  test(`verify_client: ${mode}`, async () => {
    const server = start(mode);
    expect(await codes(server, WITHOUT_CERTIFICATE)).toEqual(without);
    expect(await codes(server, WITH_CERTIFICATE)).toEqual(withOne);
  });

  test(`a renewed certificate is shown after a reload, with verify_client: ${mode}`, async () => {
    const server = start(mode);
    expect(await shownName(server)).toBe("server");
    install(RENEWED, RENEWED_KEY);
    server.reload(configOf(mode, server.port).config);
    expect(await shownName(server)).toBe("renewed");
  });

  test(`a port in use is an error, with verify_client: ${mode}`, () => {
    const server = start(mode);
    expect(() => start(mode, server.port)).toThrow(ListenError);
  });
}

test("a client trusts only the authority it was given, unless told to trust anyone", async () => {
  const server = start("none");
  expect(await codes(server, null)).toEqual([null, null]);
  expect(await codes(server, { insecure: true })).toEqual([200, 202]);
});

test("members ask each other in failsafe mode with their own certificates, and check the other's", async () => {
  const { stub, config } = configOf("required");
  stub.becomeStandby();
  stub.changeDynamic({ failsafeMode: true });
  const server = startApiServer(stub, config, { onError: (error) => expect.unreachable(String(error)) });
  running.push(server);
  const asked = (used: LocalConfig) =>
    new Promise<string | null>((resolve) =>
      askFailsafe(() => used, () => stub.view().dcs!.members.node2!)(
        `https://127.0.0.1:${server.port}/patroni`,
        { holder: "node2", epoch: 1, to: "node1", node: 1 },
        2000,
        resolve,
      )
    );
  expect(await asked(config)).toBe(null);
  expect(await asked({ ...config, restapi: { ...config.restapi, cafile: null } })).not.toBe(null);
  expect(await asked({ ...config, restapi: { ...config.restapi, certfile: null } })).not.toBe(null);
});

test("a certificate that cannot be read is an error that says so", () => {
  rmSync(join(directory, "cert.pem"));
  expect(() => start("none")).toThrow("restapi: cannot read the certificate files: ENOENT");
});

test("a reload with a broken certificate keeps the one in service", async () => {
  const server = start("none");
  install("no certificate", "no key");
  expect(() => server.reload(configOf("none", server.port).config)).toThrow(ListenError);
  expect(await shownName(server)).toBe("server");
});

test("a renewed certificate is taken from the disk, a half-replaced pair when it is whole", async () => {
  const { stub, config } = configOf("none");
  const log = new MemoryLog();
  const server = startApiServer(stub, config, { log });
  running.push(server);
  const { port } = server;
  const said = () => log.lines.filter((line) => line.includes("certificate"));
  server.look();
  expect(said()).toEqual([]);
  writeFileSync(join(directory, "cert.pem"), RENEWED);
  const listen = spyOn(Bun, "listen");
  try {
    server.look();
    server.look();
    // The port is not closed for half of a pair.
    expect(listen).toHaveBeenCalledTimes(0);
  } finally {
    listen.mockRestore();
  }
  expect(await shownName(server)).toBe("server");
  expect(said()).toEqual([
    expect.stringContaining(
      "ERROR: the REST API goes on with the old certificate: restapi: the certificate files cannot be used: " +
        "the key is not that of the certificate",
    ),
  ]);
  writeFileSync(join(directory, "key.pem"), RENEWED_KEY);
  server.look();
  expect(await shownName(server)).toBe("renewed");
  expect(said().at(-1)).toContain("INFO: certificates of the REST API were read");
  // Any free port was asked for, and the others know this one.
  expect(server.port).toBe(port);
});

test("files that cannot be read are said once, and taken as soon as they can be", async () => {
  const { stub, config } = configOf("none");
  const log = new MemoryLog();
  const server = startApiServer(stub, config, { log });
  running.push(server);
  const said = () => log.lines.filter((line) => line.includes("goes on with the old certificate"));
  install(RENEWED, RENEWED_KEY);
  const full = spyOn(certificates, "readCertificates").mockImplementation(() => {
    throw new Error("EMFILE");
  });
  try {
    for (let i = 0; i < 3; i++) server.look();
    expect(said()).toEqual([expect.stringContaining("EMFILE")]);
    expect(await shownName(server)).toBe("server");
  } finally {
    full.mockRestore();
  }
  server.look();
  expect(await shownName(server)).toBe("renewed");
  expect(said()).toHaveLength(1);
});

test("a listener that could be opened neither anew nor as before is opened by a later look", async () => {
  const { stub, config } = configOf("none");
  const log = new MemoryLog();
  const server = startApiServer(stub, config, { log });
  running.push(server);
  const { port } = server;
  install(RENEWED, RENEWED_KEY);
  const full = spyOn(Bun, "listen").mockImplementation(() => {
    throw new Error("EMFILE");
  });
  try {
    server.look();
    expect(log.lines.filter((line) => line.includes("nobody listens for the REST API"))).toHaveLength(1);
  } finally {
    full.mockRestore();
  }
  server.look();
  expect(await shownName(server)).toBe("renewed");
  expect(server.port).toBe(port);
});

test("restapi.ciphers limits the ciphers of TLS 1.2, and a list without any is an error", async () => {
  const { stub, config } = configOf("none");
  const withCiphers = (ciphers: string) => ({ ...config, restapi: { ...config.restapi, ciphers } });
  const server = startApiServer(stub, withCiphers("ECDHE-ECDSA-AES128-GCM-SHA256:!aNULL"), {});
  running.push(server);
  const cipherOf = (ciphers: string, maxVersion: "TLSv1.2" | "TLSv1.3") =>
    new Promise<string | null>((resolve) => {
      const tls = { ca: AUTHORITY, ciphers, maxVersion };
      const socket = connect({ host: "127.0.0.1", port: server.port, ...tls }, () => {
        resolve(socket.getCipher().name);
        socket.destroy();
      });
      socket.on("error", () => resolve(null));
    });
  const other = "ECDHE-ECDSA-AES256-GCM-SHA384";
  expect(await cipherOf("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2")).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
  expect(await cipherOf(other, "TLSv1.2")).toBe(null);
  expect(await cipherOf(other, "TLSv1.3")).toStartWith("TLS_");
  expect(() => server.reload(withCiphers("NONE-SUCH"))).toThrow(
    'restapi.ciphers: "NONE-SUCH" names no cipher that is known here',
  );
  server.reload(withCiphers(other));
  expect(await cipherOf(other, "TLSv1.2")).toBe(other);
});

test("a client is told what is wrong with a certificate, without advice for programmers", async () => {
  const { port } = start("none");
  const failure = async (url: string, tls: ClientTls | null) => {
    const client = new ApiClient({ timeoutMs: 5000, authentication: null, tls });
    const reply = await client.request(`${url}:${port}`, "GET", "/cluster");
    return reply.ok ? reply.status : reply.error;
  };
  expect(await failure("https://127.0.0.1", WITHOUT_CERTIFICATE)).toBe(200);
  expect(await failure("https://localhost", WITHOUT_CERTIFICATE)).toBe(
    "its certificate is for other hosts: it does not name this one",
  );
  expect(await failure("https://127.0.0.1", null)).toBe(
    "its certificate is not from an authority that is known here (ctl.cacert, restapi.cafile)",
  );
  expect(await failure("http://127.0.0.1", null)).toBe("the connection was closed before an answer came");
});
