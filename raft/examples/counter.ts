/** A replicated counter: every line of standard input is added on all members. See ../README.md. */
import { createInterface } from "node:readline";
import { clusterIdOf, monotonicClock as clock, nodeIdOf, openWal, RaftNode, TcpTransport } from "../mod.ts";

// bun counter.ts DIRECTORY OWN_ADDRESS OTHER_ADDRESS OTHER_ADDRESS
const [directory, ...addresses] = process.argv.slice(2) as [string, ...string[]];
const clusterId = clusterIdOf("examples", "counter", addresses);
const members = addresses.map((addr) => ({ id: nodeIdOf(clusterId, addr), name: addr, addr }));
const [{ id, addr: bindAddr }, ...peers] = members as [typeof members[0], ...typeof members];

/** State machine: gets the same commands in the same order on every member. */
const counter = {
  value: 0,
  apply: (command: Uint8Array) => (counter.value += Number(new TextDecoder().decode(command))),
  snapshot: () => new TextEncoder().encode(String(counter.value)),
  restore: (data: Uint8Array) => void (counter.value = Number(new TextDecoder().decode(data))),
};

const own = { id, clusterId, clock, random: Math.random };
const storage = openWal(directory, { clusterId, nodeId: id }, { now: clock.now });
const { instance } = storage;
const transport = new TcpTransport({ ...own, bindAddr, peers, password: "secret" });
const raft = new RaftNode({ ...own, members, storage, instance, transport, stateMachine: counter });
raft.onEvent((event) => {
  if (event.kind === "fatal") throw event.error;
  if (event.kind === "state") console.log(`${event.role} in term ${event.term}`);
});
raft.start();

createInterface({ input: process.stdin }).on("line", (line) => {
  if (!Number.isSafeInteger(Number(line))) return console.log("a line is a number");
  raft.propose(new TextEncoder().encode(line), (outcome) => {
    if (outcome.kind === "applied") console.log(`counter is ${outcome.result}`);
    else console.log(`${outcome.kind}: ${outcome.reason}`);
  });
});
