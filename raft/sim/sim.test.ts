import { expect, test } from "bun:test";
import { encodeConfiguration, makeConfiguration } from "../core/configuration.ts";
import type { LogBatch } from "../node/ports.ts";
import { StorageError } from "../storage/storage_error.ts";
import { RaftInvariants } from "./invariants.ts";
import { Prng } from "./prng.ts";
import { SimClock } from "./sim_clock.ts";
import { SimHost, SimProcess } from "./sim_host.ts";
import { SimNetwork } from "./sim_network.ts";
import { SimDisk } from "./sim_storage.ts";
import { World } from "./world.ts";

function processIn(world: World, name: string): SimProcess {
  const process = new SimProcess(new SimHost(world, name, 1e-3), name);
  process.start();
  return process;
}

function entry(index: number, term: number, text = "") {
  return { index, term, kind: "normal" as const, data: new TextEncoder().encode(text) };
}

function batch(entries: LogBatch["entries"], hardState: LogBatch["hardState"] = null): LogBatch {
  return { hardState, entries, snapshot: null, sync: true };
}

test("events run in the order of their time, equal times in the order of scheduling", () => {
  const world = new World(1);
  const seen: string[] = [];
  const random = new Prng(7);
  const times = Array.from({ length: 500 }, () => random.below(50));
  times.forEach((time, i) =>
    world.after(time, () => seen.push(`${String(time).padStart(3, "0")} ${String(i).padStart(3, "0")}`))
  );
  world.runUntil(100);
  expect(seen.length).toBe(500);
  expect(seen).toEqual(seen.toSorted());
});

test("the same seed draws the same, and splitting does not depend on draws", () => {
  const [a, b] = [new Prng(5), new Prng(5)];
  a.bits();
  expect(a.split("x").bits()).toBe(b.split("x").bits());
  expect(a.split("x").bits()).not.toBe(a.split("y").bits());
  const draws = Array.from({ length: 2000 }, a.unit);
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  expect(draws.reduce((x, y) => x + y) / 2000).toBeCloseTo(0.5, 1);
});

test("a timer never fires early by its own clock", () => {
  const world = new World(3);
  const process = processIn(world, "a");
  const clock = new SimClock(process, world.random.split("timers"), 20);
  let fired = 0;
  for (let i = 0; i < 200; i++) {
    const due = clock.now() + i * 1.7;
    clock.after(i * 1.7, () => {
      fired++;
      expect(clock.now()).toBeGreaterThanOrEqual(due);
    });
  }
  world.runUntil(1000);
  expect(fired).toBe(200);
});

test("a paused process gets its timers when it goes on, a killed one never", () => {
  const world = new World(4);
  const process = processIn(world, "a");
  const clock = new SimClock(process, world.random.split("timers"), 0);
  const fired: number[] = [];
  clock.after(10, () => fired.push(world.now()));
  clock.after(2000, () => fired.push(world.now()));
  process.pause(1000);
  world.runUntil(1500);
  expect(fired).toEqual([1000]);
  process.kill();
  process.start();
  world.runUntil(5000);
  expect(fired).toEqual([1000]);
});

test("frames are lost in a cut, held back by it, and not delivered to a later life", () => {
  const world = new World(5);
  const network = new SimNetwork(world);
  network.settings.silenceMs = 60_000;
  const [a, b] = [processIn(world, "a"), processIn(world, "b")];
  const got: number[] = [];
  const handlers = {
    onFrame: (_: number, __: number, payload: Uint8Array) => got.push(payload[0]!),
    onPeer: () => {},
  };
  const sender = network.transport(1, a);
  sender.start({ onFrame: () => {}, onPeer: () => {} });
  expect(sender.send(2, 0, Uint8Array.of(0))).toBe(false);
  network.transport(2, b).start(handlers);
  world.runUntil(100);
  expect(sender.send(2, 0, Uint8Array.of(1))).toBe(true);
  world.runUntil(200);
  expect(got).toEqual([1]);
  network.cut(1, 2);
  sender.send(2, 0, Uint8Array.of(2));
  world.runUntil(1000);
  expect(got).toEqual([1]);
  network.heal(1, 2);
  world.runUntil(2000);
  expect(got).toEqual([1, 2]);
  sender.send(2, 0, Uint8Array.of(3));
  b.kill();
  network.processEnded(2, false);
  b.start();
  network.transport(2, b).start(handlers);
  world.runUntil(3000);
  expect(got).toEqual([1, 2]);
  sender.send(2, 0, Uint8Array.of(4));
  world.runUntil(4000);
  expect(got).toEqual([1, 2, 4]);
});

test("what a disk acknowledged survives any crash; the rest is a prefix", () => {
  for (let seed = 0; seed < 200; seed++) {
    const world = new World(seed);
    const process = processIn(world, "a");
    const disk = new SimDisk(process);
    const storage = disk.storage();
    let durable = 0;
    for (let i = 1; i <= 20; i++) {
      storage.append(batch([entry(i, 1)], { term: 1, vote: 1, commit: 0 }), () => durable = i);
    }
    world.runUntil(seed % 25);
    process.kill();
    disk.crash(seed % 2 === 0);
    const found = disk.storage().load().entries.map((e) => e.index);
    expect(found.length).toBeGreaterThanOrEqual(durable);
    expect(found).toEqual(Array.from({ length: found.length }, (_, i) => i + 1));
  }
});

test("a write below the end of the log replaces what follows", () => {
  const world = new World(1);
  const disk = new SimDisk(processIn(world, "a"));
  const storage = disk.storage();
  storage.append(batch([entry(1, 1), entry(2, 1), entry(3, 1)]), () => {});
  storage.append(batch([entry(2, 2)]), () => {});
  expect(disk.termAt(2)).toBe(2);
  expect(disk.termAt(3)).toBe(null);
  world.runUntil(1000);
  expect([1, 2, 3].map((index) => disk.durable.term(index))).toEqual([1, 2, null]);
  expect(disk.read().entries.map((e) => e.term)).toEqual([1, 2]);
});

test("the checks find a vote that changes, a log that does not match and a lost command", () => {
  const world = new World(1);
  const checks = new RaftInvariants();
  const disks = ["a", "b"].map((name) => new SimDisk(processIn(world, name)));
  disks.forEach((disk, i) => checks.watch(i + 1, disk));
  const [a, b] = disks as [SimDisk, SimDisk];
  const [ofA, ofB] = [a.storage(), b.storage()];
  ofA.append(batch([], { term: 2, vote: 1, commit: 0 }), () => {});
  world.runUntil(100);
  ofA.append(batch([], { term: 2, vote: 2, commit: 0 }), () => {});
  expect(() => world.runUntil(200)).toThrow("one vote a term");
  ofB.append(batch([entry(1, 1, "x")]), () => {});
  expect(() => ofA.append(batch([entry(1, 1, "y")]), () => {})).toThrow("log matching");
  checks.onApply(1, 1, 1, Uint8Array.of(1));
  expect(() => checks.onApply(2, 1, 1, Uint8Array.of(2))).toThrow("state machine safety");
  checks.onState(1, 1, "x");
  checks.onState(2, 1, "x");
  expect(() => checks.onState(2, 1, "y")).toThrow("the same state at the same index");
});

const LEADS = {
  term: 3,
  role: "leader",
  leader: 1,
  commit: 0,
  applied: 0,
  lastIndex: 0,
  snapshotIndex: 0,
  members: [],
  canLose: null,
  notVoting: null,
  shortOfSpace: null,
  agreedVersion: 1,
} as const;

test("the checks find two leaders of a term, and one whose vote is not on its disk", () => {
  const world = new World(2);
  const checks = new RaftInvariants();
  for (const id of [1, 2, 3]) {
    const disk = new SimDisk(processIn(world, `n${id}`));
    checks.watch(id, disk);
    if (id < 3) disk.storage().append(batch([], { term: 3, vote: id, commit: 0 }), () => {});
  }
  world.runUntil(100);
  checks.onStatus({ ...LEADS, id: 1 });
  expect(() => checks.onStatus({ ...LEADS, id: 2 })).toThrow("one leader a term");
  expect(() => checks.onStatus({ ...LEADS, id: 3, term: 4 })).toThrow("durable before it counts");
});

test("the checks find a leader that lacks what was committed, or has another entry in its place", () => {
  for (const [term, lastIndex] of [[3, 1], [2, 1], [0, 0]] as const) {
    const world = new World(3);
    const checks = new RaftInvariants();
    const [first, second] = [1, 2].map((id) => {
      const disk = new SimDisk(processIn(world, `n${id}`));
      checks.watch(id, disk);
      return disk;
    }) as [SimDisk, SimDisk];
    first.storage().append(batch([entry(1, 3, "x")], { term: 3, vote: 1, commit: 0 }), () => {});
    const entries = term === 0 ? [] : [entry(1, term, term === 3 ? "x" : "y")];
    second.storage().append(batch(entries, { term: 4, vote: 2, commit: 0 }), () => {});
    world.runUntil(100);
    for (const commit of [0, 1]) checks.onStatus({ ...LEADS, id: 1, lastIndex: 1, commit });
    const next = () => checks.onStatus({ ...LEADS, id: 2, term: 4, lastIndex });
    if (term === 3) next();
    else expect(next).toThrow("leader completeness");
  }
});

function configEntry(index: number, term: number, voters: readonly number[]) {
  return { index, term, kind: "config" as const, data: encodeConfiguration(makeConfiguration(voters)) };
}

test("the checks find a configuration beside an uncommitted one, and one that overlaps with none before it", () => {
  const world = new World(4);
  const checks = new RaftInvariants();
  const disk = new SimDisk(processIn(world, "a"));
  checks.watch(1, disk);
  const storage = disk.storage();
  checks.onStart(1, [1, 2, 3]);
  storage.append(batch([entry(1, 3)], { term: 3, vote: 1, commit: 0 }), () => {});
  world.runUntil(100);
  const leads = (lastIndex: number, commit: number) =>
    checks.onStatus({ ...LEADS, id: 1, lastIndex, commit, members: [] });
  leads(1, 0);
  storage.append(batch([configEntry(2, 3, [1, 2, 3, 4])]), () => {});
  expect(() => leads(2, 0)).toThrow("one uncommitted configuration");
  storage.append(batch([configEntry(3, 3, [1, 2, 3])]), () => {});
  expect(() => leads(3, 1)).toThrow("one uncommitted configuration");
  storage.append(batch([configEntry(4, 3, [1, 2])]), () => {});
  leads(4, 3);
  expect(() => storage.append(batch([configEntry(5, 3, [1, 4])]), () => {})).toThrow("overlap");
});

test("a bit that flips is refused, or means nothing", () => {
  let refused = 0;
  for (let seed = 0; seed < 300; seed++) {
    const world = new World(seed);
    const process = processIn(world, "a");
    const disk = new SimDisk(process);
    const storage = disk.storage();
    const entries = [1, 2, 3, 4, 5].map((index) => entry(index, 1, "x".repeat(100 * index)));
    storage.append(batch(entries, { term: 1, vote: 1, commit: 0 }), () => {});
    world.runUntil(1000);
    process.kill();
    disk.crash(true);
    disk.rot();
    process.start();
    try {
      expect(disk.storage().load().entries.length).toBe(5);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(50);
  expect(refused).toBeLessThan(300);
});

test("a full disk and one that fails once more end a process, or make it wait for room", () => {
  let [failed, waited] = [0, 0];
  for (let seed = 0; seed < 40; seed++) {
    const world = new World(seed);
    const process = processIn(world, "a");
    const disk = new SimDisk(process);
    const storage = disk.storage();
    let durable = 0;
    if (seed % 2 === 0) disk.failSoon();
    else disk.fill();
    for (let i = 1; i <= 30; i++) {
      storage.append(batch([entry(i, 1, "y".repeat(1500))]), (error) => error ? failed++ : durable = i);
    }
    world.runUntil(2000);
    if (storage.oldestPendingMs() > 1000) waited++;
    process.kill();
    disk.crash(false);
    disk.makeRoom();
    process.start();
    expect(disk.storage().load().entries.length).toBeGreaterThanOrEqual(durable);
  }
  expect(failed).toBeGreaterThan(0);
  expect(waited).toBeGreaterThan(0);
});
