import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EffectivePostgresql, ServerRole } from "../model/config.ts";
import { writeAccessFile } from "./access_files.ts";
import { HEADER } from "./server_conf.ts";

const root = mkdtempSync(join(tmpdir(), "agent-access-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let directories = 0;

interface Lists {
  readonly common?: string[];
  readonly primary?: string[];
  readonly replica?: string[];
}

/** The file as it is after each role and configuration in turn. */
function after(steps: readonly (readonly [ServerRole, Lists])[], users: string | null = "# mine\n") {
  const directory = join(root, String(++directories));
  mkdirSync(directory);
  const path = join(directory, "pg_hba.conf");
  if (users !== null) writeFileSync(path, users);
  const texts = steps.map(([role, lists]) => {
    const of = (own: string[] | undefined) => ({ parameters: {}, pgHba: own ?? null, pgIdent: null });
    const effective: Pick<EffectivePostgresql, "pgHba" | "pgIdent" | "roles"> = {
      pgHba: lists.common ?? null,
      pgIdent: null,
      roles: { primary: of(lists.primary), replica: of(lists.replica), standby_leader: of(undefined) },
    };
    const file = { name: "pg_hba.conf", path, present: path, mode: 0o600 } as const;
    const changed = writeAccessFile(file, effective, role);
    expect(writeAccessFile(file, effective, role)).toBe(false);
    const text = existsSync(path) ? readFileSync(path, "utf8") : null;
    return { changed, lines: text?.split("\n").filter((line) => line !== "" && line !== HEADER) };
  });
  return texts;
}

const COMMON = ["local all all peer"];
const PRIMARY = ["local all all md5"];
const REPLICA = ["local all all trust"];

test("each role has its lines, and the lines of every role where it has none", () => {
  const lists = { common: COMMON, primary: PRIMARY, replica: REPLICA };
  expect(after([["replica", lists], ["primary", lists], ["primary", { common: COMMON, replica: REPLICA }]]))
    .toEqual([
      { changed: true, lines: ["# pg_hba_replica", ...REPLICA] },
      { changed: true, lines: ["# pg_hba_primary", ...PRIMARY] },
      { changed: true, lines: COMMON },
    ]);
});

test("lines of a role do not outlast it: the user's own file comes back", () => {
  const lists = { primary: PRIMARY };
  expect(after([["replica", lists], ["primary", lists], ["replica", lists], ["primary", {}]])).toEqual([
    { changed: false, lines: ["# mine"] },
    { changed: true, lines: ["# pg_hba_primary", ...PRIMARY] },
    { changed: true, lines: ["# mine"] },
    { changed: false, lines: ["# mine"] },
  ]);
});

test("lines of a role that are configured no more give way to what was there before", () => {
  expect(after([["primary", { common: COMMON }], ["primary", { primary: PRIMARY }], ["primary", {}]]))
    .toEqual([
      { changed: true, lines: COMMON },
      { changed: true, lines: ["# pg_hba_primary", ...PRIMARY] },
      { changed: true, lines: COMMON },
    ]);
});

test("without a file of before there is nothing to come back to", () => {
  const lists = { primary: PRIMARY };
  expect(after([["replica", lists], ["primary", lists], ["replica", lists]], null)).toEqual([
    { changed: false, lines: undefined },
    { changed: true, lines: ["# pg_hba_primary", ...PRIMARY] },
    { changed: false, lines: ["# pg_hba_primary", ...PRIMARY] },
  ]);
});
