/**
 * A disk that does not answer, with the thread and the system calls of production: a filesystem of its own is frozen
 * (fsfreeze), so that a write to it, and whoever makes it, stands still until it is thawed.
 */
import { afterAll, afterEach, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../transport/testing.ts";
import { crash, endAll, leaderOf, newCluster, propose, type RealMember } from "./testing_real.ts";

const base = fs.mkdtempSync(join(tmpdir(), "raft-frozen-"));
const mountPoint = join(base, "disk");
const mounted = mount();

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: "ignore" });
}

/** False where this user cannot mount a filesystem that can be frozen. */
function mount(): boolean {
  const image = join(base, "image");
  fs.mkdirSync(mountPoint);
  fs.closeSync(fs.openSync(image, "w"));
  fs.truncateSync(image, 64 * 1024 * 1024);
  try {
    run("mkfs.ext4", "-q", image);
    run("mount", "-o", "loop", image, mountPoint);
    return true;
  } catch (error) {
    process.stderr.write(`skipped: no filesystem could be mounted (${String(error)})\n`);
    return false;
  }
}

/** Whatever becomes of the test, the disk is thawed after a while: a frozen one cannot even be unmounted. */
function freeze(): () => void {
  run("fsfreeze", "--freeze", mountPoint);
  const rescue = spawn("sh", ["-c", 'sleep 40; fsfreeze --unfreeze "$0"', mountPoint], { stdio: "ignore" });
  let frozen = true;
  return () => {
    if (!frozen) return;
    frozen = false;
    rescue.kill();
    run("fsfreeze", "--unfreeze", mountPoint);
  };
}

afterEach(endAll);

afterAll(() => {
  if (mounted) run("umount", mountPoint);
  fs.rmSync(base, { recursive: true, force: true });
});

/** Three members, the first of them on the disk that can be frozen. */
async function started() {
  const directory = fs.mkdtempSync(join(mountPoint, "raft-"));
  const { start } = await newCluster((i) => i === 0 ? directory : null);
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

test.skipIf(!mounted)(
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
    const thaw = freeze();
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

test.skipIf(!mounted)(
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
    const held = lastIndex(now);
    const thaw = freeze();
    try {
      for (let i = 0; i < 20; i++) expect((await propose(now, `majority ${i}`)).kind).toBe("applied");
      await until("it has received them", () => lastIndex(first) === held + 20);
      expect(matchOfFirst()).toBe(held);
      // Without the third member there is no majority, though the leader and the first one are in contact.
      await crash(spare);
      const outcome = propose(now, "no majority");
      let applied = false;
      void outcome.then(({ kind }) => applied = kind === "applied");
      const end = performance.now() + 1500;
      await until("some time has passed", () => performance.now() > end);
      expect(applied).toBe(false);
      expect(matchOfFirst() ?? held).toBe(held);
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
