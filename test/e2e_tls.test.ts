/** Members that prove themselves by certificates: the compiled program, `raft.tls`, PostgreSQL. */
import { afterAll, expect } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import type { TlsFiles } from "../raft/mod.ts";
import { MEMBER, STRANGER } from "../raft/transport/testing_certificates.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

/** Readable by whoever runs the agents: these keys protect nothing. */
const certificates = mkdtempSync(join(tmpdir(), "agent-tls-"));
chmodSync(certificates, 0o755);
afterAll(() => rmSync(certificates, { recursive: true, force: true }));

function fileOf(name: string, part: keyof TlsFiles): string {
  return join(certificates, name, `${part}.pem`);
}

function write(name: string, files: TlsFiles): void {
  mkdirSync(join(certificates, name), { recursive: true });
  for (const part of ["ca", "cert", "key"] as const) writeFileSync(fileOf(name, part), files[part]);
}

const { story } = withCluster({
  dcs: { ttl: 2 },
  override: (name) => {
    write(name, MEMBER);
    return {
      raft: {
        tls: { certfile: fileOf(name, "cert"), keyfile: fileOf(name, "key"), cafile: fileOf(name, "ca") },
      },
    };
  },
});

/** What becomes of a TLS connection to the member's raft port: "open" when it is still there after a question. */
function connect(host: Host, own: TlsFiles | null): Promise<string> {
  const { address, raftPort } = host.addresses;
  return new Promise((done) => {
    const socket = tls.connect({
      host: address,
      port: raftPort,
      ca: MEMBER.ca,
      checkServerIdentity: () => undefined,
      ...(own ? { cert: own.cert, key: own.key } : {}),
    });
    // Longer than a refusal takes, shorter than the patience with those who say nothing.
    socket.setTimeout(1000, () => (done("open"), socket.destroy()));
    socket.on("error", () => done("refused"));
    socket.on("close", () => done("refused"));
  });
}

story("the members find each other, replicate, and replace a dead primary", async (fixture) => {
  const old = await fixture.healed();
  const begin = nowMs();
  await old.powerOff();
  const next = await fixture.successorOf(old, begin);
  fixture.expectOnePrimary(old, begin);
  expect(await fixture.lostEarlierOn(next, old, begin)).toEqual([]);
  await fixture.healed();
});

story("nobody gets in without a certificate of the cluster's authority", async ({ cluster }) => {
  const [host] = cluster.hosts as [Host];
  expect(await connect(host, MEMBER)).toBe("open");
  expect(await connect(host, null)).toBe("refused");
  expect(await connect(host, STRANGER)).toBe("refused");
});

story(
  "a member with a foreign certificate stays outside and says why, and comes back with the right one",
  async (fixture) => {
    const primary = await fixture.healed();
    const outside = fixture.cluster.members.find((host) => host !== primary)!;
    await outside.powerOff();
    write(outside.name, STRANGER);
    const before = outside.log().length;
    outside.start();
    await waitFor(
      "the reason in its log",
      START_MS,
      () => /WARNING.*no connection to .*certificate/i.test(outside.log().slice(before)),
    );
    await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    expect(await outside.answers("/health")).toBe(false);
    // Renewed files are taken while it runs.
    write(outside.name, MEMBER);
    await fixture.healed();
  },
);
