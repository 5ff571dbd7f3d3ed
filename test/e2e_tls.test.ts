/** Members that prove themselves by certificates: the compiled program, `raft.tls`, PostgreSQL. */
import { afterAll, expect } from "bun:test";
import * as tls from "node:tls";
import { clusterIdOf, monotonicClock, nodeIdOf, TcpTransport, type TlsFiles, tlsLayer } from "../raft/mod.ts";
import { Authority } from "../raft/transport/testing_certificates.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { Certificates } from "./e2e/certificates.ts";
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

const { story } = withCluster({ dcs: { ttl: 2 }, override: (name) => certificates.override(name) });

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
