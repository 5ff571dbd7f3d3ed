import { expect, test } from "bun:test";
import { SimHost, SimProcess, World } from "../../raft/sim/mod.ts";
import type { GuardReply } from "../guard/port.ts";
import { ModelGuardClient } from "./model_guard_client.ts";
import { ModelGuard } from "./model_guard.ts";
import { ModelServer, type ServerWorld } from "./model_server.ts";
import { Safety } from "./safety.ts";
import { Branch, commonAncestor, contains, lostBytes } from "./wal.ts";

class Pair implements ServerWorld {
  readonly safety: Safety;
  readonly servers: ModelServer[];
  cut = false;
  #systems = 0;

  readonly world: World;

  constructor(world: World) {
    this.world = world;
    this.safety = new Safety(world);
    this.servers = ["a", "b"].map((name) => new ModelServer(name, this));
  }

  serverOf(member: string): ModelServer | null {
    return this.servers.find((server) => server.name === member) ?? null;
  }

  guidedForMs(): number {
    return Infinity;
  }

  reachable(): boolean {
    return !this.cut;
  }

  onAcking(server: ModelServer, can: boolean): void {
    this.safety.onAcking(server, can);
  }

  onAcknowledged(): void {}

  onCleanShutdown(server: ModelServer): void {
    this.safety.onCleanShutdown(server);
  }

  onSetAside(): void {}

  newSystemId(): string {
    return `s${++this.#systems}`;
  }
}

/** A running primary `a` with a streaming standby `b`. */
function replicated(seed: number): { world: World; pair: Pair; a: ModelServer; b: ModelServer } {
  const world = new World(seed);
  const pair = new Pair(world);
  const [a, b] = pair.servers as [ModelServer, ModelServer];
  a.directory.make(false);
  a.directory.finishBootstrap();
  a.start(1);
  world.runUntil(3000);
  b.directory.copyFrom(a.directory);
  b.directory.configureRecovery(true, "a");
  b.start(null);
  expect(world.runUntilHolds(20_000, 100, () => b.streaming)).toBe(true);
  return { world, pair, a, b };
}

function ends(server: ModelServer): boolean {
  return server.process === "none";
}

test("positions on branches: containment, ancestors and what is lost", () => {
  const first = new Branch(1, "s", null, "a");
  const at = (branch: Branch, bytes: number) => ({ branch, lsn: branch.startLsn + bytes });
  const second = new Branch(2, "s", at(first, 100), "b");
  expect(contains(at(first, 100), at(first, 50))).toBe(true);
  expect(contains(at(second, 10), at(first, 100))).toBe(true);
  expect(contains(at(second, 10), at(first, 101))).toBe(false);
  expect(contains(at(first, 500), at(second, 1))).toBe(false);
  expect(commonAncestor(at(second, 10), at(first, 400))).toEqual(at(first, 100));
  first.ackedLsn = first.startLsn + 130;
  expect(lostBytes(at(first, 150), at(second, 10))).toBe(30);
  expect(lostBytes(at(first, 90), at(second, 10))).toBe(0);
});

test("a standby follows its primary, and a clean shutdown leaves nothing behind", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { world, pair, a, b } = replicated(seed);
    world.runUntil(world.now() + 2000);
    expect(a.directory.position!.branch.acks).toBeGreaterThan(20);
    a.fast();
    expect(world.runUntilHolds(world.now() + 10_000, 10, () => a.process === "none")).toBe(true);
    expect(contains(b.directory.position!, a.directory.position!)).toBe(true);
    b.promote(2);
    expect(world.runUntilHolds(world.now() + 5000, 10, () => b.canAcknowledge)).toBe(true);
    expect(b.directory.position!.branch.timeline).toBe(2);
    expect(pair.safety.lostBytes).toBe(0);
    expect(pair.safety.failovers).toBe(1);
    expect(a.directory.compareWith(b.directory)).toBe("same");
  }
});

test("a primary that went on alone has diverged, and cannot stream until it is copied", () => {
  const { world, pair, a, b } = replicated(3);
  pair.cut = true;
  world.runUntil(world.now() + 6000);
  a.killed();
  b.promote(2);
  pair.cut = false;
  world.runUntil(world.now() + 3000);
  expect(pair.safety.lostBytes).toBeGreaterThan(0);
  expect(a.directory.compareWith(b.directory)).toBe("diverged");
  a.directory.configureRecovery(true, "b");
  a.start(null);
  world.runUntil(world.now() + 8000);
  expect(a.streaming).toBe(false);
  a.killed();
  a.directory.copyFrom(b.directory);
  a.directory.configureRecovery(true, "b");
  a.start(null);
  expect(world.runUntilHolds(world.now() + 10_000, 50, () => a.streaming)).toBe(true);
});

test("two servers that can acknowledge at once are a violation", () => {
  const { world, b } = replicated(4);
  b.promote(2);
  expect(() => world.runUntil(world.now() + 3000)).toThrow("never two writers");
});

test("a frozen server acknowledges nothing and finishes nothing until it is thawed", () => {
  const { world, a } = replicated(5);
  a.freeze();
  const { acks } = a.directory.position!.branch;
  a.fast();
  world.runUntil(world.now() + 5000);
  expect(a.directory.position!.branch.acks).toBe(acks);
  expect(ends(a)).toBe(false);
  a.thaw();
  world.runUntil(world.now() + 5000);
  expect(ends(a)).toBe(true);
});

test("the guard ends service at the deadline plus at most J and K, with the agent dead or paused", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = new World(seed);
    const pair = new Pair(world);
    const server = pair.servers[0]!;
    const host = new SimHost(world, "a", 1e-3);
    const agent = new SimProcess(host, "a");
    const guard = new ModelGuard(host, server, null);
    agent.start();
    const client = new ModelGuardClient(agent, guard);
    const replies: GuardReply[] = [];
    const reply = (answer: GuardReply) => replies.push(answer);
    world.runUntil(500);
    expect(client.view().state).toBe("ok");
    server.directory.make(false);
    server.directory.finishBootstrap();
    client.start({ program: "", args: [], env: {}, dataDir: "", epoch: 1 }, reply);
    world.runUntil(600);
    expect(replies.at(-1)?.ok).toBe(false);
    const deadlineMs = host.nowMs() + 3000;
    client.arm(1, deadlineMs, false, reply);
    client.start({ program: "", args: [], env: {}, dataDir: "", epoch: 1 }, reply);
    world.runUntil(1500);
    expect(replies.map((each) => each.ok)).toEqual([false, true, true]);
    expect(server.canAcknowledge).toBe(true);
    if (seed % 2 === 0) agent.kill();
    else agent.pause(20_000);
    const leftMs = host.trueDelayTo(deadlineMs);
    world.runUntil(world.now() + leftMs - 1);
    expect(server.canAcknowledge).toBe(true);
    world.runUntil(world.now() + 451);
    expect(server.canAcknowledge).toBe(false);
    world.runUntil(world.now() + 8000);
    expect(server.process).toBe("none");
  }
});

test("a clock that runs faster meanwhile makes the guard no later than it may be", () => {
  const world = new World(11);
  const server = new Pair(world).servers[0]!;
  const host = new SimHost(world, "a", 0);
  host.setRate(0.999);
  const guard = new ModelGuard(host, server, null);
  guard.spawn();
  guard.dawdle();
  server.directory.make(false);
  server.directory.finishBootstrap();
  const deadlineMs = host.nowMs() + 60_000;
  guard.input({ kind: "arm", epoch: 1, deadlineMs, unfenced: false, killAfterMs: 5000 });
  expect(guard.startServer(1).ok).toBe(true);
  world.runUntil(10_000);
  host.setRate(1.001);
  world.runUntil(world.now() + host.trueDelayTo(deadlineMs));
  expect(server.canAcknowledge).toBe(true);
  world.runUntil(world.now() + 450);
  expect(server.canAcknowledge).toBe(false);
});

test("a guard that dies takes PostgreSQL with it, and the agent makes another", () => {
  const world = new World(9);
  const pair = new Pair(world);
  const server = pair.servers[0]!;
  const host = new SimHost(world, "a", 1e-3);
  const agent = new SimProcess(host, "a");
  const guard = new ModelGuard(host, server, null);
  agent.start();
  const client = new ModelGuardClient(agent, guard);
  world.runUntil(500);
  server.directory.make(false);
  server.directory.finishBootstrap();
  client.arm(1, host.nowMs() + 60_000, false, () => {});
  client.start({ program: "", args: [], env: {}, dataDir: "", epoch: 1 }, () => {});
  world.runUntil(2000);
  expect(server.canAcknowledge).toBe(true);
  const before = client.view().incarnation;
  guard.die();
  world.runUntil(2200);
  expect(server.canAcknowledge).toBe(false);
  world.runUntil(3000);
  expect(client.view()).toMatchObject({ state: "ok", armed: null, anyProcess: false });
  expect(client.view().incarnation).toBeGreaterThan(before);
});
