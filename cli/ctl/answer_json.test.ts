import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { assertFor, borderTest, ODD_KEYS } from "../../raft/testing.ts";
import {
  CLUSTER,
  CONFIG,
  EVENTS,
  HISTORY,
  LOSSES,
  RAFT,
  STATUS,
  TIMING,
  WATCHDOG,
  WHY,
} from "../../src/api/client.ts";
import { STUB_WATCHDOG } from "../../src/api/testing.ts";
import { answerJson } from "./answer_json.ts";
import { CtlError } from "./errors.ts";
import { runCtl, StubCluster } from "./testing.ts";

test("an answer that no agent gives is an error that quotes its beginning, and says what is wrong", () => {
  for (const text of ["<html>", "{}", '{"members":[1]}', '{"members":{}}', "[".repeat(1e6)]) {
    expect(() => answerJson(text, CLUSTER)).toThrow(CtlError);
  }
  expect(() => answerJson("<html>", CLUSTER)).toThrow(
    'this is no answer of an agent (text that is no JSON): "<html>"',
  );
  expect(() => answerJson('{"scope":"a","members":[{}]}', CLUSTER)).toThrow(
    "this is no answer of an agent (members: name is missing)",
  );
  expect(answerJson('{"scope":"a","members":[],"later":1}', CLUSTER)).toMatchObject({ scope: "a" });
});

test("a command that reaches something else than an agent says so and ends with 1", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => new Response(url.endsWith("/cluster") ? '{"scope":"demo","members":[]}' : "<html>"),
  });
  try {
    for (const words of [["history"], ["timing"], ["raft", "status"]]) {
      const { code, err } = await runCtl(["-d", `127.0.0.1:${server.port}`, ...words]);
      expect([words, code, err]).toEqual([
        words,
        1,
        expect.stringContaining("this is no answer of an agent"),
      ]);
    }
    const list = await runCtl(["-d", `127.0.0.1:${server.port}`, "list"]);
    expect(list.code).toBe(0);
  } finally {
    await server.stop(true);
  }
});

const FORMS = {
  "/cluster": CLUSTER,
  "/patroni": STATUS,
  "/agent/raft": RAFT,
  "/agent/watchdog": WATCHDOG,
  "/agent/timing": TIMING,
  "/agent/events": EVENTS,
  "/agent/why": WHY,
  "/history": HISTORY,
  "/agent/losses": LOSSES,
  "/config": CONFIG,
} as const;
type Path = keyof typeof FORMS;
const PATHS = Object.keys(FORMS) as Path[];

const COMMANDS: readonly (readonly string[])[] = [
  ["list"],
  ["list", "-e"],
  ["list", "-f", "json"],
  ["list", "-f", "tsv"],
  ["topology"],
  ["history"],
  ["events"],
  ["events", "-f", "tsv"],
  ["why"],
  ["why", "node2"],
  ["timing"],
  ["watchdog", "status"],
  ["raft", "status"],
  ["raft", "remove", "node2", "--force"],
  ["version", "demo"],
  ["show-config"],
  ["dsn"],
  ["switchover", "--force"],
  ["failover", "--candidate", "node2", "--force"],
  ["restart", "--force"],
  ["reload", "--force"],
  ["reinit", "demo", "node2", "--force"],
  ["flush", "switchover"],
  ["flush", "restart", "--force"],
];

/** What a stranger, who has seen what an agent answers, answers at each path. */
const told: { [path in Path]?: unknown } = {};
let stranger: Bun.Server<undefined>;
let stub: StubCluster;

beforeAll(() => {
  stub = new StubCluster();
  stub.port.change({ watchdog: STUB_WATCHDOG });
  const facts = {
    epoch: 1,
    lsn: 83886080,
    tookMs: 190,
    end: 83886090,
    bytes: 10,
    transactions: 1,
    kept: "/k",
  };
  const event = { index: 9, at: "2026-01-31T12:00:00.000Z", member: "node1", text: "so it was", facts };
  const events = [{ ...event, id: 1, kind: "lock-granted" }, { ...event, id: 2, kind: "promoted", times: 2 }];
  const losses = [{ ...facts, member: "node1", at: event.at, timeline: 2, lsn: 67108864 }];
  stub.port.changeDcs({ events, losses });
  stranger = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url, method }) => {
      const { pathname } = new URL(url);
      return new Response(method === "GET" ? JSON.stringify(told[pathname as Path] ?? null) : "done");
    },
  });
});
afterAll(async () => {
  await stranger.stop(true);
  await stub.stop();
});

/** The true answers, with the stranger's address in place of each api_url. */
async function trueAnswers(): Promise<{ [path in Path]: unknown }> {
  const answers = await Promise.all(PATHS.map(async (path) => {
    const text = await (await fetch(`http://${stub.address}${path}`)).text();
    expect([path, answerJson<unknown>(text, FORMS[path])]).toEqual([path, JSON.parse(text)]);
    return [path, JSON.parse(text.replaceAll(stub.address, `127.0.0.1:${stranger.port}`))] as const;
  }));
  return Object.fromEntries(answers) as { [path in Path]: unknown };
}

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(
    { toString: 1 },
    [{ toJSON: 1 }],
    { patroni: null },
    -1,
    1e308,
    "\u001b[2J",
    "\n",
    [],
  ),
);

/** The same value with another one in place of one of its parts, which `at` chooses. */
function spoil(value: unknown, at: readonly number[], by: unknown): unknown {
  const [first, ...rest] = at;
  if (first === undefined || typeof value !== "object" || value === null) return by;
  const keys = [...Object.keys(value), ...(Array.isArray(value) ? [] : ODD_KEYS)];
  const key = keys[first % keys.length];
  if (key === undefined) return by;
  const part = Object.hasOwn(value, key) ? (value as { [key: string]: unknown })[key] : null;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  Object.defineProperty(copy, key, { value: spoil(part, rest, by), enumerable: true, configurable: true });
  return copy;
}

borderTest(
  "what agent ctl is answered by a stranger",
  600,
  (inputs) =>
    trueAnswers().then((answers) =>
      assertFor(
        inputs,
        fc.asyncProperty(
          fc.constantFrom(...COMMANDS),
          fc.array(fc.tuple(fc.constantFrom(...PATHS), fc.array(fc.nat(), { maxLength: 5 }), odd), {
            minLength: 1,
            maxLength: 3,
          }),
          async (words, changes) => {
            Object.assign(told, structuredClone(answers));
            for (const [path, at, by] of changes) told[path] = spoil(told[path], at, by);
            const pending = inputs.tried(async () => {
              const { code } = await runCtl(["-d", `127.0.0.1:${stranger.port}`, ...words]);
              expect([0, 1, 2]).toContain(code);
            }, 500);
            if (pending !== null) await pending;
          },
        ),
      )
    ),
);
