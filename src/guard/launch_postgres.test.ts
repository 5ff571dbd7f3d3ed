import { expect, test } from "bun:test";
import { MEMORY_VARIABLE } from "../lib/quiet_memory.ts";
import { postgresEnvironment } from "./launch_postgres.ts";

test("PostgreSQL gets the environment without what is for the supervision of the agent", () => {
  const ours = { BUN_OPTIONS: "-b", [MEMORY_VARIABLE]: "1" };
  const env = { HOME: "/x", NOTIFY_SOCKET: "/run/n", WATCHDOG_PID: "1", LISTEN_FDS: "1", ...ours };
  expect(postgresEnvironment(env, "0")).toEqual({ HOME: "/x" });
  expect(postgresEnvironment(env, "500")).toEqual({ HOME: "/x" });
});

test("sessions give up the protection from the OOM killer that the unit gives to the agent", () => {
  expect(postgresEnvironment({ HOME: "/x" }, "-900")).toEqual({
    HOME: "/x",
    PG_OOM_ADJUST_FILE: "/proc/self/oom_score_adj",
    PG_OOM_ADJUST_VALUE: "0",
  });
});
