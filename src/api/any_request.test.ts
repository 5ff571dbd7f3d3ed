/**
 * Any request, from its bytes to its answer: what /openapi.json promises, never the server's own fault, and
 * nothing that is longer than the cluster makes it.
 */
import { expect } from "bun:test";
import fc from "fast-check";
import { anyInput, ODD_KEYS } from "../../raft/testing.ts";
import { LimitedLog } from "../lib/limited_log.ts";
import { silentLog } from "../lib/log.ts";
import { Answering } from "./answering.ts";
import { createApp } from "./app.ts";
import { answerBytes } from "./http/answer.ts";
import { readHead } from "./http/request_head.ts";
import { DOCUMENT, documentedPath, undocumented } from "./openapi/testing.ts";
import { parseSchedule } from "./schedule.ts";
import { StubPort } from "./testing.ts";

const LONGEST_ANSWER = 400_000;

const port = new StubPort();
port.onFailover = ({ id }) => port.changeDcs({ failoverResults: [{ id, ok: false, text: "no" }] });
const failed: string[] = [];
const app = createApp(port, { onError: (error) => void failed.push(String(error.stack)) });
// A clock that stands still: what is refused is not logged, and costs nothing.
const answering = new Answering(port, app, new LimitedLog(silentLog, () => 0));

/** One request as the server has it answered; the body comes as it is, however long it is said to be. */
async function answered(bytes: Uint8Array) {
  const read = readHead(bytes);
  if (read.kind !== "head") return null;
  const { head } = read;
  const body = () => Promise.resolve(new Uint8Array(bytes.subarray(read.bytes)));
  const answer = await answering.answer({ head, address: "10.9.9.9", clientCertificate: false, body });
  const type = /Content-Type: ([^\r]*)/i.exec(answer.headers)?.[1] ?? null;
  return { head, answer, type, text: new TextDecoder().decode(answer.body) };
}

const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
const method = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...METHODS) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("TRACE", "CONNECT", "TRACK", "PROPFIND", "get", "PRI", "__proto__"),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/) },
);
const word = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "%2e%2e",
    "%2f",
    "%00",
    "%0d%0a",
    "%F0%9F%90%98",
    "%E2%80%AE",
    "*",
    ";",
    "@x:1",
    "+",
  ),
  fc.constantFrom(
    "node1",
    "leader",
    "members",
    "ttl",
    "postgresql.parameters.work_mem",
    "history",
    ...ODD_KEYS,
  ),
  fc.string({ maxLength: 6 }).map(encodeURIComponent),
  fc.integer({ min: 100, max: 9000 }).map((length) => "a".repeat(length)),
);
const known = fc.constantFrom(...Object.keys(DOCUMENT.paths));
const path = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(known, word).map(([one, more]) => one.replace(/\{\w+\}/, more)) },
  { weight: 1, arbitrary: fc.tuple(known, word).map(([one, more]) => `${one}/${more}`) },
  { weight: 1, arbitrary: fc.tuple(word, known).map(([more, one]) => `/${more}${one}`) },
  { weight: 1, arbitrary: known.map((one) => `http://[::1]:8008${one}//`) },
  { weight: 1, arbitrary: fc.array(word, { maxLength: 5 }).map((words) => `/${words.join("/")}`) },
);
const NAMES = [
  "lag",
  "mode",
  "replication_state",
  "tag_zone",
  "limit",
  "since",
  "member",
  "force",
  ...ODD_KEYS,
];
const query = fc.array(fc.tuple(fc.constantFrom(...NAMES), word), { maxLength: 4 }).map((pairs) =>
  pairs.length === 0 ? "" : `?${pairs.map(([name, value]) => `${name}=${value}`).join("&")}`
);
const header = fc.tuple(
  fc.constantFrom(
    "Agent-Member",
    "Authorization",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Expect",
    "Host",
    "If-Match",
    "Origin",
    "Sec-Fetch-Site",
    "X-Forwarded-For",
    ...ODD_KEYS,
  ),
  fc.oneof(
    fc.constantFrom(
      "",
      "*",
      '"1"',
      'W/"9"',
      "Basic YTpi",
      "Basic !",
      "null",
      "https://x",
      "same-origin",
      "node1",
    ),
    fc.constantFrom("9".repeat(15), "0", "0x10", "-1", "%6eode1", "ÿ", "a, b", "gzip;q=1e999"),
    fc.string({ maxLength: 20 }).map((text) => text.replace(/[^\x20-\x7e\x80-\xff]/g, "")),
    fc.integer({ min: 100, max: 9000 }).map((length) => "b".repeat(length)),
  ),
);

const FIELDS = [
  "leader",
  "candidate",
  "scheduled_at",
  "schedule",
  "role",
  "timeout",
  "name",
  "address",
  "ttl",
];
const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant("") },
  {
    weight: 6,
    arbitrary: fc.dictionary(fc.constantFrom(...FIELDS, ...ODD_KEYS), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 4,
    }).map((value) => JSON.stringify(value)),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 40 }) },
);

const request = fc.record({ method, path, query, headers: fc.array(header, { maxLength: 6 }), body });

anyInput(
  "a request, from its bytes to its answer",
  request,
  async ({ method, path, query, headers, body }) => {
    port.calls.length = 0;
    const bytes = Buffer.from(body);
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const length = bytes.length === 0 ? "" : `Content-Length: ${bytes.length}\r\n`;
    const first = Buffer.from(`${method} ${path}${query} HTTP/1.1\r\n${length}${lines}\r\n`, "latin1");
    const result = await answered(Buffer.concat([first, bytes]));
    expect(failed).toEqual([]);
    if (result === null) return;
    const { head, answer, type, text } = result;
    expect(answer.body.length).toBeLessThan(LONGEST_ANSWER);
    // One head, whatever the client has sent: nothing of it becomes a header.
    const shown = new TextDecoder("latin1").decode(answerBytes(answer, true, head.method !== "HEAD"));
    expect(shown.split("\r\n\r\n")[0]!.split("\r\n").every((line, at) => at === 0 || /^[\w-]+: /.test(line)))
      .toBe(true);
    const said = {
      method: head.method,
      path: `${head.path}${head.query}`,
      status: answer.status,
      type,
      text,
    };
    const place = documentedPath(head.path);
    const { method: name } = head;
    const served = place !== null && name === name.toUpperCase() &&
      Object.hasOwn(DOCUMENT.paths[place]!, name.toLowerCase());
    if (served && !place.endsWith("}")) expect([said.path, undocumented(said)]).toEqual([said.path, null]);
    else expect([said, answer.status === 500]).toEqual([said, false]);
  },
  { usual: 3000 },
);

const two = (most: number) =>
  fc.integer({ min: 0, max: most }).map((value) => String(value).padStart(2, "0"));
const ZONES = [
  "Z",
  "z",
  "UTC",
  "GMT",
  "+00:00",
  "-00:00",
  "+14:00",
  "-12",
  "+0530",
  "+99:99",
  "+24:00",
  "CET",
];
const MORE_ZONES = ["", "Europe/Berlin", "+5", "+5:30", "+1:2", "[UTC]", "+00:00:00", "−01:00", "Z+01:00"];
const zone = fc.constantFrom(...ZONES, ...MORE_ZONES);
const date = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 9999 }), two(13), two(32)).map(([year, month, day]) =>
    `${String(year).padStart(4, "0")}-${month}-${day}`
  ),
  fc.constantFrom(
    "2028-02-29",
    "2027-02-29",
    "2099-12-31",
    "+275760-09-13",
    "20300101",
    "2030-W01-1",
    "2030-001",
  ),
);
const clock = fc.oneof(
  fc.tuple(two(25), two(61), two(61)).map(([hour, minute, second]) => `${hour}:${minute}:${second}`),
  fc.constantFrom(
    "",
    "7",
    "07",
    "0730",
    "073015",
    "24:00:00",
    "23:59:60",
    "12:30:00.123456789",
    "12:30:00,5",
  ),
);
const schedule = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(date, fc.constantFrom("T", " ", "t", ""), clock, fc.constantFrom("", " "), zone),
  },
  { weight: 1, arbitrary: fc.tuple(fc.string({ maxLength: 12 })) },
  {
    weight: 1,
    arbitrary: fc.tuple(
      fc.constant("2030-01-01T00:00:00."),
      fc.integer({ max: 9000, min: 1 }).map((n) => "1".repeat(n)),
      fc.constant("Z"),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ max: 9000, min: 1 }).map((n) => " ".repeat(n)), fc.constant("x")),
  },
).map((parts) => parts.join(""));

const STATUSES = { switchover: [202, 400, 422], restart: [202, 400, 409, 422] } as const;
const NOW = Date.parse("2026-01-31T12:00:00Z");

anyInput("a scheduled time, in any spelling and zone", schedule, async (text) => {
  for (const action of ["switchover", "restart"] as const) {
    const body = action === "switchover" ? { leader: "node1", scheduled_at: text } : { schedule: text };
    const bytes = Buffer.from(JSON.stringify(body));
    const head = Buffer.from(`POST /${action} HTTP/1.1\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    const { answer, text: said } = (await answered(Buffer.concat([head, bytes])))!;
    expect(failed).toEqual([]);
    if (text !== "") {
      expect([text, said, STATUSES[action]]).toEqual([text, said, expect.arrayContaining([answer.status])]);
    }
  }
  const read = parseSchedule(text, "restart", NOW);
  if (!read.ok) return expect(read.message).toMatch(/ISO 8601|Timezone|in the past/);
  // What is logged is one instant, in the future, and is read the same by every member.
  expect(read.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d:\d\d$/);
  expect(Date.parse(read.at)).toBeGreaterThanOrEqual(NOW);
  expect(parseSchedule(read.at, "restart", NOW)).toEqual(read);
}, { usual: 2000 });
