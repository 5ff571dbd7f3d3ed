import { afterEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_BALLAST_BYTES } from "../storage/space.ts";
import { MAX_RAFT_FRAME_BYTES } from "../transport/frame.ts";
import { until } from "../transport/testing.ts";
import type { AddOutcome } from "./api.ts";
import { crash, endAll, leaderOf, newCluster, propose } from "./testing_real.ts";

const MIB = 1024 * 1024;

afterEach(endAll);

function sizeOf(directory: string): number {
  const names = fs.readdirSync(directory, { recursive: true }) as string[];
  // A file may disappear while it is looked at.
  return names.reduce(
    (sum, name) => sum + (fs.statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
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

test("however large the commands are, log and snapshots stay below 16 MiB, beside what is kept back", async () => {
  const base = fs.mkdtempSync(join(tmpdir(), "raft-size-"));
  try {
    const directoryOf = (member: number) => join(base, String(member));
    const { start } = await newCluster({ directoryOf });
    const members = [start(0), start(1), start(2)];
    const leader = await leaderOf(members);
    let most = 0;
    for (let round = 0; round < 24; round++) {
      // The state stays small: only the commands are large.
      for (const { machine } of members) machine.commands = [];
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, () => propose(leader, "x".repeat(64 * 1024))),
      );
      expect(outcomes.filter(({ kind }) => kind !== "applied")).toEqual([]);
      most = Math.max(most, ...members.map((_, member) => sizeOf(directoryOf(member))));
    }
    expect(most).toBeLessThan(16 * MIB + DEFAULT_BALLAST_BYTES);
  } finally {
    await endAll();
    fs.rmSync(base, { recursive: true, force: true });
  }
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
  // The node has heard that it is done, or was gone before that.
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

test("a snapshot larger than any frame brings a member up, while the leader keeps its role", async () => {
  // A busy host may hold a process for a second: that is no fault of the snapshot.
  const { start } = await newCluster({ electionMs: 3000 });
  const members = [start(0), start(1), start(2)];
  const leader = await leaderOf(members);
  const away = members.find((member) => member !== leader)!;
  await crash(away);
  for (let n = 0; n < 14; n++) {
    expect((await propose(leader, `${n}`.repeat(900_000 / `${n}`.length))).kind).toBe("applied");
  }
  expect(sizeOf(leader.directory)).toBeGreaterThan(2 * MAX_RAFT_FRAME_BYTES);
  const { term } = leader.node.status();
  const back = start(members.indexOf(away));
  await until(
    "it has the snapshot",
    () => back.machine.commands.length === leader.machine.commands.length,
    30_000,
  );
  expect(back.machine.commands).toEqual(leader.machine.commands);
  expect(leader.node.status()).toMatchObject({ term, role: "leader" });
  expect((await propose(back, "after")).kind).toBe("applied");
  // The snapshot that it wrote is the one it starts from.
  await crash(back);
  const again = start(members.indexOf(away));
  await until("state is back", () => again.machine.commands.at(-1) === "after", 30_000);
}, 60_000);
