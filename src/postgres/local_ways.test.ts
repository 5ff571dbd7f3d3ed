import { expect, test } from "bun:test";
import { localWays, WayMemory, wayText } from "./local_ways.ts";
import { parsePostmasterPid } from "./postmaster_pid.ts";

const CONFIG = {
  useUnixSocket: false,
  listenAddresses: ["10.0.0.1", "10.1.0.1"],
  port: 1,
  connectAddress: "db1.example:5432",
  dataDir: "/d",
};
const file = (socketDir: string, listen: string) =>
  parsePostmasterPid(`123\n/d\n1763\n5433\n${socketDir}\n${listen}\n  5433001 4\nready   \n`)!;
const ways = (
  change: Partial<typeof CONFIG>,
  pidFile: ReturnType<typeof file> | null,
  sockets: string | null = null,
) => localWays({ ...CONFIG, ...change }, pidFile, sockets).map(wayText);

test("the running server's own words come first, then the configuration, the published address last", () => {
  expect(ways({}, file("/tmp/s", "10.0.0.1"))).toEqual([
    "10.0.0.1:5433",
    "10.1.0.1:5433",
    "db1.example:5432",
    "/tmp/s:5433",
  ]);
  expect(ways({ useUnixSocket: true }, file("/tmp/s", "10.0.0.1"))[0]).toBe("/tmp/s:5433");
});

test("a server that is not running yet: what the configuration says", () => {
  expect(ways({}, null)).toEqual(["10.0.0.1:1", "10.1.0.1:1", "db1.example:5432"]);
});

test("all addresses: this host by both protocols, and by its name, for which the certificate is", () => {
  const listenAddresses = ["*"];
  expect(ways({ listenAddresses }, file("", "*"))).toEqual([
    "127.0.0.1:5433",
    "[::1]:5433",
    "db1.example:5432",
  ]);
  expect(ways({ listenAddresses: ["::"] }, file("", "::"))[0]).toBe("[::1]:5433");
  expect(ways({ listenAddresses: ["0.0.0.0"] }, file("", "0.0.0.0"))[0]).toBe("127.0.0.1:5433");
});

test("socket directories as the server resolves them: several, relative to the data directory, quoted, none", () => {
  const sockets = (list: string, first = "") =>
    localWays({ ...CONFIG, useUnixSocket: true }, file(first, ""), list).map(({ host }) => host);
  expect(sockets('/a, sub ,"/with,comma"', "/a")).toEqual(["/a", "/d/sub", "/with,comma"]);
  expect(sockets("sub", "sub")).toEqual(["/d/sub"]);
  expect(sockets("@abstract")).toEqual([]);
  expect(sockets("")).toEqual([]);
});

test("a server that listens on no address is reached by its socket alone", () => {
  expect(ways({ listenAddresses: [] }, file("/tmp/s", ""))).toEqual(["/tmp/s:5433"]);
});

const A = { host: "a", port: 1 };
const B = { host: "b", port: 1 };
const C = { host: "c", port: 1 };
const order = (memory: WayMemory) => memory.order([A, B, C]).map(({ host }) => host).join("");

test("the way that worked is tried first, one that was waited for in vain last", () => {
  const memory = new WayMemory();
  expect(order(memory)).toBe("abc");
  memory.failed(A, "timeout");
  memory.failed(B, "refused");
  expect(order(memory)).toBe("bca");
  memory.succeeded(C);
  expect(order(memory)).toBe("cba");
  memory.failed(C, "refused");
  expect(order(memory)).toBe("cba");
  memory.failed(C, "timeout");
  memory.failed(C, "timeout");
  expect([memory.worked, order(memory)]).toEqual([null, "bac"]);
});

test("nothing works: the delay grows to 5 s and no further, and ends with the first success", () => {
  const memory = new WayMemory();
  const delays: number[] = [];
  for (let round = 0; round < 9; round++) {
    memory.nothingWorked(1000, false);
    delays.push(memory.waitMs(1000));
  }
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  expect(memory.waitMs(5000)).toBe(1000);
  expect(memory.waitMs(7000)).toBe(0);
  memory.succeeded(A);
  memory.nothingWorked(8000, false);
  expect(memory.waitMs(8000)).toBe(100);
});

test("a server that starts is asked again at once", () => {
  const memory = new WayMemory();
  memory.nothingWorked(1000, true);
  expect(memory.waitMs(1000)).toBe(0);
});
