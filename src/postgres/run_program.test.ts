import { afterEach, beforeEach, expect, test } from "bun:test";
import { MEMORY_VARIABLE } from "../lib/quiet_memory.ts";
import { runProgram, serverEnvironment } from "./run_program.ts";

const OWN = {
  NOTIFY_SOCKET: "/run/n",
  WATCHDOG_PID: "1",
  WATCHDOG_USEC: "1",
  LISTEN_FDS: "1",
  LISTEN_PID: "1",
  LISTEN_FDNAMES: "x",
  PATRONI_NAME: "x",
  BUN_OPTIONS: "--print",
  AGENT_WAKE_PROFILE: "/x",
  [MEMORY_VARIABLE]: "10000",
};
/** As the agent itself was started. */
const GIVEN = {
  ...OWN,
  WATCHDOG_OF_THE_USER: "y",
  PGPASSWORD: "x",
  PGBACKREST_STANZA: "main",
  LANG: "de_DE",
};

const before: { [name: string]: string | undefined } = {};
beforeEach(() => {
  for (const [name, value] of Object.entries(GIVEN)) {
    before[name] = process.env[name];
    process.env[name] = value;
  }
});
afterEach(() => {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

async function namesIn(environment: "program" | "server"): Promise<string[]> {
  const { stdout } = await runProgram("env", [], { environment });
  const names = stdout.split("\n").map((line) => line.split("=")[0]!);
  return Object.keys(GIVEN).filter((name) => names.includes(name));
}

test("scripts and PostgreSQL get nothing that is for the agent itself, and their own variables", async () => {
  expect(await namesIn("server")).toEqual(["WATCHDOG_OF_THE_USER", "PGBACKREST_STANZA", "LANG"]);
  const inherited = serverEnvironment();
  expect(Object.keys(OWN).filter((name) => Object.hasOwn(inherited, name))).toEqual([]);
});

test("PostgreSQL's tools get nothing that says how they are to connect or speak", async () => {
  expect(await namesIn("program")).toEqual(["WATCHDOG_OF_THE_USER"]);
});
