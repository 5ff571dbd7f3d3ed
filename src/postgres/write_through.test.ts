/** What puts a directory on disk, and that nothing is declared made before. With programs made up here. */
import { afterAll, afterEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LocalConfig, PostgresqlConfig } from "../model/config.ts";
import { cloneDirectory } from "./basebackup.ts";
import { initializeDirectory } from "./initdb.ts";
import type { ProgramName, Programs } from "./programs.ts";
import { rewindDirectory } from "./rewind.ts";
import { DataMark } from "./data_mark.ts";
import { UnfinishedMarker } from "./unfinished.ts";
import { writeThrough, type WriteThroughHost } from "./write_through.ts";

const root = mkdtempSync(join(tmpdir(), "agent-write-through-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const PATH = process.env.PATH;
afterEach(() => {
  process.env.PATH = PATH;
});
const EXT4 = 0xef53;
const NFS = 0x6969;
const OVERLAY = 0x794c7630;
function host(kernel: string, fileSystem: WriteThroughHost["fileSystem"] = () => EXT4): WriteThroughHost {
  return { kernel, fileSystem };
}
const NEW_KERNEL = host("6.1.0-18-amd64");
const CANNOT_WRITE = `echo "sync: error syncing: Input/output error" >&2; exit 1`;
let bases = 0;

/** Programs that note their arguments in a file, and then do as they are told. */
function programsOf(scripts: { readonly [name in ProgramName | "sync"]?: string }) {
  const base = join(root, String(++bases));
  const bin = join(base, "bin");
  const called = join(base, "called");
  mkdirSync(bin, { recursive: true });
  for (const [name, script] of Object.entries(scripts)) {
    const text = `#!/bin/sh\necho "${name} $*" >> ${called}\n${script}\n`;
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  process.env.PATH = `${bin}:${PATH}`;
  const programs = { major: 15, path: (name: ProgramName) => join(bin, name) } as unknown as Programs;
  const calls = () => existsSync(called) ? readFileSync(called, "utf8").trim().split("\n") : [];
  return { base, programs, calls };
}

const { signal } = new AbortController();

test("one call for the directory and for each place that it links to", async () => {
  const { base, programs, calls } = programsOf({ sync: "exit 0" });
  const [data, wal, space] = ["data", "wal", "space"].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [join(data, "pg_tblspc"), wal, space]) mkdirSync(path, { recursive: true });
  symlinkSync(wal, join(data, "pg_wal"));
  symlinkSync(space, join(data, "pg_tblspc", "16400"));
  expect(await writeThrough(programs, data, signal, NEW_KERNEL)).toBeNull();
  expect(calls()).toEqual([`sync -f -- ${data} ${wal} ${space}`]);
});

test("this host's own program can do it", async () => {
  const { base, programs, calls } = programsOf({ initdb: "exit 1" });
  expect(await writeThrough(programs, base, signal, NEW_KERNEL)).toBeNull();
  expect(calls()).toEqual([]);
});

test("where an error would not be told, or without such a program: file by file", async () => {
  const cases: [string, WriteThroughHost][] = [
    ["exit 0", host("5.7.19")],
    ["exit 0", host("4.19.0-27-amd64")],
    ["exit 0", host("6.1", () => NFS)],
    ["exit 0", host("6.1", (path) => path.endsWith("/wal") ? OVERLAY : EXT4)],
    [`echo "sync: unrecognized option: f" >&2; exit 1`, host("5.8.0")],
    [`echo "sync: invalid option -- 'f'" >&2; exit 1`, host("6.1")],
  ];
  for (const [sync, host] of cases) {
    const { base, programs, calls } = programsOf({ sync, initdb: "exit 0" });
    mkdirSync(join(base, "wal"));
    symlinkSync(join(base, "wal"), join(base, "pg_wal"));
    expect(await writeThrough(programs, base, signal, host)).toBeNull();
    expect(calls().at(-1)).toBe(`initdb --sync-only -D ${base}`);
  }
});

test("what cannot be written is an error, and is not tried in another way", async () => {
  const { base, programs, calls } = programsOf({ sync: CANNOT_WRITE, initdb: "exit 0" });
  const failed = await writeThrough(programs, base, signal, NEW_KERNEL);
  expect(failed).toContain("writing it through to the disk failed with exit code 1");
  expect(failed).toContain("Input/output error");
  expect(calls()).toHaveLength(1);
});

test("a directory that is not on disk is not declared made", async () => {
  const made =
    `for one; do case $one in --pgdata=*) mkdir -p "\${one#*=}"; touch "\${one#*=}/PG_VERSION";; esac; done`;
  const { base, programs, calls } = programsOf({
    sync: CANNOT_WRITE,
    // Where the kernel is an old one.
    initdb: `[ "$1" = --sync-only ] && { ${CANNOT_WRITE}; }; mkdir -p "$2" && touch "$2/PG_VERSION"`,
    pg_basebackup: made,
    pg_rewind: `case "$*" in *--dry-run*) exit 0;; esac; echo "pg_rewind: need to copy 1 MB" >&2`,
  });
  const dataDir = join(base, "data");
  const ownDir = join(base, "own");
  for (const path of [dataDir, ownDir]) mkdirSync(path);
  const credentials = { username: "postgres", password: null };
  const postgresql = {
    dataDir,
    basebackup: [],
    superuser: credentials,
    replication: credentials,
    rewind: credentials,
  } as unknown as PostgresqlConfig;
  const local = { bootstrap: { initdb: [], pgHba: [] } } as unknown as LocalConfig;
  const marker = new UnfinishedMarker(dataDir, ownDir, new DataMark(ownDir), 1);
  const from = { name: "pg1", connUrl: "postgres://127.0.0.1:1/postgres" };
  const common = { programs, postgresql, marker, signal, warn: () => {} };

  const initialized = await initializeDirectory({ ...common, local, ownDir });
  expect(initialized).toContain("Input/output error");
  expect(marker.read()?.what).toBe("bootstrap");
  expect(existsSync(join(dataDir, "PG_VERSION"))).toBe(false);

  const copied = await cloneDirectory({
    ...common,
    from,
    leader: from,
    of: null,
    conninfo: "host=127.0.0.1",
    passfile: join(ownDir, "pgpass"),
    applicationName: "test",
    slot: null,
    onProgress: () => {},
  });
  expect(copied).toContain("Input/output error");
  expect(marker.read()?.what).toBe("clone");
  expect(existsSync(join(dataDir, "PG_VERSION"))).toBe(false);

  const rewound = await rewindDirectory({
    programs,
    dataDir,
    configFile: "",
    restoreWal: false,
    whyGone: () => Promise.resolve(null),
    marker,
    conninfo: "",
    passfile: "",
    signal,
    onProgress: () => {},
  });
  expect(rewound).toMatchObject({ ok: false, damaged: true });
  expect(marker.read()?.what).toBe("rewind");

  // Each of them leaves that to the one call at the end.
  const writers = calls().filter((line) => /^(?:initdb -D|pg_)/.test(line));
  expect(writers).toHaveLength(4);
  for (const line of writers) expect(line).toContain("--no-sync");
});
