/**
 * Any body, on any endpoint that takes one: answered in bounded time, and what goes on from there is bounded.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput, ODD_KEYS } from "../../raft/testing.ts";
import { boundsProblem } from "../model/bounded_json.ts";
import { createApp } from "./app.ts";
import { StubPort } from "./testing.ts";

const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ["PATCH", "/config"],
  ["PUT", "/config"],
  ["POST", "/switchover"],
  ["POST", "/failover"],
  ["POST", "/restart"],
  ["POST", "/reinitialize"],
  ["POST", "/reload"],
  ["POST", "/failsafe"],
  ["POST", "/agent/raft/transfer"],
  ["POST", "/agent/raft/add"],
  ["POST", "/agent/raft/remove"],
  ["POST", "/agent/raft/replace"],
  ["POST", "/agent/raft/snapshot"],
  ["DELETE", "/switchover"],
  ["DELETE", "/restart"],
];

const KEYS = [
  "leader",
  "candidate",
  "member",
  "scheduled_at",
  "schedule",
  "role",
  "postgres_version",
  "timeout",
  "restart_pending",
  "force",
  "from_leader",
  "name",
  "conn_url",
  "api_url",
  "slots",
  "epoch",
  "to",
  "address",
  "new_name",
  "votes",
  "ttl",
  "postgresql",
  "parameters",
  "type",
  "wal_level",
  ...ODD_KEYS,
];

const key = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...KEYS) }, fc.string({ maxLength: 8 }));
const usual = fc.oneof(
  fc.constantFrom<unknown>(
    "",
    "node1",
    "node2",
    "10.0.0.9:70000",
    "2099-01-01T00:00:00Z",
    "15.2",
    true,
    null,
    1e308,
    -1,
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
// Seldom: the test is for many bodies, and these cost as much as hundreds of others.
const scalar = fc.oneof(
  { weight: 300, arbitrary: usual },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 400_000 }).map((length) => "x".repeat(length)) },
);
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: "small" }, scalar, fc.array(tie("any"), { maxLength: 4 }), tie("map")),
  map: fc.dictionary(key, tie("any"), { maxKeys: 6 }),
}));
const wide = fc.tuple(fc.integer({ min: 1, max: 60_000 }), key).map(([count, name]) => ({
  [name]: Array(count).fill(0),
}));
const deep = fc.tuple(fc.integer({ min: 1, max: 40_000 }), fc.constantFrom('{"a":', "[", '{"postgresql":['))
  .map(
    ([levels, opening]) =>
      `${opening.repeat(levels)}1${
        [...opening].reverse().join("").replace(/[^{[]/g, "").replace(/\{/g, "}").replace(/\[/g, "]").repeat(
          levels,
        )
      }`,
  );
const body = fc.oneof(
  { weight: 120, arbitrary: value.map.map((one) => JSON.stringify(one)) },
  { weight: 30, arbitrary: value.any.map((one) => JSON.stringify(one)) },
  { weight: 20, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
  { weight: 1, arbitrary: wide.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: deep },
);

const port = new StubPort();
port.onFailover = (record) => {
  expect(boundsProblem(record)).toBe(null);
  expect(JSON.stringify(record).length).toBeLessThan(2500);
  port.changeDcs({ failoverResults: [{ id: record.id, ok: false, text: "no" }] });
};
const failed: string[] = [];
const app = createApp(port, { onError: (error) => void failed.push(String(error.stack)) });

anyInput(
  "the body of a request, on any endpoint that takes one",
  fc.tuple(fc.constantFrom(...ROUTES), body, fc.boolean()),
  async ([[method, path], text, failsafeMode]) => {
    port.calls.length = 0;
    port.failsafeRequests.length = 0;
    port.changeDynamic({ failsafeMode });
    const headers = { "Content-Length": String(Buffer.byteLength(text)) };
    const response = await app.request(path, { method, body: text, headers });
    const answer = await response.text();
    expect(failed).toEqual([]);
    expect([200, 202, 400, 404, 409, 412, 413, 422, 500, 502, 503]).toContain(response.status);
    expect(answer.length).toBeLessThan(400_000);
    for (const call of port.calls) expect(call.length).toBeLessThan(400_000);
    for (const request of port.failsafeRequests) expect(boundsProblem(request)).toBe(null);
  },
  { usual: 2000 },
);

const GETS = [
  "/",
  "/primary",
  "/replica",
  "/read-only",
  "/sync",
  "/quorum",
  "/standby-leader",
  "/health",
  "/readiness",
  "/liveness",
  "/patroni",
  "/cluster",
  "/history",
  "/config",
  "/failsafe",
  "/metrics",
  "/agent/raft",
  "/agent/watchdog",
  "/agent/decisions",
  "/agent/losses",
  "/agent/config/history",
  "/agent/config/explain/ttl",
  "/agent/timing",
  "/agent/dcs/",
  "/agent/dcs/members/",
];
const word = fc.oneof(
  fc.constantFrom(
    "lag",
    "mode",
    "replication_state",
    "tag_x",
    "write",
    "apply",
    "streaming",
    "16MB",
    "1e999",
    "-1",
  ),
  fc.constantFrom(
    "=",
    "&",
    "%",
    "%00",
    "%ff",
    "%2f",
    "/",
    "..",
    "+",
    "#",
    "?",
    ...ODD_KEYS.map((key) => `tag_${key}`),
  ),
  fc.string({ maxLength: 6 }),
);
const query = fc.array(word, { maxLength: 12 }).map((words) => words.join(""));
const headerValue = fc.oneof(
  fc.constantFrom("*", '"1"', 'W/"1"', "Basic ", "Basic YTpi", "Basic !!", "bytes=0-", "9".repeat(40)),
  fc.string({ maxLength: 30 }).map((text) => text.replace(/[^\x20-\x7e]/g, "")),
);
const headers = fc.dictionary(
  fc.constantFrom(
    "If-Match",
    "Authorization",
    "Accept",
    "Accept-Encoding",
    "Origin",
    "X-Forwarded-For",
    "Range",
  ),
  headerValue,
);

anyInput(
  "the path, query and headers of a request",
  fc.tuple(fc.constantFrom("GET", "GET", "OPTIONS", "HEAD"), fc.constantFrom(...GETS), word, query, headers),
  async ([method, path, rest, text, given]) => {
    const url = `http://x${path}${rest.startsWith("=") ? rest : ""}?${text.replace(/#/g, "")}`;
    const response = await app.request(url, { method, headers: given });
    const answer = await response.text();
    expect(failed).toEqual([]);
    expect([url, response.status === 500]).toEqual([url, false]);
    expect(answer.length).toBeLessThan(400_000);
  },
);

test("maps in each other, texts and values without end are refused before anything copies them", async () => {
  port.changeDynamic({ failsafeMode: true });
  const levels = 12_000;
  const bodies = [
    `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`,
    JSON.stringify({ leader: "node1", candidate: "x".repeat(900_000) }),
    JSON.stringify({ slots: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`s${i}`, 1])) }),
  ];
  for (const [method, path] of ROUTES) {
    if (path === "/reload" || method === "DELETE") continue;
    for (const text of bodies) {
      const headers = { "Content-Length": String(text.length) };
      const response = await app.request(path, { method, body: text, headers });
      expect([path, response.status]).toEqual([path, 413]);
    }
  }
  const headers = { "Content-Length": "300" };
  const long = JSON.stringify({ leader: "node1", candidate: "x".repeat(300) });
  const response = await app.request("/switchover", { method: "POST", body: long, headers });
  expect([response.status, await response.text()]).toEqual([
    400,
    "Bad Request: candidate: the name of a member is expected, a text of at most 255 characters",
  ]);
});
