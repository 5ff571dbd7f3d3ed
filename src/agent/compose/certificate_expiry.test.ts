import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Authority } from "../../../raft/transport/testing_certificates.ts";
import { MemoryLog } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { CertificateExpiry, lifeOf } from "./certificate_expiry.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const END_MS = Date.parse("2026-06-01T12:00:00.000Z");
const ENDS = new Date(END_MS).toISOString();

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "expiry-"))));
afterEach(() => rmSync(directory, { recursive: true }));

function watched(authority = new Authority("a", new Date(END_MS))) {
  const certfile = join(directory, "cert.pem");
  const cafile = join(directory, "ca.pem");
  writeFileSync(certfile, authority.issue().cert);
  writeFileSync(cafile, authority.ca);
  const log = new MemoryLog();
  const state = { wallMs: 0, certfile: certfile as string | null };
  const config = () =>
    ({ raft: { tls: null }, restapi: { certfile: state.certfile, cafile: null } }) as unknown as LocalConfig;
  const expiry = new CertificateExpiry({ config, wallMs: () => state.wallMs, log });
  let seen = 0;
  const at = async (leftMs: number) => {
    state.wallMs = END_MS - leftMs;
    await expiry.look();
    const lines = log.lines.slice(seen).map((line) => line.replaceAll(directory, ""));
    seen += lines.length;
    return lines;
  };
  return { expiry, state, at, certfile };
}

const ADVICE = "Put a renewed one in its place: it is taken without a restart";

test("a certificate that is not valid yet is told of once, with what the clock says", async () => {
  const authority = new Authority("a", new Date(END_MS));
  const { at } = watched(authority);
  const { ends, lifeMs } = lifeOf("restapi.certfile", authority.issue().cert)!;
  const begins = new Date(Date.parse(ends) - lifeMs).toISOString();
  const early = new Date(END_MS - lifeMs - 1000).toISOString();
  expect(await at(lifeMs + 1000)).toEqual([
    `ERROR: restapi.certfile: the certificate in /cert.pem is not valid before ${begins}, and the clock of this host ` +
    `says ${early}: nobody takes it by that clock. Set the clock, or put another one in its place`,
  ]);
  expect(await at(lifeMs + 500)).toEqual([]);
  expect(await at(lifeMs)).toEqual([]);
  expect(await at(lifeMs + 1000)).toHaveLength(1);
});

test("the end of a certificate is told of 30, 7 and 1 days before, each once, and when it has come", async () => {
  const { at, expiry } = watched();
  const line = (level: string, what: string) =>
    `${level}: restapi.certfile: the certificate in /cert.pem ${what} (${ENDS}). ${ADVICE}`;
  expect(await at(31 * DAY_MS)).toEqual([]);
  expect([expiry.readings, expiry.ending]).toEqual([[{ key: "restapi.certfile", ends: ENDS }], []]);
  expect(await at(30 * DAY_MS)).toEqual([line("WARNING", "ends in 30 days")]);
  expect(expiry.ending).toEqual([{ key: "restapi.certfile", ends: ENDS }]);
  expect(await at(8 * DAY_MS)).toEqual([]);
  expect(await at(7 * DAY_MS - 1)).toEqual([line("WARNING", "ends in 6 days")]);
  expect(await at(DAY_MS)).toEqual([line("ERROR", "ends in 24 hours")]);
  expect(await at(DAY_MS / 2)).toEqual([]);
  expect(await at(0)).toEqual([line("ERROR", "has ended")]);
  expect(await at(-DAY_MS)).toEqual([]);
});

test("one that is found close to its end is told of once, and its renewal as well", async () => {
  const { at, expiry, certfile } = watched();
  expect(await at(DAY_MS / 2)).toHaveLength(1);
  writeFileSync(certfile, new Authority("b", new Date(END_MS + 365 * DAY_MS)).issue().cert);
  const renewed = new Date(END_MS + 365 * DAY_MS).toISOString();
  expect(await at(DAY_MS / 2)).toEqual([
    `INFO: restapi.certfile: /cert.pem was renewed, and is valid until ${renewed}`,
  ]);
  expect(expiry.ending).toEqual([]);
  expect(await at(0)).toEqual([]);
});

test("a file that is gone leaves what was known; a setting that is gone does not", async () => {
  const { at, expiry, certfile, state } = watched();
  await at(DAY_MS);
  rmSync(certfile);
  expect(await at(0)).toHaveLength(1);
  state.certfile = null;
  expect(await at(-1)).toEqual([]);
  expect(expiry.readings).toEqual([]);
});

test("the certificate that PostgreSQL says it uses is told of at once, until it uses none", async () => {
  const { at, expiry, certfile, state } = watched();
  await at(8 * DAY_MS);
  const key = "postgresql.parameters.ssl_cert_file";
  const cafile = join(directory, "ca.pem");
  state.certfile = null;
  expiry.serverUses({ certfile, cafile });
  expect(await at(8 * DAY_MS)).toEqual([
    `WARNING: ${key}: the certificate in /cert.pem ends in 8 days (${ENDS}). ${ADVICE}`,
    `WARNING: ${key.replace("cert", "ca")}: the certificate in /ca.pem ends in 8 days (${ENDS}). ${ADVICE}`,
  ]);
  expect(expiry.ending.map((one) => one.key)).toEqual([key, "postgresql.parameters.ssl_ca_file"]);
  expiry.serverUses({ certfile: null, cafile: null });
  await at(8 * DAY_MS);
  expect(expiry.readings).toEqual([]);
});

test("a chain ends with its first certificate, authorities with their last", () => {
  const early = new Authority("a", new Date(END_MS));
  const late = new Authority("b", new Date(END_MS + DAY_MS));
  const both = `comment\n${late.ca}${early.ca}`;
  expect(lifeOf("raft.tls.certfile", both)?.ends).toBe(ENDS);
  expect(lifeOf("raft.tls.cafile", both)?.ends).toBe(new Date(END_MS + DAY_MS).toISOString());
  expect(lifeOf("postgresql.parameters.ssl_ca_file", both)?.ends).toBe(lifeOf("raft.tls.cafile", both)?.ends);
  expect(lifeOf("raft.tls.cafile", early.ca.repeat(21))).toBe(null);
  expect(lifeOf("raft.tls.certfile", "")).toBe(null);
  expect(lifeOf("raft.tls.certfile", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).toBe(
    null,
  );
});

test("a certificate that lives for a day is told of when it has ended", async () => {
  const { at } = watched(new Authority("a", new Date(END_MS), new Date(END_MS - DAY_MS)));
  expect(await at(DAY_MS / 2)).toEqual([]);
  expect(await at(0)).toHaveLength(1);
});
