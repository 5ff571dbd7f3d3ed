/** How commands of the user's own are called, and what is made of their end. In temporary directories. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "../demo/wait_for.ts";
import { isAlive } from "../lib/process_table.ts";
import { birthMs } from "./disk.ts";
import { type MethodCall, readMade, replicaArguments, runMethod, settleMade } from "./method.ts";
import type { Programs } from "./programs.ts";
import { DataMark } from "./data_mark.ts";
import { UnfinishedMarker } from "./unfinished.ts";

const FACTS = { scope: "main", dataDir: "/data", connstring: "host=a" };

test("a command gets Patroni's arguments behind its own options", () => {
  const options = { keep_data: "True", scope: "mine", repo: "1", empty: "" };
  expect(replicaArguments({ options, noParams: false }, FACTS)).toEqual([
    "--keep_data=True",
    "--scope=main",
    "--repo=1",
    "--empty=",
    "--role=replica",
    "--datadir=/data",
    "--connstring=host=a",
  ]);
  expect(replicaArguments({ options: { repo: "1" }, noParams: true }, FACTS)).toEqual(["--repo=1"]);
});

async function withCall(body: (call: MethodCall, dataDir: string) => Promise<void>): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), "agent-method-"));
  const dataDir = join(base, "data");
  const ownDir = join(base, "run");
  mkdirSync(dataDir);
  try {
    await body({
      name: "mine",
      command: "sh -c",
      args: [],
      env: {},
      timeLimitS: 60,
      what: "clone",
      marker: new UnfinishedMarker(dataDir, ownDir, new DataMark(ownDir)),
      parts: [],
      signal: new AbortController().signal,
    }, dataDir);
  } finally {
    rmSync(base, { recursive: true });
  }
}

test("the directory is empty for the command, and marked from outside whatever becomes of it", () =>
  withCall(async (call, dataDir) => {
    const { marker } = call;
    await marker.write("clone", null);
    const script = `ls -A ${dataDir} | wc -l > ${dataDir}.seen; rm -r ${dataDir}; mkdir -p ${dataDir}/global`;
    expect(await runMethod({ ...call, args: [script] })).toBeNull();
    expect(readFileSync(`${dataDir}.seen`, "utf8").trim()).toBe("0");
    expect(marker.read()).toMatchObject({ what: "clone", content: "command" });
    writeFileSync(join(dataDir, "agent.unfinished"), "rewind\n{}\n");
    expect(marker.read()).toMatchObject({ what: "clone", content: "command" });
    settleMade(dataDir);
    await marker.remove();
    expect(marker.read()).toBeNull();
  }));

const ENDS: readonly (readonly [name: string, script: string, says: string])[] = [
  ["one that fails", "echo what is missing >&2; exit 3", "mine failed with exit code 3: what is missing"],
  ["one that is killed", "kill -9 $$", "mine was ended by SIGKILL"],
  [
    "one that says what no terminal should show",
    "printf 'error: \\033[2J\\001'; exit 1",
    "mine failed with exit code 1: error: \\u001b[2J\\u0001",
  ],
];

for (const [name, script, says] of ENDS) {
  test(`${name} is told in one line`, () =>
    withCall(async (call) => expect(await runMethod({ ...call, args: [script] })).toBe(says)));
}

test("a directory whose tablespace was there before the command is refused", () =>
  withCall(async (call, dataDir) => {
    const live = `${dataDir}.live`;
    mkdirSync(live);
    writeFileSync(join(live, "PG_15_202209061"), "");
    await waitFor("a later time", 5000, () => Date.now() > birthMs(join(live, "PG_15_202209061")) + 1100);
    const script = `cd ${dataDir}; mkdir pg_tblspc global; echo 15 > PG_VERSION; touch global/pg_control;
      ln -s ${live} pg_tblspc/16384`;
    expect(await runMethod({ ...call, args: [script] })).toBeNull();
    const made = await readMade({ major: 15 } as Programs, dataDir, call.marker.read());
    expect(made).toMatchObject({
      ok: false,
      error: expect.stringContaining(`leads to ${live}, which was there before`),
    });
    rmSync(live, { recursive: true });
  }));

test("a long complaint is cut", () =>
  withCall(async (call) => {
    const failed = await runMethod({ ...call, args: ["head -c 60000 /dev/zero | tr '\\0' x; exit 1"] });
    expect(failed!.length).toBeLessThan(600);
  }));

test("one that is no command, or cannot be started, is told", () =>
  withCall(async (call) => {
    expect(await runMethod({ ...call, command: "a '" })).toBe("mine: a ' is not a command");
    expect(await runMethod({ ...call, command: "/nonexistent" })).toContain("could not be started");
  }));

const endings: readonly (readonly [string, (controller: AbortController) => Partial<MethodCall>, string])[] =
  [
    ["its time limit", () => ({ timeLimitS: 0.3 }), "took too long and was ended (time_limit of 0.3 s)"],
    ["the agent's stop", (controller) => {
      setTimeout(() => controller.abort(), 300);
      return { signal: controller.signal };
    }, "was cancelled"],
  ];

for (const [name, change, says] of endings) {
  test(`${name} ends a command with its children`, () =>
    withCall(async (call, dataDir) => {
      const pidFile = `${dataDir}.pid`;
      const controller = new AbortController();
      const failed = await runMethod({
        ...call,
        args: [`sleep 600 & echo $! > ${pidFile}; wait`],
        ...change(controller),
      });
      expect(failed).toBe(`mine ${says}`);
      const child = Number(readFileSync(pidFile, "utf8"));
      await waitFor("its child is gone", 5000, () => !isAlive(child));
    }));
}

test("what a command leaves running in its group is ended with it", () =>
  withCall(async (call, dataDir) => {
    const pidFile = `${dataDir}.pid`;
    expect(await runMethod({ ...call, args: [`sleep 600 >/dev/null 2>&1 & echo $! > ${pidFile}`] }))
      .toBeNull();
    const child = Number(readFileSync(pidFile, "utf8"));
    await waitFor("its child is gone", 5000, () => !isAlive(child));
    expect(existsSync(dataDir)).toBe(true);
  }));
