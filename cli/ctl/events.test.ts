import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ClusterEvent } from "../../src/model/event.ts";
import { StubCluster } from "./testing.ts";

const EVENTS: readonly ClusterEvent[] = [
  {
    index: 50,
    id: 41,
    at: "2026-01-31T12:00:00.000Z",
    member: "node1",
    kind: "postgres-crashed",
    text: "PostgreSQL ended by itself",
    facts: { epoch: 7 },
    times: 3,
    firstAt: "2026-01-31T11:58:00.000Z",
  },
  {
    index: 51,
    id: 42,
    at: "2026-01-31T12:00:01.000Z",
    member: "node1",
    kind: "lock-released",
    text: "lock of node1, epoch 7, released: crashed",
    facts: { epoch: 7, timeline: 1, lsn: 83886408 },
  },
  {
    index: 52,
    id: 43,
    at: "2026-01-31T12:00:02.000Z",
    member: "node2",
    by: "node3",
    kind: "lock-granted",
    text: "lock granted to node2, epoch 8: most advanced member",
    facts: { epoch: 8 },
  },
];

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
  cluster.port.changeDcs({ events: EVENTS });
});
afterEach(() => cluster.stop());

test("events are lines, oldest first, each with what led to it", async () => {
  const { code, out } = await cluster.ctl(["events"]);
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    "#41 2026-01-31T12:00:00.000+00:00 node1 postgres-crashed: PostgreSQL ended by itself " +
    "(3 times since 2026-01-31T11:58:00.000+00:00) [epoch 7]",
    "#42 2026-01-31T12:00:01.000+00:00 node1 lock-released: lock of node1, epoch 7, released: crashed " +
    "[timeline 1, lsn 0/5000148]",
    "    because of #41",
    "#43 2026-01-31T12:00:02.000+00:00 node2 lock-granted: lock granted to node2, epoch 8: most advanced member " +
    "(by node3)",
    "    because of #42",
  ]);
});

test("they are chosen by number, time and member", async () => {
  const ids = async (...words: string[]) => {
    const { code, out } = await cluster.ctl(["events", "-f", "json", ...words]);
    expect(code).toBe(0);
    return (JSON.parse(out) as { id: number }[]).map(({ id }) => id);
  };
  expect(await ids("-n", "2")).toEqual([42, 43]);
  expect(await ids("--since", "2026-01-31T12:00:01Z")).toEqual([42, 43]);
  expect(await ids("--since", "2h")).toEqual([]);
  expect(await ids("--member", "node2")).toEqual([43]);
  expect(await ids("--member", "node2", "--since", "2020-01-01T00:00")).toEqual([43]);
});

test("programs get JSON, YAML and columns", async () => {
  const json = JSON.parse((await cluster.ctl(["events", "-f", "json"])).out) as object[];
  expect(json[1]).toEqual({
    id: 42,
    at: "2026-01-31T12:00:01.000+00:00",
    member: "node1",
    kind: "lock-released",
    text: "lock of node1, epoch 7, released: crashed",
    facts: { epoch: 7, timeline: 1, lsn: "0/5000148" },
    because: [41],
  });
  expect((await cluster.ctl(["events", "-f", "yaml", "-n", "1"])).out).toContain("kind: lock-granted");
  const [head, ...rows] = (await cluster.ctl(["events", "-f", "tsv"])).out.split("\n");
  expect(head).toBe("Id\tTime\tMember\tEvent\tWhat\tBecause");
  expect(rows.map((row) => row.split("\t").at(-1))).toEqual(["", "41", "42"]);
});

test("a cause that is not kept any more is said to be gone", async () => {
  cluster.port.changeDcs({ events: EVENTS.slice(2) });
  expect((await cluster.ctl(["events"])).out).toContain("earlier events are gone");
  expect(JSON.parse((await cluster.ctl(["events", "-f", "json"])).out)).toMatchObject([
    { because: [], earlier_gone: true },
  ]);
});

test("a number or a time that is none is refused", async () => {
  for (const limit of ["0", "1001", "-1", "x", "1e3", ""]) {
    const { code, err } = await cluster.ctl(["events", `--limit=${limit}`]);
    expect([limit, code]).toEqual([limit, 1]);
    expect(err).toContain("limit: a number from 1 to 1000 is expected");
  }
  expect((await cluster.ctl(["events", "--since", "soon"])).err).toContain("Unable to parse");
  const response = await fetch(new URL("/agent/events?since=soon", cluster.apiUrl));
  expect([response.status, await response.text()]).toEqual([400, "since: an ISO 8601 time is expected"]);
});

test("without events it says so", async () => {
  cluster.port.changeDcs({ events: [] });
  expect((await cluster.ctl(["events"])).out).toBe("No events.");
  expect((await cluster.ctl(["events", "-m", "node9"])).out).toBe("No events of node9.");
});

test("nothing that an event quotes steers the terminal or breaks a row", async () => {
  const evil = "a\u009b31mb\u001b[2Jc\u202ed\u2028e\nf\tg";
  const event = { ...EVENTS[2]!, at: evil, member: evil, kind: evil, text: evil, by: evil };
  cluster.port.changeDcs({ events: [event] });
  for (const format of ["pretty", "tsv"]) {
    const { out } = await cluster.ctl(["events", "-f", format]);
    expect(out).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
    expect(out.split("\n")).toHaveLength(format === "tsv" ? 2 : 1);
    if (format === "tsv") expect(out.split("\n")[1]!.split("\t")).toHaveLength(6);
  }
});
