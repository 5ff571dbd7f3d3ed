/**
 * Certificates on every port of the compiled program: members that prove themselves by `raft.tls`, the REST
 * API, PostgreSQL; and renewed ones, which take effect by themselves.
 */
import { afterAll, expect } from "bun:test";
import { once } from "node:events";
import { chmodSync, chownSync } from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";
import { clusterIdOf, monotonicClock, nodeIdOf, TcpTransport, type TlsFiles, tlsLayer } from "../raft/mod.ts";
import { Authority } from "../raft/transport/testing_certificates.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { lookupUser } from "../src/demo/system_user.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { applyPatch } from "../src/model/merge.ts";
import { Certificates } from "./e2e/certificates.ts";
import { user } from "./e2e/environment.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const certificates = new Certificates();
afterAll(() => certificates.remove());

/** As a load balancer or Prometheus would have it. */
const CLIENT = certificates.authority.issue({
  commonName: "prometheus",
  names: ["127.0.0.9"],
  usages: ["clientAuth"],
});
const OTHERS = new Authority("others");

const DAY_MS = 24 * 60 * 60 * 1000;
/** In the last week of a longer life. */
const REST_ENDS = new Date(Date.now() + 5.5 * DAY_MS);
const REST = new Authority("rest", REST_ENDS, new Date(Date.now() - 90 * DAY_MS));
const restOf = (name: string) => `${name}-rest`;
const serverOf = (name: string) => `${name}-server`;

function writeRest(name: string): void {
  certificates.write(restOf(name), certificates.issue(name, REST));
}

/** PostgreSQL takes a key only from a file of its own user that nobody else may read. */
function writeServer(name: string): void {
  certificates.write(serverOf(name), certificates.issue(name, REST));
  const key = certificates.fileOf(serverOf(name), "key");
  chmodSync(key, 0o600);
  if (user === null) return;
  const { uid, gid } = lookupUser(user);
  chownSync(key, uid, gid);
}

const { story } = withCluster({
  dcs: { ttl: 2 },
  clientCertificate: REST.issue(),
  override: (name) => {
    writeRest(name);
    writeServer(name);
    const [restFile, serverFile] = [restOf(name), serverOf(name)].map((owner) => (part: keyof TlsFiles) =>
      certificates.fileOf(owner, part)
    ) as [(part: keyof TlsFiles) => string, (part: keyof TlsFiles) => string];
    return applyPatch(certificates.override(name), {
      restapi: { certfile: restFile("cert"), keyfile: restFile("key"), cafile: restFile("ca") },
      postgresql: {
        parameters: { ssl: "on", ssl_cert_file: serverFile("cert"), ssl_key_file: serverFile("key") },
      },
    });
  },
});

/** Serial number of the certificate that is shown there. */
async function serialAt(options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** PostgreSQL asks for TLS in a message of its own. */
async function serverSerial({ addresses: { address, postgresPort } }: Host): Promise<string> {
  const socket = net.connect(postgresPort, address);
  await once(socket, "connect");
  socket.write(Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47));
  const [answer] = await once(socket, "data") as [Buffer];
  expect(answer.toString()).toBe("S");
  return await serialAt({ socket });
}

story(
  "renewed certificates of REST and PostgreSQL are shown without a restart, and their ends are told",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const hosts = [primary, cluster.others(primary)[0]!];
    const restSerial = ({ addresses: { address, restPort } }: Host) =>
      serialAt({ host: address, port: restPort });
    const shownBy = async (host: Host) => [await restSerial(host), await serverSerial(host)] as const;
    const before = await Promise.all(hosts.map(shownBy));
    const postmasters = hosts.map((host) => host.postmasterPid());
    for (const { name } of hosts) {
      writeRest(name);
      writeServer(name);
    }
    await waitFor("the renewed certificates", START_MS, async () => {
      const now = await Promise.all(hosts.map(shownBy));
      return now.every(([rest, server], i) => rest !== before[i]![0] && server !== before[i]![1]);
    });
    expect(hosts.map((host) => host.postmasterPid())).toEqual(postmasters);

    const ends = `${REST_ENDS.toISOString().slice(0, 19)}.000Z`;
    for (const key of ["restapi.certfile", "postgresql.parameters.ssl_cert_file"]) {
      await fixture.listed(` Certificate: ${primary.name}, ${key} ends in 5 days (${ends})`);
      const { text } = await primary.rest("/metrics");
      const line = text.split("\n").find((one) =>
        one.startsWith("agent_cert_exp") && one.includes(`"${key}"`)
      );
      expect(line).toMatch(/ 4[67]\d{4}/);
      expect(primary.log()).toContain(`${key}: the certificate in `);
    }
    expect(await fixture.healed()).toBe(primary);
  },
);

/**
 * What becomes of a TLS connection to the member's raft port: "open" when it is still there after a question.
 */
function connect(host: Host, own: TlsFiles | null): Promise<string> {
  const { address, raftPort } = host.addresses;
  return new Promise((done) => {
    const socket = tls.connect({
      host: address,
      port: raftPort,
      ca: certificates.authority.ca,
      checkServerIdentity: () => undefined,
      ...(own ? { cert: own.cert, key: own.key } : {}),
    });
    // Longer than a refusal takes, unless the machine is busy; shorter than the patience with those who say
    // nothing.
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
  const comesTo = (end: string, files: TlsFiles | null) =>
    waitFor(`"${end}"`, START_MS, async () => await connect(host, files) === end);
  await comesTo("open", certificates.issue("node2"));
  await comesTo("refused", null);
  await comesTo("refused", certificates.issue("node2", OTHERS));
});

story(
  "a member with a foreign certificate stays outside and says why, and comes back with the right one",
  async (fixture) => {
    const primary = await fixture.healed();
    const outside = fixture.cluster.members.find((host) => host !== primary)!;
    await outside.powerOff();
    certificates.write(outside.name, certificates.issue(outside.name, OTHERS));
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
    certificates.write(outside.name, certificates.issue(outside.name));
    await fixture.healed();
  },
);

/**
 * In the place of `host`, which is off: who of the others took it for that member, with the password and
 * these files.
 */
async function impersonate(
  host: Host,
  others: readonly Host[],
  password: string,
  files: TlsFiles,
): Promise<string[]> {
  const addrOf = ({ addresses: { address, raftPort } }: Host) => `${address}:${raftPort}`;
  const clusterId = clusterIdOf("/service", "demo", [host, ...others].map(addrOf));
  const memberOf = (one: Host) => ({
    id: nodeIdOf(clusterId, addrOf(one)),
    name: one.name,
    addr: addrOf(one),
  });
  const taken: string[] = [];
  const told = new Set<string>();
  const transport = new TcpTransport({
    id: memberOf(host).id,
    clusterId,
    bindAddr: addrOf(host),
    peers: others.map(memberOf),
    password,
    clock: monotonicClock,
    random: Math.random,
    layer: tlsLayer(files),
    log: (_, event, text) => void (event === "raft_peer_unreachable" && told.add(text)),
  });
  transport.start({
    onFrame: () => {},
    onPeer: (id, connected) =>
      void (connected && taken.push(others.find((one) => memberOf(one).id === id)!.name)),
  });
  try {
    await waitFor("an answer of every member", START_MS, () => taken.length + told.size >= others.length);
    return taken.sort();
  } finally {
    transport.close();
  }
}

story(
  "a certificate stands for one member: neither a REST client's nor another member's is taken",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const off = cluster.members.find((host) => host !== primary)!;
    const others = cluster.members.filter((host) => host !== off);
    await off.powerOff();
    const before = primary.log().length;
    const { raft } = cluster.secrets;
    expect(await impersonate(off, others, raft, CLIENT)).toEqual([]);
    expect(await impersonate(off, others, raft, certificates.issue(primary.name))).toEqual([]);
    const why = new RegExp(
      `refused connection from [0-9.]+: the certificate for IP Address:${primary.addresses.address} is not the one of the ` +
        `member at ${off.addresses.address}:`,
    );
    await waitFor("the reason in a log", START_MS, () => why.test(primary.log().slice(before)));
    // It was for the certificate alone.
    const names = others.map(({ name }) => name).sort();
    expect(await impersonate(off, others, raft, certificates.issue(off.name))).toEqual(names);

    // A member with a client's certificate does not begin what the others would refuse.
    certificates.write(off.name, CLIENT);
    const began = off.log().length;
    off.start();
    await waitFor(
      "its refusal to start",
      START_MS,
      () => /raft\.tls\.certfile: .* no member's: its extended key usage/.test(off.log().slice(began)),
    );
    await off.powerOff();
    certificates.write(off.name, certificates.issue(off.name));
    await fixture.healed();
  },
);

story(
  "two thousand connections that never shake hands are put out, and cost neither lease nor log",
  async (fixture) => {
    const primary = await fixture.healed();
    const { address, raftPort } = primary.addresses;
    const before = primary.log().length;
    const begin = nowMs();
    let left = 2000;
    const ended = () => void left--;
    for (let i = 0; i < 2000; i++) {
      // As many as the kernel keeps ready: what it does not answer is tried again only after seconds.
      if (i % 50 === 0) await Bun.sleep(5);
      Bun.connect({
        hostname: address,
        port: raftPort,
        // The beginning of a TLS record, and nothing after it.
        socket: {
          open: (socket) => void socket.write(new Uint8Array([22, 3, 1])),
          data: () => {},
          close: ended,
        },
      }).catch(ended);
    }
    await waitFor("their end", START_MS, () => left === 0);
    await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    const said = primary.log().slice(before).split("\n");
    expect(said.filter((line) => line.includes("refused connection")).length).toBeLessThan(100);
    // The same primary all the time.
    fixture.client.read();
    const acks = fixture.client.acks.filter(({ ackMs }) => ackMs >= begin);
    expect(new Set(acks.map(({ node }) => node))).toEqual(new Set([primary.name]));
  },
);
