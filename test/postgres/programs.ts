/** PostgreSQL's own programs, as a user runs them against a member. */
import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { findPrograms } from "../../src/postgres/programs.ts";
import type { TestMember } from "./site.ts";

/** One of PostgreSQL's programs, connected to `member`; its exit code and what it said on stderr. */
export function program(member: TestMember, name: "pg_basebackup" | "pg_recvlogical", ...args: string[]) {
  const programs = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
  const path = join(dirname(programs.path("pg_basebackup")), name);
  const child: ChildProcess = spawn(path, [
    "-h",
    "127.0.0.1",
    "-p",
    String(member.port),
    "-U",
    "postgres",
    ...args,
  ], {
    cwd: dirname(dirname(member.dataDir)),
    env: { ...process.env, PGPASSWORD: "super's secret" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr?.on("data", (chunk: Uint8Array) => (said += String(chunk)));
  const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, said }))
  );
  return { child, ended, said: () => said };
}
