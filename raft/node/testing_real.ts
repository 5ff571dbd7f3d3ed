/** Clusters as in production, for tests: TCP on loopback, logs on disk written by workers, real time. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openWal } from "../storage/open_wal.ts";
import type { WalStorage } from "../storage/wal_storage.ts";
import { TcpTransport } from "../transport/tcp_transport.ts";
import { freePort, until } from "../transport/testing.ts";
import type { ProposeOutcome } from "./api.ts";
import { clusterIdOf, nodeIdOf } from "./ids.ts";
import { monotonicClock } from "./monotonic_clock.ts";
import { RaftNode } from "./raft_node.ts";
import type { MemberInfo } from "./raft_options.ts";
import { ListMachine, text } from "./testing.ts";

export interface RealMember {
  readonly node: RaftNode;
  readonly storage: WalStorage;
  readonly machine: ListMachine;
  /** Directory of its log. */
  readonly directory: string;
}

const directories: string[] = [];
const running: RealMember[] = [];

/** Stops every member and removes what they have left; for afterEach. */
export async function endAll(): Promise<void> {
  await Promise.all(running.splice(0).map(stop));
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
}

function stop({ node, storage }: RealMember): Promise<void> {
  node.stop();
  return new Promise((resolve) => storage.close(resolve));
}

async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

interface ClusterOptions {
  /** Directory of a member's log. @default below a temporary directory */
  readonly directoryOf?: (member: number) => string;
  /** @default as in production */
  readonly segmentBytes?: number;
  /** Shortest election timeout; the longest is twice that. @default as in production */
  readonly electionMs?: number;
}

/** Makes a cluster of three members. */
export async function newCluster({ directoryOf, segmentBytes, electionMs }: ClusterOptions = {}) {
  const base = fs.mkdtempSync(join(tmpdir(), "raft-cluster-"));
  directories.push(base);
  const addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  const clusterId = clusterIdOf("/service/", "test", addresses);
  const founders = addresses.map((addr, i): MemberInfo => ({
    id: nodeIdOf(clusterId, addr),
    name: `n${i}`,
    addr,
  }));
  const start = (i: number) => begin(founders[i]!, founders, false, directoryOf?.(i));
  const begin = (
    own: MemberInfo,
    members: readonly MemberInfo[],
    joins: boolean,
    directory = join(base, `${own.name}`),
  ): RealMember => {
    const { id, addr } = own;
    const storage = openWal(directory, { clusterId, nodeId: id }, {
      now: monotonicClock.now,
      segmentBytes,
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
        clock: monotonicClock,
        random: Math.random,
      }),
      clock: monotonicClock,
      random: Math.random,
      stateMachine: machine,
      instance: storage.instance,
      ...(electionMs !== undefined && { electionMinMs: electionMs, electionMaxMs: 2 * electionMs }),
    });
    node.start();
    const member = { node, storage, machine, directory };
    running.push(member);
    return member;
  };
  const [extra] = await freePorts(1);
  return { start, begin, members: founders, extraAddr: `127.0.0.1:${extra}` };
}

export function propose(member: RealMember, command: string): Promise<ProposeOutcome> {
  return new Promise((resolve) => member.node.propose(text(command), resolve));
}

export async function leaderOf(members: readonly RealMember[]): Promise<RealMember> {
  await until("a leader", () => members.some(({ node }) => node.leadsWithOwnTerm()));
  return members.find(({ node }) => node.leadsWithOwnTerm())!;
}

/** Ends a member; it loses what it had not written. */
export async function crash(member: RealMember): Promise<void> {
  running.splice(running.indexOf(member), 1);
  await stop(member);
}
