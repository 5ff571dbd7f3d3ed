/** A member of the measured cluster, which takes orders on its standard input. Its state machine counts. */
import { createInterface } from "node:readline";
import {
  clusterIdOf,
  monotonicClock as clock,
  nodeIdOf,
  openWal,
  RaftNode,
  type StateMachine,
  TcpTransport,
} from "../mod.ts";
import type { Answer, MemberConfig, Request } from "./control.ts";
import { summarize, type Summary } from "./summary.ts";

const COMMAND_BYTES = 200;

class Counter implements StateMachine {
  #count = 0;

  apply(): number {
    return ++this.#count;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(String(this.#count));
  }

  restore(data: Uint8Array): void {
    this.#count = Number(new TextDecoder().decode(data));
  }
}

const startedMs = performance.now();
const config = JSON.parse(process.argv[2]!) as MemberConfig;
const { directory, own, addresses } = config;
const clusterId = clusterIdOf("bench", "raft", addresses);
const members = addresses.map((addr) => ({ id: nodeIdOf(clusterId, addr), name: addr, addr }));
const id = nodeIdOf(clusterId, own);
const storage = openWal(directory, { clusterId, nodeId: id }, { now: clock.now });
const node = new RaftNode({
  id,
  clusterId,
  members,
  storage,
  instance: storage.instance,
  transport: new TcpTransport({
    id,
    clusterId,
    bindAddr: own,
    peers: members.filter((member) => member.id !== id),
    password: "bench",
    clock,
    random: Math.random,
  }),
  clock,
  random: Math.random,
  stateMachine: new Counter(),
});

function propose(timeoutMs = 5000): Promise<void> {
  return new Promise((resolve, reject) =>
    node.propose(new Uint8Array(COMMAND_BYTES), (outcome) => {
      if (outcome.kind === "applied") resolve();
      else reject(new Error(outcome.reason));
    }, { timeoutMs })
  );
}

function read(): Promise<void> {
  return new Promise((resolve, reject) =>
    node.read((outcome) => outcome.kind === "confirmed" ? resolve() : reject(new Error(outcome.reason)))
  );
}

async function measure(one: () => Promise<void>, count: number, inFlight: number): Promise<Summary> {
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

function whenApplied(index: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => node.status().applied >= index ? resolve() : void setTimeout(look, 2);
    look();
  });
}

async function answerTo(request: Request): Promise<Answer> {
  switch (request.kind) {
    case "status": {
      const { applied } = node.status();
      const { rss } = process.memoryUsage();
      return { kind: "status", leads: node.leadsWithOwnTerm(), applied, rssBytes: rss };
    }
    case "commit":
      return { kind: "measured", summary: await measure(propose, request.count, request.inFlight) };
    case "read":
      return { kind: "measured", summary: await measure(read, request.count, 1) };
    case "propose":
      await propose(30_000);
      return { kind: "done" };
    case "applied":
      await whenApplied(request.index);
      return { kind: "applied", afterMs: performance.now() - startedMs };
  }
}

function print(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

node.onEvent((event) => {
  if (event.kind === "fatal") throw event.error;
});
node.start();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    answerTo(JSON.parse(line) as Request).then(
      print,
      (error: Error) => print({ kind: "failed", reason: error.message }),
    );
  })
  .on("close", () => process.exit(0));
