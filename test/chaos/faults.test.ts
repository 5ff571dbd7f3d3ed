/** Each fault has its effect, and where it has none that is noticed. */
import { afterAll, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { isAlive, readProcess } from "../../src/lib/process_table.ts";
import { isRoot } from "../e2e/environment.ts";
import { whyNoFreezer } from "../e2e/freezer.ts";
import { hasNamespaces, Network } from "../e2e/network.ts";
import { BadCable, prepareCables, whyNoEffect } from "./cable.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import { frozen, INJECT, killed, standsStill, stopped, unheard } from "./faults.ts";
import { clockStep, expectFull, fillDisk, isAnother } from "./lasting_faults.ts";
import type { PlannedFault } from "./schedule.ts";
import { hears, Wires } from "./wires.ts";

const WAIT_MS = 10_000;
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

function computing(): number {
  const child = spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" });
  children.push(child);
  return child.pid!;
}

test("what is killed is gone; where nothing runs there is nothing to hit", async () => {
  const pid = computing();
  expect(await killed("it", pid)).toEqual({ what: `it (${pid})` });
  expect(isAlive(pid)).toBe(false);
  expect(await killed("it", pid)).toBeNull();
  expect(await killed("it", null)).toBeNull();
});

test("what is stopped stands still, until the end", async () => {
  const pid = computing();
  expect(standsStill(pid)).toBe(false);
  const effect = await stopped("it", pid);
  expect(standsStill(pid)).toBe(true);
  await effect!.end!();
  await waitFor("it to go on", WAIT_MS, () => !standsStill(pid));
  await killed("it", pid);
  expect(await stopped("it", pid)).toBeNull();
});

const noFreezer = whyNoFreezer();

test.skipIf(noFreezer !== null)("what is frozen computes nothing, even if it is told to go on", async () => {
  const pids = [computing(), computing()];
  const ticks = () => pids.map((pid) => readProcess(pid)!.cpuTicks);
  const goesOn = async (before: number[]) =>
    await waitFor("both to compute", WAIT_MS, () => ticks().every((now, i) => now > before[i]!));
  await goesOn(ticks());
  const effect = await frozen("them", () => pids);
  const before = ticks();
  for (const pid of pids) process.kill(pid, "SIGCONT");
  await expect(waitFor("one to compute", 300, () => ticks().some((now, i) => now > before[i]!))).rejects
    .toThrow("in vain");
  await effect!.end!();
  await goesOn(before);
  // Killed while it is frozen, it is gone; and where all are gone there is nothing to freeze.
  const second = await frozen("them", () => pids);
  await killed("it", pids[0]!);
  await second!.end!();
  await killed("it", pids[1]!);
  expect(await frozen("them", () => pids)).toBeNull();
});

test("what two faults have cut is whole when both are over", () => {
  const calls: string[] = [];
  const note = (name: string) => (...nodes: number[]) => void calls.push(`${name} ${nodes.join(" ")}`);
  const wires = new Wires({
    cut: note("cut"),
    mend: note("mend"),
    cutWay: note("cutWay"),
    mendWay: note("mendWay"),
  });
  const first = wires.cut(1);
  const second = wires.cut(1);
  first();
  expect(calls).toEqual(["cut 1"]);
  second();
  const split = wires.cutWays([1], [1, 2, 3]);
  const oneWay = wires.cutWays([1], [2]);
  split();
  oneWay();
  expect(calls).toEqual(["cut 1", "mend 1", "cutWay 1 2", "cutWay 1 3", "mendWay 1 3", "mendWay 1 2"]);
});

const PORT = 7;
const PLANNED: PlannedFault = {
  atMs: 0,
  name: "kill node",
  target: { kind: "primary" },
  forMs: 0,
  others: [],
  seed: 0,
};

test.skipIf(!hasNamespaces())("a cut cable and a one-way cut, as the nodes notice them", async () => {
  const network = new Network(2);
  try {
    const wires = new Wires(network);
    const inside = (node: number) => network.inside(node);
    const address = (node: number) => network.place(node).address;
    const host = (node: number) => ({
      name: `node${node}`,
      addresses: { name: "", address: address(node), raftPort: PORT, restPort: 0, postgresPort: 0 },
    });
    const fails = () => unheard({ inside: ({ name }) => inside(Number(name.slice(4))) }, host(1), host(2));
    const both = () => Promise.all([hears(inside(1), address(2), PORT), hears(inside(2), address(1), PORT)]);
    // A cut that was not made is noticed.
    await expect(fails()).rejects.toThrow("node1 still reaches node2");
    const mend = wires.cut(1);
    await fails();
    expect(await both()).toEqual([false, false]);
    mend();
    await waitFor("the cable to work again", WAIT_MS, async () => (await both()).every(Boolean));
    // A connection needs both ways; a datagram shows which of them is left.
    const mendWay = wires.cutWays([1], [2]);
    expect(await both()).toEqual([false, false]);
    expect(await arrives(network, 1, 2)).toBe(false);
    expect(await arrives(network, 2, 1)).toBe(true);
    mendWay();
    expect(await arrives(network, 1, 2)).toBe(true);
    expect(await both()).toEqual([true, true]);
  } finally {
    network.close();
  }
}, 30_000);

test.skipIf(!hasNamespaces())("a cable that is slow, and one that loses packets", async () => {
  const network = new Network(2);
  try {
    await prepareCables(network, 2);
    const connectMs = async () => {
      const beginMs = nowMs();
      return await hears(network.inside(1), network.place(2).address, PORT) ? nowMs() - beginMs : Infinity;
    };
    const delayMs = 150;
    // Without the cable a connection takes less than the way there and back.
    const quick = await waitFor("a quick connection", WAIT_MS, async () => (await connectMs()) < 2 * delayMs);
    expect(quick).toBe(true);
    const slow = new BadCable(network, 1, { delayMs, jitterMs: 10, lossPart: 0 });
    await waitFor("a connection", WAIT_MS, async () => Number.isFinite(await connectMs()));
    expect(await connectMs()).toBeGreaterThanOrEqual(2 * delayMs);
    await waitFor("its report", WAIT_MS, () => whyNoEffect(slow.report, false) === null);
    expect(slow.report.lost).toBe(0);
    await slow.remove();
    const lossy = new BadCable(network, 1, { delayMs: 0, jitterMs: 0, lossPart: 0.5 });
    await waitFor("lost packets", WAIT_MS, async () => {
      await connectMs();
      return lossy.report.lost > 0;
    });
    await lossy.remove();
    await waitFor("a good cable", WAIT_MS, async () => (await connectMs()) < 2 * delayMs);
  } finally {
    network.close();
  }
}, 60_000);

test("a bad cable without effect is noticed", () => {
  expect(whyNoEffect({ passed: 0, lost: 0 }, false)).toBe("no packet came to it");
  expect(whyNoEffect({ passed: 0, lost: 3 }, false)).toBe("no packet went through");
  expect(whyNoEffect({ passed: 900, lost: 0 }, true)).toBe("it lost none of 900 packets");
  expect(whyNoEffect({ passed: 9, lost: 0 }, false)).toBeNull();
  expect(whyNoEffect({ passed: 9, lost: 1 }, true)).toBeNull();
});

test.skipIf(!isRoot)("a full disk takes nothing more, until it has room again", () => {
  const disk = mkdtempSync(join(tmpdir(), "chaos-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "none", disk]);
  try {
    expect(() => expectFull(disk)).toThrow("blocks are left");
    const filler = openSync(join(disk, "filler"), "w");
    fillDisk(filler);
    closeSync(filler);
    expectFull(disk);
    expect(() => writeFileSync(join(disk, "more"), "more")).toThrow("ENOSPC");
    rmSync(join(disk, "filler"));
    writeFileSync(join(disk, "more"), "more");
  } finally {
    execFileSync("umount", ["--lazy", disk]);
    rmSync(disk, { recursive: true });
  }
});

test("a node without power has no process left, and is not started again before the end", async () => {
  const directory = mkdtempSync(join(tmpdir(), "chaos-node-"));
  const program = join(directory, "agent");
  writeFileSync(
    program,
    "#!/bin/sh\ntrap '' TERM\n(while :; do sleep 1; done) &\nwhile :; do sleep 1; done\n",
    {
      mode: 0o755,
    },
  );
  const addresses = { name: "node1", address: "127.0.0.1", raftPort: 1, restPort: 2, postgresPort: 3 };
  const host = new Host(directory, addresses, { binary: program, prefix: [], env: process.env });
  let down = 0;
  const chaos = {
    cluster: { hosts: [host] },
    keepDown: () => {
      down++;
      return () => void down--;
    },
  } as unknown as ChaosCluster;
  try {
    for (const name of ["kill node", "power cycle"] as const) {
      host.start();
      await waitFor("its processes", WAIT_MS, () => host.processes().length > 2);
      const effect = await INJECT[name](chaos, host, PLANNED);
      expect([name, host.processes(), down]).toEqual([name, [], 1]);
      await effect!.end!();
      expect(down).toBe(0);
    }
    expect(await INJECT["kill node"](chaos, host, PLANNED)).toBeNull();
    expect(await INJECT["kill agent"](chaos, host, PLANNED)).toBeNull();
    expect(down).toBe(0);
  } finally {
    await host.powerOff();
    rmSync(directory, { recursive: true });
  }
});

test("a member that is the same as before was not replaced", async () => {
  const chaos = (id: string) => ({ raftIds: () => Promise.resolve(new Map([["node1", id]])) });
  await isAnother(chaos("8"), { name: "node1" }, "7");
  await expect(isAnother(chaos("7"), { name: "node1" }, "7", 1)).rejects.toThrow("in vain");
  await expect(isAnother(chaos("7"), { name: "node2" }, "7", 1)).rejects.toThrow("in vain");
});

test("a clock that does not step is noticed; one that steps is set back in the end", async () => {
  const directory = mkdtempSync(join(tmpdir(), "chaos-clock-"));
  const file = join(directory, "clock");
  const host = { name: "node1", directory, postmasterPid: () => 1 } as unknown as Host;
  const chaos = (isSet: boolean) => ({
    cluster: {
      query: () => {
        const offsetS = isSet ? Number(readFileSync(file, "utf8")) : 0;
        return Promise.resolve([{ s: String(Date.now() / 1000 + offsetS) }]);
      },
    } as unknown as ChaosCluster["cluster"],
  });
  try {
    await expect(clockStep(chaos(false), host, 4, 1)).rejects.toThrow("did not step by 600 s");
    const effect = await clockStep(chaos(true), host, 4);
    expect(readFileSync(file, "utf8")).toBe("+600\n");
    await effect!.end!();
    expect(readFileSync(file, "utf8")).toBe("+0\n");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Whether datagrams of a node arrive at the other one. */
async function arrives(network: Network, from: number, to: number): Promise<boolean> {
  const { address } = network.place(to);
  const script = `const socket = require("node:dgram").createSocket("udp4");
    socket.on("message", () => process.exit(0)).on("listening", () => console.log("listening"));
    socket.bind(${PORT}, "${address}"); setTimeout(() => process.exit(1), 1000);`;
  const [program, ...args] = [...network.inside(to), process.execPath, "-e", script];
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"], cwd: "/" });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  child.stdout!.once("data", () => {
    const send = `for i in 1 2 3 4 5; do echo > /dev/udp/${address}/${PORT}; sleep 0.1; done`;
    const [shell, ...words] = [...network.inside(from), "bash", "-c", send];
    children.push(spawn(shell!, words, { stdio: "ignore", cwd: "/" }));
  });
  return await ended === 0;
}
