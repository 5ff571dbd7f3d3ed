import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryIdentity } from "../storage/identity.ts";
import { discardUnused } from "../storage/discard_unused.ts";
import { openWal } from "../storage/open_wal.ts";
import type { WalStorage } from "../storage/wal_storage.ts";
import { Visitor } from "../transport/visit.ts";
import { TcpTransport } from "../transport/tcp_transport.ts";
import { tcpLayer, type TlsFiles, tlsLayer } from "../transport/socket_layer.ts";
import { Authority, type Wanted } from "../transport/testing_certificates.ts";
import { freePort, until } from "../transport/testing.ts";
import type { Raft } from "./api.ts";
import { findCluster, type Found } from "./find_cluster.ts";
import { nodeIdOf, visitIdOf, withoutAddress } from "./ids.ts";
import { LateRaft } from "./late_raft.ts";
import { monotonicClock } from "./monotonic_clock.ts";
import { RaftNode } from "./raft_node.ts";
import { decodeVisitAnswer, encodeQuestion } from "./visit_messages.ts";

interface Settings {
  /** null: the node has no address, and no vote. */
  readonly addr: string | null;
  readonly partners: readonly string[];
  readonly directory: string;
  readonly scope?: string;
  readonly password?: string;
  readonly name?: string;
  /** Certificates, in place of the password. */
  readonly tls?: TlsFiles;
}

interface TestMember {
  readonly raft: Raft;
  readonly logged: string[];
  readonly applied: string[];
  found: Found | null;
  removed: boolean;
  close(): Promise<void>;
}

const running = new Set<TestMember>();
const directories: string[] = [];

afterEach(async () => {
  for (const member of [...running]) await member.close();
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const path = fs.mkdtempSync(join(tmpdir(), "find-cluster-"));
  directories.push(path);
  return path;
}

/** Starts a program on a directory: it goes on with what the directory holds, or looks for a cluster. */
function start(
  { addr: selfAddr, partners, directory, scope = "test", password: secret = "secret", name, tls }: Settings,
): TestMember {
  const password = tls ? null : secret;
  const layer = tls ? tlsLayer(tls) : tcpLayer;
  const addr = selfAddr ?? withoutAddress(name!);
  const bindAddr = selfAddr ?? "127.0.0.1:0";
  const logged: string[] = [];
  const applied: string[] = [];
  const log = (level: string, _: string, text: string) => void logged.push(`${level}: ${text}`);
  let storage: WalStorage | null = null;
  const shared = { clock: monotonicClock, random: Math.random, log, password, layer };
  const visitId = visitIdOf("ns", scope);
  const onFatal = (error: Error) => void logged.push(`fatal: ${error.message}`);
  const open = ({ clusterId, founded, id, members, joined }: Found): Raft => {
    const origin = { cluster: scope, addr, joined, members, founded };
    storage = openWal(directory, { clusterId, nodeId: id }, {
      origin,
      now: monotonicClock.now,
      inline: true,
    });
    const peers = members.filter((member) => member.id !== id);
    const transport = new TcpTransport({
      ...shared,
      id,
      clusterId,
      bindAddr,
      peers,
      visitId,
      onFatal,
    });
    const stateMachine = {
      apply: (command: Uint8Array) => applied.push(new TextDecoder().decode(command)),
      snapshot: () => new TextEncoder().encode(JSON.stringify(applied)),
      restore: (data: Uint8Array) => {
        applied.splice(0, applied.length, ...JSON.parse(new TextDecoder().decode(data)) as string[]);
      },
    };
    return new RaftNode({
      ...shared,
      id,
      clusterId,
      founded,
      members,
      join: joined,
      strangersMayJoin: !tls,
      mayJoin: (visitor) => visitor.name === "unwanted" ? `${visitor.name} lives elsewhere` : null,
      storage,
      transport,
      stateMachine,
      instance: storage.instance,
      tickMs: 10,
      heartbeatMs: 30,
      electionMinMs: 150,
      electionMaxMs: 300,
    });
  };
  discardUnused(directory);
  const known = directoryIdentity(directory);
  const raft = new LateRaft({
    id: 1,
    members: [],
    begin(begun) {
      if (known) {
        begun(open({ ...known, id: known.nodeId, founded: known.founded ?? known.clusterId }));
        return null;
      }
      return findCluster({
        ...shared,
        namespace: "ns",
        scope,
        selfAddr,
        name: name ?? addr,
        partners,
        bindAddr,
        onFatal,
        onRefused: (reason) => void logged.push(`refused: ${reason}`),
      }, (found) => {
        member.found = found;
        begun(open(found));
      });
    },
  });
  const member: TestMember = {
    raft,
    logged,
    applied,
    found: null,
    removed: false,
    close() {
      running.delete(member);
      raft.stop();
      return Promise.resolve();
    },
  };
  raft.onEvent((event) => {
    if (event.kind === "removed") member.removed = true;
  });
  running.add(member);
  raft.start();
  return member;
}

async function addresses(count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) found.push(`127.0.0.1:${await freePort()}`);
  return found;
}

async function cluster(): Promise<
  { settings: (Settings & { readonly addr: string })[]; members: TestMember[] }
> {
  const addrs = await addresses(3);
  const settings = addrs.map((addr) => ({
    addr,
    partners: addrs.filter((other) => other !== addr),
    directory: directory(),
  }));
  const members = settings.map((one) => start(one));
  await until("a leader", () => members.some(({ raft }) => raft.leadsWithOwnTerm()));
  await write(members[0]!, "founded");
  await until("all take part", () => members.every((member) => member.applied.includes("founded")));
  return { settings, members };
}

async function write(member: TestMember, text: string): Promise<void> {
  const outcome = await new Promise((resolve) =>
    member.raft.propose(new TextEncoder().encode(text), resolve, { timeoutMs: 8000 })
  );
  expect(outcome).toMatchObject({ kind: "applied" });
}

const voters = ({ raft }: TestMember) =>
  raft.status().members.filter(({ voter }) => voter).map(({ addr }) => addr).sort();

test("three nodes with the same lists find each other and found one cluster", async () => {
  const { settings, members } = await cluster();
  expect(members.map(({ found }) => found?.joined)).toEqual([false, false, false]);
  const [first] = members;
  expect(members.every(({ found }) => found?.clusterId === first!.found?.clusterId)).toBe(true);
  await write(first!, "hello");
  await until("applied by all", () => members.every(({ applied }) => applied.includes("hello")));
  expect(voters(first!)).toEqual(settings.map(({ addr }) => addr).sort());
});

test("a node that names members of a running cluster joins it and votes, and is still a member after a restart", async () => {
  const { settings, members } = await cluster();
  await write(members[0]!, "before");
  const [addr] = await addresses(1);
  const own = {
    addr: addr!,
    partners: settings.map((one) => one.addr),
    directory: directory(),
    name: "fourth",
  };
  let fourth = start(own);
  await until("votes", () => voters(members[0]!).includes(addr!) && fourth.raft.status().notVoting === null);
  expect(fourth.applied).toContain("before");
  const { id } = fourth.raft.status();
  await fourth.close();
  fourth = start(own);
  await write(members[1]!, "after");
  await until("applied", () => fourth.applied.includes("after"));
  expect(fourth.found).toBeNull();
  expect(fourth.raft.status().id).toBe(id);
});

test("a node without an address joins without a vote, goes on after a restart, and comes back from an empty directory", async () => {
  const { settings, members } = await cluster();
  const own = {
    addr: null,
    partners: settings.slice(0, 2).map((one) => one.addr),
    directory: directory(),
    name: "reader",
  };
  let reader = start(own);
  await write(members[0]!, "one");
  await until("applied", () => reader.applied.includes("one"));
  const { id } = reader.raft.status();
  expect(voters(members[0]!)).toEqual(settings.map(({ addr }) => addr).sort());
  // It proposes through the leader, as every member does.
  await write(reader, "its own");

  await reader.close();
  await write(members[1]!, "two");
  reader = start(own);
  await until("applied again", () => reader.applied.includes("two"));
  expect(reader.raft.status().id).toBe(id);

  await reader.close();
  fs.rmSync(own.directory, { recursive: true });
  const again = start(own);
  await until("in place of the old one", () => {
    const ids = members[0]!.raft.status().members.filter(({ voter }) => !voter).map((member) => member.id);
    return ids.length === 1 && ids[0] !== id && again.applied.includes("two");
  }, 20_000);
  expect(members.flatMap(({ logged }) => logged).filter((text) => text.includes("no-address/reader: ")))
    .toEqual([]);
});

test("a member whose directory is lost joins again under a new id, in place of the old one", async () => {
  const { settings, members } = await cluster();
  await write(members[0]!, "kept");
  const lost = settings[2]!;
  const oldId = members[2]!.raft.status().id;
  await members[2]!.close();
  fs.rmSync(lost.directory, { recursive: true });
  const again = start(lost);
  await until("votes again", () => again.raft.status().notVoting === null, 20_000);
  await until("the old id is gone", () => !members[0]!.raft.status().members.some(({ id }) => id === oldId));
  expect(again.raft.status().id).not.toBe(oldId);
  expect(again.found?.joined).toBe(true);
  expect(again.applied).toContain("kept");
  expect(voters(members[0]!)).toEqual(settings.map((one) => one.addr).sort());
});

test("a second node with a living member's address is not given its place", async () => {
  const { settings, members } = await cluster();
  const third = settings[2]!;
  const visitor = new Visitor({
    visitId: visitIdOf("ns", "test"),
    password: "secret",
    clock: monotonicClock,
  });
  let seat = "";
  const ask = () =>
    visitor.ask(settings[0]!.addr, encodeQuestion({ kind: "ask", addr: third.addr }), (outcome) => {
      const answer = outcome.kind === "answer" ? decodeVisitAnswer(outcome.bytes) : null;
      seat = answer?.kind === "member" ? answer.seat : "";
      if (seat !== "used") ask();
    });
  ask();
  await until("the log says that it takes part", () => seat === "used");
  // The same address in its list of members, another one to listen on.
  const [other] = await addresses(1);
  const twin = start({ ...third, directory: directory() });
  await until(
    "the address is in use",
    () => twin.logged.some((text) => text.includes("something listens there already")),
  );
  await twin.close();
  const search = findCluster({
    namespace: "ns",
    scope: "test",
    selfAddr: third.addr,
    name: "twin",
    partners: third.partners,
    bindAddr: other!,
    password: "secret",
    clock: monotonicClock,
    random: Math.random,
    log: () => {},
    onFatal: (error) => {
      throw error;
    },
    onRefused: (reason) => {
      throw new Error(reason);
    },
  }, () => {
    throw new Error("it was given a place");
  });
  await until("refused", () => search.waitsFor.includes("do two nodes have this address?"));
  search.stop();
  expect(members[2]!.raft.status().notVoting).toBeNull();
});

test("a node that the leader will not have is told why, and asks no more", async () => {
  const { settings, members } = await cluster();
  const [addr] = await addresses(1);
  const unwanted = start({
    addr: addr!,
    name: "unwanted",
    partners: settings.map((one) => one.addr),
    directory: directory(),
  });
  await until("refused", () => unwanted.logged.includes("refused: unwanted lives elsewhere"));
  expect(unwanted.found).toBeNull();
  expect(members[0]!.raft.status().members).toHaveLength(3);
});

test("a first member that is started late takes the place that was kept for it", async () => {
  const addrs = await addresses(3);
  const settings = addrs.map((addr) => ({
    addr,
    partners: addrs.filter((other) => other !== addr),
    directory: directory(),
  }));
  const early = settings.slice(0, 2).map((one) => start(one));
  await until("a leader", () => early.some(({ raft }) => raft.leadsWithOwnTerm()));
  await write(early[0]!, "early");
  const late = start(settings[2]!);
  await until("takes part", () => late.applied.includes("early"));
  expect(late.found?.joined).toBe(false);
  expect(late.raft.status().id).toBe(nodeIdOf(late.found!.clusterId, addrs[2]!));
});

test("a wrong password, another scope and other lists are said by name, and nobody is let in", async () => {
  const { settings, members } = await cluster();
  const addrs = await addresses(3);
  const partners = settings.map(({ addr }) => addr);
  const before = voters(members[0]!);
  const thief = start({ addr: addrs[0]!, partners, directory: directory(), password: "guessed" });
  const stranger = start({ addr: addrs[1]!, partners, directory: directory(), scope: "other" });
  const [a, b] = partners;
  const missing = start({ addr: addrs[2]!, partners: ["127.0.0.1:1"], directory: directory() });
  await until("refused", () => thief.raft.status().notVoting!.includes("wrong password"));
  await until("refused", () => stranger.raft.status().notVoting!.includes("node of another cluster"));
  await until("unreachable", () => missing.raft.status().notVoting!.includes("127.0.0.1:1: "));
  await until("said", () => missing.logged.some((text) => text.includes("does not take part yet")));
  expect([a, b].every((addr) => before.includes(addr!))).toBe(true);
  expect(voters(members[0]!)).toEqual(before);
});

test("a founder whose list differs from the others' waits, and says which lists there are", async () => {
  const [a, b, c] = await addresses(3) as [string, string, string];
  const first = start({ addr: a, partners: [b, c], directory: directory() });
  const second = start({ addr: b, partners: [a], directory: directory() });
  await until("said", () => second.raft.status().notVoting!.includes("make the lists the same on all nodes"));
  expect(second.raft.status().notVoting).toContain([a, b, c].sort().join(", "));
  expect(first.raft.leadsWithOwnTerm()).toBe(false);
});

test("a removed member learns of it, and its directory lets it in again only when it is emptied", async () => {
  const { settings, members } = await cluster();
  const third = members[2]!;
  const { id } = third.raft.status();
  const outcome = await new Promise((resolve) => members[0]!.raft.removeMember(id, resolve));
  expect(outcome).toEqual({ kind: "done" });
  await until("knows", () => third.removed);
  await third.close();
  const stale = start(settings[2]!);
  await until("learns again", () => stale.removed);
  await stale.close();
  fs.rmSync(settings[2]!.directory, { recursive: true });
  const again = start(settings[2]!);
  await until("votes", () => again.raft.status().notVoting === null);
  await until("known as a voter", () => voters(members[0]!).includes(settings[2]!.addr));
});

test(
  "with certificates alone a node at a new address is let in when it was added, and only with its own certificate",
  async () => {
    const authority = new Authority("ca");
    const port = await freePort();
    const addrOf = (n: number) => `127.0.0.${n}:${port}`;
    const others = (n: number) => [1, 2, 3].filter((other) => other !== n).map(addrOf);
    const settingsOf = (n: number, wanted: Wanted = { names: [`127.0.0.${n}`] }): Settings => ({
      addr: addrOf(n),
      partners: others(n),
      directory: directory(),
      name: `n${n}`,
      tls: authority.issue(wanted),
    });
    const settings = [1, 2, 3].map((n) => settingsOf(n));
    const members = settings.map((one) => start(one));
    await until("a leader", () => members.some(({ raft }) => raft.leadsWithOwnTerm()));
    await write(members[0]!, "founded");
    await until("all take part", () => members.every((member) => member.applied.includes("founded")));

    // The certificate is of the same authority, but not for the address that the node asks for.
    const client = start(settingsOf(4, { commonName: "prometheus", names: ["127.0.0.9"] }));
    await until(
      "refused",
      () => client.logged.some((line) => line.includes("is not the one of the member at 127.0.0.4")),
    );
    await client.close();

    const fourth = start(settingsOf(4));
    const why = "a certificate alone makes nobody a member: 127.0.0.4:";
    await until("refused", () => fourth.logged.some((line) => line.includes(why)));
    expect(voters(members[0]!).length).toBe(3);
    const added = await new Promise((resolve) =>
      members[0]!.raft.addMember({ addr: addrOf(4), name: "n4" }, resolve)
    );
    expect(added).toMatchObject({ kind: "done" });
    await until("votes", () => voters(members[0]!).includes(addrOf(4)), 20_000);

    // The host that replaces a member has its place, and its certificate.
    await members[2]!.close();
    const again = start(settingsOf(3));
    await until("votes again", () => again.raft.status().notVoting === null, 20_000);
  },
  60_000,
);
