import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWal } from "../storage/open_wal.ts";
import type { WalStorage } from "../storage/wal_storage.ts";
import { TcpTransport } from "../transport/tcp_transport.ts";
import { realClock, until } from "../transport/testing.ts";
import type { AddOutcome, ProposeOutcome } from "./api.ts";
import { clusterIdOf, nodeIdOf } from "./ids.ts";
import { RaftNode } from "./raft_node.ts";
import type { MemberInfo } from "./raft_options.ts";
import { ListMachine, text } from "./testing.ts";

interface Member {
  readonly node: RaftNode;
  readonly storage: WalStorage;
  readonly machine: ListMachine;
}

const directories: string[] = [];
const running: Member[] = [];

function stop({ node, storage }: Member): Promise<void> {
  node.stop();
  return new Promise((resolve) => storage.close(resolve));
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(stop));
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer());
  await Promise.all(servers.map((s) => new Promise<void>((resolve) => s.listen(0, "127.0.0.1", resolve))));
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Three members as in production: TCP, a log on disk written by a worker, real time. */
async function newCluster() {
  const base = fs.mkdtempSync(join(tmpdir(), "raft-cluster-"));
  directories.push(base);
  const addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  const clusterId = clusterIdOf("/service/", "test", addresses);
  const founders = addresses.map((addr, i): MemberInfo => ({
    id: nodeIdOf(clusterId, addr),
    name: `n${i}`,
    addr,
  }));
  const start = (i: number) => begin(founders[i]!, founders, false);
  const begin = (own: MemberInfo, members: readonly MemberInfo[], joins: boolean): Member => {
    const { id, addr } = own;
    const directory = join(base, `${own.name}`);
    const storage = openWal(directory, { clusterId, nodeId: id }, {
      now: realClock.now,
      volatileDirectory: base,
    });
    const machine = new ListMachine();
    const node = new RaftNode({
      id,
      clusterId,
      members,
      join: joins,
      storage,
      transport: new TcpTransport({
        id,
        clusterId,
        bindAddr: addr,
        peers: members.filter((member) => member.id !== id),
        password: "secret",
        clock: realClock,
        random: Math.random,
      }),
      clock: realClock,
      random: Math.random,
      stateMachine: machine,
      instance: storage.instance,
    });
    node.start();
    const member = { node, storage, machine };
    running.push(member);
    return member;
  };
  const [extra] = await freePorts(1);
  return { start, begin, members: founders, extraAddr: `127.0.0.1:${extra}` };
}

function propose(member: Member, command: string): Promise<ProposeOutcome> {
  return new Promise((resolve) => member.node.propose(text(command), resolve));
}

async function leaderOf(members: readonly Member[]): Promise<Member> {
  await until("a leader", () => members.some(({ node }) => node.leadsWithOwnTerm()));
  return members.find(({ node }) => node.leadsWithOwnTerm())!;
}

async function crash(member: Member): Promise<void> {
  running.splice(running.indexOf(member), 1);
  await stop(member);
}

test("three members on TCP and disk elect, replicate, survive the loss of the leader and a restart of all", async () => {
  const { start } = await newCluster();
  const members = [start(0), start(1), start(2)];
  const leader = await leaderOf(members);
  const outcomes = await Promise.all(
    members.flatMap((member, m) => Array.from({ length: 20 }, (_, i) => propose(member, `${m}.${i}`))),
  );
  expect(outcomes.filter(({ kind }) => kind !== "applied")).toEqual([]);
  await until("replicated", () => members.every(({ machine }) => machine.commands.length === 60));
  for (const { machine } of members) expect(machine.commands).toEqual(leader.machine.commands);

  await crash(leader);
  const rest = members.filter((member) => member !== leader);
  const next = await leaderOf(rest);
  expect((await propose(next, "after")).kind).toBe("applied");
  const expected = [...next.machine.commands];

  for (const member of rest) await crash(member);
  const again = [start(0), start(1), start(2)];
  await until("state is back", () => again.every(({ machine }) => machine.commands.length === 61));
  for (const { machine } of again) expect(machine.commands).toEqual(expected);
  for (const { node } of again) expect(node.status().notVoting).toBeNull();
});

test("a fourth member joins, votes, and goes again, on TCP and disk", async () => {
  const { start, begin, extraAddr } = await newCluster();
  const members = [start(0), start(1), start(2)];
  const leader = await leaderOf(members);
  expect((await propose(leader, "before")).kind).toBe("applied");
  const added = await new Promise<AddOutcome>((resolve) =>
    members[0]!.node.addMember({ addr: extraAddr, name: "n3" }, resolve)
  );
  if (added.kind !== "done") throw new Error(added.reason);
  const own = { id: added.id, name: "n3", addr: extraAddr };
  const join = () => begin(own, added.members, true);
  const fourth = join();
  await until("it votes", () => fourth.node.status().members.some(({ id, voter }) => id === own.id && voter));
  await until("it has everything", () => fourth.machine.commands.length === 1);
  await until("all connected", () => fourth.node.status().members.every(({ connected }) => connected));

  await crash(fourth);
  const again = join();
  await until("it is back", () => again.machine.commands.length === 1);
  const removed = new Promise<void>((resolve) =>
    again.node.onEvent((event) => event.kind === "removed" ? resolve() : undefined)
  );
  const outcome = await new Promise((resolve) => again.node.removeMember(own.id, resolve));
  await removed;
  expect(leader.node.status().members.length).toBe(3);
  // Whether it still heard that it is done, or was gone before that.
  expect(["done", "unknown"]).toContain((outcome as { kind: string }).kind);
});

test("leadership moves on request and reads are confirmed", async () => {
  const { start, members: infos } = await newCluster();
  const members = [start(0), start(1), start(2)];
  const leader = await leaderOf(members);
  const target = infos.find(({ id }) => id !== leader.node.id)!.id;
  await until("in contact", () => leader.node.status().canLose === 1);
  const error = await new Promise((resolve) => leader.node.transferLeadership(target, resolve));
  expect(error).toBeNull();
  const next = await leaderOf(members);
  expect(next.node.id).toBe(target);
  const read = await new Promise((resolve) => next.node.read(resolve));
  expect(read).toMatchObject({ kind: "confirmed" });
});
