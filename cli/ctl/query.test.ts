/**
 * The values of `agent ctl query`, in JSON and YAML, and what ends it early. As text they are the server's
 * own: test/postgres_lifecycle.test.ts.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "../../src/model/json.ts";
import { jsonValue } from "./query_value.ts";
import { postgresServer, runCtl, StubCluster } from "./testing.ts";

test("numbers, booleans and documents are such in JSON where it holds them exactly; all else is the server's text", () => {
  const rows: readonly (readonly [type: number, text: string | null, value: Json])[] = [
    [16, "t", true],
    [16, "f", false],
    [23, "-7", -7],
    [20, "42", 42],
    [20, "9223372036854775807", "9223372036854775807"],
    [701, "0.1", 0.1],
    [701, "NaN", "NaN"],
    [701, "-Infinity", "-Infinity"],
    [1700, "1.50", "1.50"],
    [3802, '{"a": [1]}', { a: [1] }],
    [114, '{"a": 12345678901234567890}', '{"a": 12345678901234567890}'],
    [114, "null", null],
    [25, null, null],
    [17, "\\x0102", "\\x0102"],
    [1007, "{1,2}", "{1,2}"],
    [1082, "2026-11-29", "2026-11-29"],
    [1184, "2026-11-29 02:00:00.123456+01", "2026-11-29 02:00:00.123456+01"],
    [1186, "1 day 02:03:04", "1 day 02:03:04"],
  ];
  for (const [type, text, value] of rows) expect([text, jsonValue(type, text)]).toEqual([text, value]);
});

/** A server that lets everybody in, and breaks the connection at the first statement. */
const breakingServer = (queries: string[], breakIt: (socket: Socket) => void): Promise<Server> =>
  postgresServer((socket, bytes) => {
    queries.push(String(bytes));
    breakIt(socket);
  });

/** `agent ctl query` on a primary whose PostgreSQL is that server. */
async function queryOn(server: Server, words: readonly string[], typed: readonly string[] = []) {
  const { port } = server.address() as { port: number };
  const cluster = new StubCluster();
  try {
    cluster.port.changeMember("node1", { connUrl: `postgres://127.0.0.1:${port}/postgres` });
    return await cluster.ctl(["query", "-U", "app", "-c", "select 1", ...words], typed);
  } finally {
    await cluster.stop();
    server.close();
  }
}

test("a connection that breaks in the middle of a statement is an error as any other", async () => {
  for (const end of ["end", "resetAndDestroy"] as const) {
    const server = await breakingServer([], (socket) => void socket[end]());
    const { code, out } = await queryOn(server, []);
    expect([end, code, out]).toEqual([end, 1, expect.stringContaining("ERROR, SQLSTATE: ")]);
  }
});

test("nothing is executed when the question for the password is aborted", async () => {
  const queries: string[] = [];
  const server = await breakingServer(queries, (socket) => void socket.end());
  expect(await queryOn(server, ["--password"])).toMatchObject({
    code: 1,
    err: "Error: Aborted: no password was typed",
  });
  expect(queries).toEqual([]);
});

test("a file that cannot be read is a wrong command line, before anybody is asked", async () => {
  const directory = mkdtempSync(join(tmpdir(), "query-"));
  const latin = join(directory, "latin.sql");
  writeFileSync(latin, Buffer.from([0x73, 0xe9]));
  try {
    for (
      const [file, why] of [
        [join(directory, "none.sql"), "No such file or directory"],
        [directory, "Is a directory"],
        [join(latin, "under"), "Not a directory"],
        [latin, "it is not UTF-8"],
      ] as const
    ) {
      for (const more of [[], ["-c", "select 1"]]) {
        const { code, out, err } = await runCtl(["-d", "127.0.0.1:1", "query", "-f", file, ...more]);
        expect([code, out, err.split("\n")]).toEqual([2, "", [
          "Usage: agent ctl query [OPTIONS] [CLUSTER_NAME]",
          "Try 'agent ctl query --help' for help.",
          "",
          `Error: Invalid value for '--file' / '-f': '${file}': ${why}`,
        ]]);
      }
    }
    const both = await runCtl(["query", "-f", "-", "-c", "select 1"]);
    expect([both.code, both.err]).toEqual([1, "Error: --file and --command are mutually exclusive options"]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the statements may come from standard input", async () => {
  const queries: string[] = [];
  const server = await breakingServer(queries, (socket) => void socket.end());
  const { port } = server.address() as { port: number };
  const cluster = new StubCluster();
  try {
    cluster.port.changeMember("node1", { connUrl: `postgres://127.0.0.1:${port}/postgres` });
    await cluster.ctl(["query", "-U", "app", "-f", "-"], ["select 1,", "2"]);
    expect(queries.join("")).toContain("select 1,\n2\n");
  } finally {
    await cluster.stop();
    server.close();
  }
});

test("nobody to ask is a row as patronictl shows it, and exit code 1", async () => {
  const cluster = new StubCluster();
  try {
    for (
      const [words, text] of [
        [["-m", "nope"], "No connection to member nope is available"],
        [["-r", "standby-leader"], "No connection to role standby-leader is available"],
      ] as const
    ) {
      const { code, out, err } = await cluster.ctl(["query", "-c", "select 1", ...words]);
      expect([code, out.split("\t")[1], err]).toEqual([1, text, ""]);
    }
    cluster.port.changeDcs({ lock: { ...cluster.port.view().dcs!.lock, holder: null } });
    expect((await cluster.ctl(["query", "-c", "select 1"])).out).toEndWith("\tNo connection is available");
  } finally {
    await cluster.stop();
  }
});
