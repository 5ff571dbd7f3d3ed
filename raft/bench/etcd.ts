/**
 * A three-member etcd on the same machine, measured through its HTTP gateway. Used when Debian's etcd-server
 * is installed; the benchmark never installs it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { freeAddresses } from "./cluster.ts";
import type { EtcdMeasured } from "./figures.ts";
import { summarize, type Summary } from "./summary.ts";

const VALUE = Buffer.alloc(200, 1).toString("base64");
const KEY = Buffer.from("bench").toString("base64");

/** Version as "etcd 3.4.23"; null when there is none. */
export function etcdVersion(): string | null {
  if (Bun.which("etcd") === null) return null;
  const [, version] = /etcd Version: (\S+)/.exec(execFileSync("etcd", ["--version"], { encoding: "utf8" })) ??
    [];
  return `etcd ${version ?? "of unknown version"}`;
}

interface Member {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  process: ChildProcess | null;
}

export async function measureEtcd(base: string, version: string, counts: EtcdCounts): Promise<EtcdMeasured> {
  const addresses = await freeAddresses(6);
  const members = [0, 1, 2].map((i): Member => ({
    name: `e${i}`,
    client: `http://${addresses[2 * i]}`,
    peer: `http://${addresses[2 * i + 1]}`,
    process: null,
  }));
  try {
    for (const member of members) start(member, members, base, "new");
    const leader = await leaderOf(members);
    const put = () => call(leader.client, "kv/put", { key: KEY, value: VALUE });
    await measure(put, counts.commits / 4, 1);
    return {
      version,
      http: await measure(() => plain(leader.client), counts.commits, 1),
      put1: await measure(put, counts.commits, 1),
      put64: await measure(put, counts.commits * 3, 64),
      read: await measure(() => call(leader.client, "kv/range", { key: KEY }), counts.commits, 1),
      election: await elections(members, base, counts.elections),
    };
  } finally {
    for (const { process } of members) process?.kill("SIGKILL");
  }
}

export interface EtcdCounts {
  readonly commits: number;
  readonly elections: number;
}

function start(member: Member, all: readonly Member[], base: string, state: "new" | "existing"): void {
  const { name, client, peer } = member;
  member.process = spawn("etcd", [
    "--name",
    name,
    "--data-dir",
    join(base, name),
    "--listen-client-urls",
    client,
    "--advertise-client-urls",
    client,
    "--listen-peer-urls",
    peer,
    "--initial-advertise-peer-urls",
    peer,
    "--initial-cluster",
    all.map((each) => `${each.name}=${each.peer}`).join(","),
    "--initial-cluster-state",
    state,
  ], { stdio: "ignore" });
}

async function leaderOf(members: readonly Member[]): Promise<Member> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await Bun.sleep(20)) {
    for (const member of members) {
      if (member.process === null) continue;
      const status = await call(member.client, "maintenance/status", {}).catch(() => null);
      const { header, leader } = (status ?? {}) as { header?: { member_id?: string }; leader?: string };
      if (leader !== undefined && leader === header?.member_id) return member;
    }
  }
  throw new Error("etcd has no leader within 30 s");
}

async function elections(members: readonly Member[], base: string, count: number): Promise<Summary> {
  const latencies: number[] = [];
  for (let i = 0; i < count; i++) {
    const leader = await leaderOf(members);
    const since = performance.now();
    const ended = new Promise((resolve) => leader.process!.once("close", resolve));
    leader.process!.kill("SIGKILL");
    leader.process = null;
    await Promise.any(members.filter((member) => member.process !== null).map(putUntilDone));
    latencies.push(performance.now() - since);
    await ended;
    start(leader, members, base, "existing");
    await Bun.sleep(1000);
  }
  return summarize(latencies);
}

async function putUntilDone({ client }: Member): Promise<void> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await Bun.sleep(5)) {
    const put = call(client, "kv/put", { key: KEY, value: VALUE }, 500);
    if (await put.then(() => true, () => false)) return;
  }
  throw new Error("etcd accepts nothing within 30 s");
}

async function call(client: string, path: string, body: object, timeoutMs = 10_000): Promise<unknown> {
  const response = await fetch(`${client}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) throw new Error(`etcd answers ${response.status}: ${await response.text()}`);
  return response.json();
}

async function plain(client: string): Promise<void> {
  const response = await fetch(`${client}/version`);
  await response.json();
}

async function measure(one: () => Promise<unknown>, count: number, inFlight: number): Promise<Summary> {
  const latencies: number[] = [];
  const begin = performance.now();
  let left = count;
  const run = async () => {
    while (left-- > 0) {
      const since = performance.now();
      await one();
      latencies.push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, run));
  return summarize(latencies, performance.now() - begin);
}
