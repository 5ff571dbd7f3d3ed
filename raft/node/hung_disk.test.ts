/**
 * A disk that does not answer, with the thread and the system calls of production. The holder of a lease on a
 * file (see fcntl(2)) makes every process wait that opens the file, until the lease is given up. So the
 * writer stands still between two segments.
 */
import { afterEach, expect, test } from "bun:test";
import { dlopen, FFIType } from "bun:ffi";
import * as fs from "node:fs";
import { join } from "node:path";
import { until } from "../transport/testing.ts";
import { crash, endAll, leaderOf, newCluster, propose, type RealMember } from "./testing_real.ts";

const SEGMENT_BYTES = 4096;
const F_SETLEASE = 1024;
const F_WRLCK = 1;
const F_UNLCK = 2;

function setLease(fd: number, kind: number): boolean {
  const { symbols } = dlopen("libc.so.6", {
    fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.i64], returns: FFIType.i32 },
  });
  return symbols.fcntl(fd, F_SETLEASE, kind) === 0;
}

/**
 * Makes the member's writer hang at its next segment; `leader` writes until it gets there. Returns how to end
 * that; the kernel ends it after 45 s.
 */
async function hang({ directory }: RealMember, leader: RealMember): Promise<() => void> {
  const where = join(directory, "wal");
  let fd = -1;
  // A segment that is open, or is being made, gets no lease.
  await until("the next segment is made", () => {
    const last = fs.readdirSync(where).filter((name) => name.endsWith(".log")).sort().at(-1)!;
    fd = fs.openSync(join(where, last), "r+");
    if (setLease(fd, F_WRLCK)) return true;
    fs.closeSync(fd);
    return false;
  });
  let waited = false;
  const note = () => void (waited = true);
  // The kernel sends SIGIO to the holder when a process begins to wait.
  process.on("SIGIO", note);
  for (const _ of [1, 2]) void propose(leader, "x".repeat(SEGMENT_BYTES * 3 / 4));
  await until("the writer waits", () => waited);
  let hangs = true;
  return () => {
    if (!hangs) return;
    hangs = false;
    setLease(fd, F_UNLCK);
    fs.closeSync(fd);
    process.off("SIGIO", note);
  };
}

afterEach(endAll);

async function started() {
  const { start } = await newCluster({ segmentBytes: SEGMENT_BYTES });
  const members = [start(0), start(1), start(2)] as const;
  const leader = await leaderOf(members);
  await until("in contact", () => leader.node.status().canLose === 1);
  return { start, members, leader, first: members[0] };
}

function lead(member: RealMember, leader: RealMember): Promise<unknown> {
  if (member === leader) return Promise.resolve();
  return new Promise((resolve) => leader.node.transferLeadership(member.node.id, resolve));
}

const lastIndex = ({ node }: RealMember) => node.status().lastIndex;

test.skipIf(process.platform !== "linux")(
  "B23: a leader whose disk hangs loses its role; nothing acknowledged is lost",
  async () => {
    const { start, members, leader, first } = await started();
    await lead(first, leader);
    await until("it leads", () => first.node.leadsWithOwnTerm());
    const acknowledged: string[] = [];
    const note = async (member: RealMember, command: string) => {
      if ((await propose(member, command)).kind === "applied") acknowledged.push(command);
    };
    await note(first, "before");
    const thaw = await hang(first, first);
    try {
      const waiting = [0, 1, 2].map((i) => note(first, `during ${i}`));
      const others = members.filter((member) => member !== first);
      const next = await leaderOf(others);
      await Promise.all([0, 1, 2, 3].map((i) => note(next, `after ${i}`)));
      expect(acknowledged.filter((command) => command.startsWith("after")).length).toBe(4);
      expect(first.storage.oldestPendingMs()).toBeGreaterThan(0);
      expect(first.node.leadsWithOwnTerm()).toBe(false);
      thaw();
      await Promise.all(waiting);
      await until("the first follows", () => first.node.status().leader === next.node.id);
    } finally {
      thaw();
    }
    const most = members[1].machine.commands;
    for (const member of members) await crash(member);
    const again = [start(0), start(1), start(2)];
    await until(
      "the state is back",
      () => again.every(({ machine }) => machine.commands.length >= most.length),
    );
    for (const { machine } of again) {
      expect(machine.commands).toEqual(again[0]!.machine.commands);
      for (const command of acknowledged) {
        expect(machine.commands.filter((one) => one === command)).toEqual([command]);
      }
    }
  },
  60_000,
);

test.skipIf(process.platform !== "linux")(
  "beside a follower whose disk hangs the healthy one is not removed, and the group goes on",
  async () => {
    const { members, leader, first } = await started();
    const others = members.filter((member) => member !== first);
    if (first === leader) await lead(others[0]!, leader);
    const now = await leaderOf(others);
    const spare = others.find((member) => member !== now)!;
    const remove = (id: number) =>
      new Promise<{ kind: string; reason?: string }>((resolve) => now.node.removeMember(id, resolve));
    const thaw = await hang(first, now);
    try {
      await until("the leader knows", () => now.node.status().canLose === 0);
      const refused = await remove(spare.node.id);
      expect(refused.kind).toBe("rejected");
      expect(refused.reason).toContain("completes no write: look there at the disk of the raft directory");
      expect((await propose(now, "goes on")).kind).toBe("applied");
      thaw();
      await until("it writes again", () => now.node.status().canLose === 1);
      expect((await remove(spare.node.id)).kind).toBe("done");
      expect((await propose(now, "of two")).kind).toBe("applied");
    } finally {
      thaw();
    }
  },
  60_000,
);

test.skipIf(process.platform !== "linux")(
  "B8: a follower whose disk hangs acknowledges nothing, and counts for no majority",
  async () => {
    const { members, leader, first } = await started();
    const others = members.filter((member) => member !== first);
    if (first === leader) await lead(others[0]!, leader);
    const now = await leaderOf(others);
    const spare = others.find((member) => member !== now)!;
    await propose(now, "before");
    await until("replicated", () => members.every((member) => lastIndex(member) === lastIndex(now)));
    const matchOfFirst = () => now.node.status().members.find(({ id }) => id === first.node.id)!.match;
    await until("acknowledged", () => matchOfFirst() === lastIndex(now));
    const thaw = await hang(first, now);
    try {
      // No segment holds two such commands: the second cannot be written.
      const hanging = lastIndex(now);
      for (let i = 0; i < 20; i++) expect((await propose(now, `majority ${i}`)).kind).toBe("applied");
      await until("it has received them", () => lastIndex(first) === lastIndex(now));
      expect(matchOfFirst()).toBeLessThan(hanging);
      // Without the third member there is no majority, though the leader and the first one are in contact.
      await crash(spare);
      const outcome = propose(now, "no majority");
      let applied = false;
      void outcome.then(({ kind }) => applied = kind === "applied");
      const end = performance.now() + 1500;
      await until("some time has passed", () => performance.now() > end);
      expect(applied).toBe(false);
      expect(matchOfFirst() ?? 0).toBeLessThan(hanging);
      thaw();
      await until(
        "done at last",
        () => applied || first.node.leadsWithOwnTerm() || now.node.leadsWithOwnTerm(),
      );
      const after = await leaderOf([first, now]);
      expect((await propose(after, "goes on")).kind).toBe("applied");
      for (let i = 0; i < 20; i++) {
        expect(after.machine.commands).toContain(`majority ${i}`);
      }
    } finally {
      thaw();
    }
  },
  60_000,
);
