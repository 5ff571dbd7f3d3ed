import { afterEach, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, until } from "../transport/testing.ts";

interface Member {
  readonly child: ChildProcess;
  readonly lines: string[];
}

const EXAMPLE = join(import.meta.dir, "counter.ts");
const running = new Set<ChildProcess>();
const directories: string[] = [];

afterEach(async () => {
  await Promise.all([...running].map(kill));
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true, force: true });
});

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    running.delete(child);
    child.once("close", () => resolve());
    child.kill("SIGKILL");
  });
}

async function freeAddresses(count: number): Promise<string[]> {
  const addresses: string[] = [];
  while (addresses.length < count) addresses.push(`127.0.0.1:${await freePort()}`);
  return addresses;
}

function start(directory: string, own: string, addresses: readonly string[]): Member {
  const others = addresses.filter((address) => address !== own);
  const child = spawn(process.execPath, [EXAMPLE, directory, own, ...others], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  running.add(child);
  const lines: string[] = [];
  let rest = "";
  child.stdout!.on("data", (chunk) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop()!;
    lines.push(...parts);
  });
  return { child, lines };
}

function type(member: Member, line: string): void {
  member.child.stdin!.write(`${line}\n`);
}

const leads = ({ lines }: Member) => lines.findLast((line) => line.includes("in term"))?.startsWith("leader");

test("three processes count together, go on without the leader, and remember", async () => {
  const base = fs.mkdtempSync(join(tmpdir(), "raft-counter-"));
  directories.push(base);
  const addresses = await freeAddresses(3);
  const startAt = (i: number) => start(join(base, `${i}`), addresses[i]!, addresses);
  const members = [0, 1, 2].map(startAt);
  await until("a leader", () => members.some(leads));
  members.forEach((member, i) => type(member, `${10 ** i}`));
  await until(
    "all counted",
    () => members.every(({ lines }) => lines.some((line) => line.startsWith("counter is"))),
  );
  expect(members.some(({ lines }) => lines.includes("counter is 111"))).toBe(true);

  const leader = members.findIndex(leads);
  await kill(members[leader]!.child);
  const [survivor] = members.filter((_, i) => i !== leader);
  type(survivor!, "-11");
  await until("counted without it", () => survivor!.lines.includes("counter is 100"));

  const again = startAt(leader);
  type(again, "23");
  await until("the one that was killed remembers", () => again.lines.includes("counter is 123"));
  type(again, "many");
  await until("told", () => again.lines.includes("a line is a number"));
}, 30_000);

test("the README shows the example as it is", () => {
  const readme = fs.readFileSync(join(import.meta.dir, "..", "README.md"), "utf8");
  expect(readme).toContain(fs.readFileSync(EXAMPLE, "utf8"));
});
