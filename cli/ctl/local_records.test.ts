/** What is shown, and removed, when no member answers: by the raft log of this host. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { life } from "../../src/brain/testing.ts";
import type { CommandBody } from "../../src/dcs/commands.ts";
import { join as joining } from "../../src/dcs/testing.ts";
import { runCtl, StubCluster, type TestLog, writeLog } from "./testing.ts";

const logs: TestLog[] = [];

afterEach(() => {
  for (const { directory } of logs.splice(0)) {
    for (const name of readdirSync(dirname(directory))) {
      if (name.startsWith(basename(directory))) rmSync(join(dirname(directory), name), { recursive: true });
    }
  }
});

const connUrl = (name: string) => ({ connUrl: `postgres://${name}.example:5432/postgres` });
const GRANT: CommandBody = {
  op: "grant",
  epoch: 1,
  holder: "a",
  life: life("a"),
  reason: "most advanced member",
  complete: true,
};
const COMMANDS: readonly CommandBody[] = [
  joining("a", connUrl("a")),
  joining("b", { ...connUrl("b"), tags: { nofailover: true } }),
  { op: "claimInitialize", incarnation: 1 },
  { op: "completeInitialize", incarnation: 1, systemId: "7277694203142172922" },
  { op: "setConfig", value: { ttl: 5, pause: true }, expectRevision: null },
  GRANT,
  {
    op: "addHistory",
    maxLines: 10,
    epoch: 1,
    line: [1, 25623960, "no recovery target specified", "2026-11-28T12:00:00+00:00", "a"],
  },
];

/** The file of a member that ran, and of which nothing runs now. */
async function stopped(commands: readonly CommandBody[] = COMMANDS): Promise<{ file: string; log: TestLog }> {
  const log = await writeLog(commands);
  logs.push(log);
  log.stop();
  const file = join(log.directory, "agent.yml");
  writeFileSync(
    file,
    `scope: demo\nraft: {data_dir: "${log.directory}"}\nrestapi: {connect_address: "127.0.0.1:1"}\n`,
  );
  return { file, log };
}

test("list shows the records of this host, says that they are stale, and ends with 1", async () => {
  const { file, log } = await stopped();
  const { code, out, err } = await runCtl(["-c", file, "list"]);
  expect(code).toBe(1);
  expect(out.split("\n").slice(0, 7)).toEqual([
    "+ Cluster: demo (7277694203142172922) ---+----+-------------+-----+------------+-----+------------------+",
    "| Member | Host      | Role    | State   | TL | Receive LSN | Lag | Replay LSN | Lag | Tags             |",
    "+--------+-----------+---------+---------+----+-------------+-----+------------+-----+------------------+",
    "| a      | a.example | Leader  | unknown |    |             |     |            |     |                  |",
    "| b      | b.example | Replica | unknown |    |             |     |            |     | nofailover: true |",
    "+--------+-----------+---------+---------+----+-------------+-----+------------+-----+------------------+",
    " Maintenance mode: on",
  ]);
  const origin = `the raft log of this host, ${log.directory}, last written 20`;
  expect(out.split("\n").at(-1)).toStartWith(` Stale: from ${origin}`);
  expect(err).toStartWith(
    "Error: No member of the cluster answers:\n  http://127.0.0.1:1: connection refused\n",
  );
  expect(err).toContain(`Shown instead, and stale: ${origin}`);
  const json = await runCtl(["-c", file, "list", "-f", "json"]);
  expect([json.code, JSON.parse(json.out)[0]]).toEqual([
    1,
    { Cluster: "demo", Member: "a", Host: "a.example", Role: "Leader", State: "unknown" },
  ]);
});

test("so do topology, history and show-config; what changes something does not", async () => {
  const { file } = await stopped();
  const shown = async (...words: string[]) => await runCtl(["-c", file, ...words]);
  expect(await shown("topology")).toMatchObject({ code: 1, out: expect.stringContaining("| + b    |") });
  expect(await shown("show-config")).toMatchObject({ code: 1, out: "pause: true\nttl: 5" });
  expect(await shown("history", "-f", "tsv")).toMatchObject({
    code: 1,
    out: expect.stringContaining("1\t25623960\tno recovery target specified\t2026-11-28T12:00:00+00:00\ta"),
  });
  expect(await shown("switchover", "--force")).toMatchObject({ code: 1, out: "" });
  // The log of this host has nothing of a cluster of another name.
  expect(await shown("list", "another")).toMatchObject({ code: 1, out: "" });
  expect(await shown("list", "demo")).toMatchObject({
    code: 1,
    out: expect.stringContaining("Cluster: demo"),
  });
});

test("events, why and dcs get are answered from the records as well", async () => {
  const { file, log } = await stopped();
  const shown = (...words: string[]) => runCtl(["-c", file, ...words]);
  for (const words of [["events"], ["why"], ["why", "demo", "b"], ["dcs", "get", "leader"]]) {
    const { code, err } = await shown(...words);
    expect([words, code]).toEqual([words, 1]);
    expect(err).toStartWith("Error: No member of the cluster answers:\n  http://127.0.0.1:1: ");
    expect(err).toContain(`Shown instead, and stale: the raft log of this host, ${log.directory}`);
  }
  expect((await shown("events")).out).toMatch(/^#\d+ \S+ a lock-granted: /m);
  expect((await shown("events", "-m", "b")).out).toBe("No events of b.");
  expect((await shown("events", "-n", "0")).err).toEndWith(
    "\nand limit: a number from 1 to 1000 is expected",
  );
  const json = JSON.parse((await shown("events", "-f", "json", "-n", "1")).out);
  expect(json).toMatchObject([{ kind: "lock-granted", member: "a", because: [expect.any(Number)] }]);

  const why = await shown("why");
  expect(why.out.split("\n")).toEqual([
    expect.stringMatching(/^a holds the lock under epoch 1 since \S+: most advanced member\.$/),
    "No raft leader is known: without a majority of the voters no lease is renewed.",
    "a is not heard.",
    "The cluster is in maintenance mode (pause): no member is promoted by itself.",
    "",
    "How it came:",
    ...Array(2).fill(expect.stringMatching(/^ {2}#\d+ /)),
  ]);
  expect((await shown("why", "b")).out).toBe("b is not heard.");
  expect((await shown("why", "c")).err).toEndWith("\nand c is not a member of the cluster");
  expect(JSON.parse((await shown("why", "-f", "json")).out)).toMatchObject({ holder: "a", fresh: false });

  expect((await shown("dcs", "get", "leader")).out).toBe("a");
  expect((await shown("dcs", "get", "config")).out).toBe('{"ttl": 5, "pause": true}');
  expect((await shown("dcs", "get", "failover")).out).toBe("");
  for (const key of ["members/a", "status"]) {
    const { code, out, err } = await shown("dcs", "get", key);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`${key} is what the members report of themselves, and no log keeps it`);
  }
});

test("without such a log, or with one that is damaged, the error names it too", async () => {
  const { file, log } = await stopped();
  rmSync(join(log.directory, "identity.json"));
  const { code, out, err } = await runCtl(["-c", file, "list"]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain("No member of the cluster answers:");
  expect(err).toContain(`and the raft log of this host (${log.directory}) cannot be read: `);
});

test("remove asks three times, and sets the raft directory aside", async () => {
  const { file, log } = await stopped();
  const remove = (...typed: string[]) => runCtl(["-c", file, "remove", "demo"], typed);
  expect((await remove("demos")).err).toBe("Error: Cluster names specified do not match");
  expect((await remove("demo", "yes")).err).toBe('Error: You did not exactly type "Yes I am aware"');
  expect((await remove("demo", "Yes I am aware", "b")).err).toBe(
    "Error: You did not specify the current leader of the cluster",
  );
  expect((await remove("demo", "Yes I am aware")).err).toBe("Error: Aborted: the input has ended");
  expect(existsSync(log.directory)).toBe(true);
  const { code, out } = await remove("demo", "Yes I am aware", "a");
  expect(code).toBe(0);
  expect(out).toContain(
    'You are about to remove all information in DCS for demo, please type: "Yes I am aware": ',
  );
  expect(out).toContain("This cluster currently is healthy. Please specify the leader name to continue: ");
  expect(existsSync(log.directory)).toBe(false);
  const kept = /kept in (\S+\.removed-\d{8}T\d{6}Z)$/m.exec(out)![1]!;
  expect(existsSync(join(kept, "identity.json"))).toBe(true);
});

test("remove asks for no leader where the lock was given back", async () => {
  const release: CommandBody = {
    op: "release",
    epoch: 1,
    life: life("a"),
    reason: "shutdown",
    lsn: 1,
    timeline: 1,
  };
  const { file } = await stopped([...COMMANDS, release]);
  expect((await runCtl(["-c", file, "remove", "demo"], ["demo", "Yes I am aware"])).code).toBe(0);
});

test("remove refuses while a member runs, or the agent of this host, and for a cluster that is not the file's", async () => {
  const cluster = new StubCluster();
  try {
    const living = await cluster.ctl(["remove", "demo"]);
    expect(living.code).toBe(1);
    expect(living.err).toStartWith(
      "Error: Members of demo run (node1, node2, node3), and go on with their records.",
    );
  } finally {
    await cluster.stop();
  }
  const { file, log } = await stopped();
  expect((await runCtl(["-c", file, "remove", "other"])).err).toBe(
    "Error: The configuration is that of the cluster demo, not of other",
  );
  expect((await runCtl(["-c", file, "remove"])).code).toBe(2);
  expect((await runCtl(["-d", "127.0.0.1:1", "remove", "demo"])).err).toContain(
    "run this on their hosts, with -c FILE",
  );
  const running = await writeLog(COMMANDS);
  logs.push(running);
  writeFileSync(
    file,
    `scope: demo\nraft: {data_dir: "${running.directory}"}\nrestapi: {connect_address: "127.0.0.1:1"}\n`,
  );
  const locked = await runCtl(["-c", file, "remove", "demo"], ["demo", "Yes I am aware", "a"]);
  running.stop();
  expect(locked.err).toContain("only one process may use this directory at a time");
  expect(existsSync(running.directory)).toBe(true);
  expect(existsSync(log.directory)).toBe(true);
});

test("a member's file without raft.data_dir means the directory that the member chooses", async () => {
  const { log } = await stopped();
  const parent = `${log.directory}.parent`;
  mkdirSync(parent);
  const file = join(parent, "agent.yml");
  writeFileSync(
    file,
    `scope: demo\nname: n1\npostgresql: {data_dir: ${parent}/data}\nrestapi: {connect_address: "127.0.0.1:1"}\n`,
  );
  expect((await runCtl(["-c", file, "list"])).err).toContain(`(${parent}/n1.raft) cannot be read`);
});
