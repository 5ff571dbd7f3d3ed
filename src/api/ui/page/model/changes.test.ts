/** The requests that the page makes: actions, and the patch of an edited configuration. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput } from "../../../../../raft/testing.ts";
import type { Json, JsonObject } from "../../../../model/json.ts";
import { applyPatch } from "../../../../model/merge.ts";
import { createApp } from "../../../app.ts";
import { StubPort } from "../../../testing.ts";
import { answer } from "../testing.ts";
import { actionOf, actionsOf, type Fields, outcomeText, requestOf } from "./actions.ts";
import { changes, edited, patchOf, shownText } from "./configuration.ts";

const ids = (data: ReturnType<typeof answer>) => actionsOf(data).map(({ id }) => id);

test("only what can be asked for is offered", () => {
  expect(ids(answer())).toEqual(["switchover", "pause", "restart", "reload"]);
  expect(ids(answer((port) => port.becomeStandby()))).toContain("reinitialize");
  expect(ids(answer((port) => port.changeDynamic({ pause: true })))).toContain("resume");
  const leaderless = answer((port) => port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } }));
  expect(ids(leaderless)).toEqual(["failover", "pause", "restart", "reload", "reinitialize"]);
  expect(ids(answer((port) => port.change({ postgres: null })))).toEqual(["switchover", "pause", "reload"]);
  expect(actionOf(answer(), "reinitialize")).toBe(null);
});

type Asked = readonly [
  id: Parameters<typeof requestOf>[0],
  fields: Fields,
  call: string | null,
  status: number,
];
const AT = "2099-01-01T00:00:00.000+00:00";

const REQUESTS: readonly Asked[] = [
  [
    "switchover",
    { candidate: "node2", scheduled_at: AT },
    `requestFailover switchover node1 node2 ${AT}`,
    202,
  ],
  ["switchover", { candidate: "", scheduled_at: AT }, `requestFailover switchover node1 null ${AT}`, 202],
  ["pause", { pause_for: "" }, 'patchConfig {"pause":true} at null', 200],
  ["pause", { pause_for: "2h" }, 'patchConfig {"pause":true,"pause_for":"2h"} at null', 200],
  ["resume", {}, 'patchConfig {"pause":null} at null', 200],
  ["restart", { scheduled_at: "" }, "restart null", 200],
  ["restart", { scheduled_at: AT }, `scheduleRestart {"schedule":"${AT}"}`, 202],
  ["cancel-restart", {}, null, 404],
  ["cancel-switchover", {}, null, 404],
  ["reload", {}, "reload", 202],
];

test("each action is a request that REST takes", async () => {
  for (const [id, fields, call, status] of REQUESTS) {
    const port = new StubPort();
    const { method, path, body } = requestOf(id, fields, answer());
    const app = createApp(port, { onError: (error) => expect.unreachable(error.message) });
    const text = body === undefined ? "" : JSON.stringify(body);
    const headers = { "Content-Length": String(text.length) };
    const reply = await app.request(path, { method, body: text, headers });
    expect([id, reply.status, port.calls[0] ?? null]).toEqual([id, status, call]);
  }
});

test("a reinitialize goes to a standby", async () => {
  const port = new StubPort();
  port.becomeStandby();
  const { path, method, body } = requestOf("reinitialize", { force: "on" }, answer());
  const text = JSON.stringify(body);
  const app = createApp(port, { onError: (error) => expect.unreachable(error.message) });
  await app.request(path, { method, body: text, headers: { "Content-Length": String(text.length) } });
  expect(port.calls).toEqual(["reinitialize true false"]);
});

test("what is meant for one member is refused by another that has its address by now", async () => {
  const asked = requestOf("restart", {}, answer());
  expect(asked.member).toBe("node1");
  expect(requestOf("switchover", {}, answer()).member).toBeUndefined();
  for (const [member, status] of [["node1", 200], ["node2", 412], ["n\u00f6de", 412]] as const) {
    const port = new StubPort();
    const app = createApp(port, { onError: (error) => expect.unreachable(error.message) });
    const headers = { "Content-Length": "0", "Agent-Member": encodeURIComponent(member) };
    expect([member, (await app.request(asked.path, { method: "POST", headers })).status]).toEqual([
      member,
      status,
    ]);
    expect(port.calls.length).toBe(status === 200 ? 1 : 0);
  }
});

test("an answer is shown as the server's text, with its warnings", () => {
  expect(outcomeText(200, '{"ttl": 5}', null)).toBe("Done.");
  expect(outcomeText(412, "no good candidates", null)).toBe("no good candidates");
  expect(outcomeText(200, "{}", '299 agent "unknown key \\"a\\"", 299 agent "b"')).toBe(
    'Done. unknown key "a"; b',
  );
  expect(outcomeText(500, "", null)).toBe("status 500");
});

const BEFORE: JsonObject = { ttl: 5, postgresql: { parameters: { work_mem: "4MB", a: 1 } }, pause: true };

test("an edited text becomes the list of its changes, and a patch with nothing else", () => {
  const text = shownText({
    ttl: 10,
    postgresql: { parameters: { work_mem: "4MB" } },
    pause: true,
    slots: {},
  });
  expect(edited(BEFORE, text)).toEqual({
    ok: true,
    value: JSON.parse(text),
    changes: [
      { key: "ttl", before: "5", after: "10" },
      { key: "postgresql.parameters.a", before: "1", after: null },
      { key: "slots", before: null, after: "{}" },
    ],
    patch: { ttl: 10, postgresql: { parameters: { a: null } }, slots: {} },
  });
  expect(edited(BEFORE, shownText(BEFORE))).toMatchObject({ changes: [], patch: {} });
});

test("a text that is no configuration says why", () => {
  expect(edited(BEFORE, "{")).toMatchObject({ ok: false, problem: expect.stringContaining("not JSON") });
  expect(edited(BEFORE, "[]")).toMatchObject({ ok: false, problem: "An object is expected: { ... }" });
  expect(edited(BEFORE, '{"ttl": null}')).toMatchObject({ problem: "ttl is null: remove the key instead" });
  expect(edited(BEFORE, '{"a": {"b": null}}')).toMatchObject({
    problem: expect.stringContaining("a.b is null"),
  });
});

test("a null that the configuration has already stays, and keeps nobody from changing another key", () => {
  const before: JsonObject = { ttl: 5, slots: { s1: null, s2: 0 } };
  const text = shownText({ ttl: 10, slots: { s1: null } });
  expect(edited(before, text)).toMatchObject({ ok: true, patch: { ttl: 10, slots: { s2: null } } });
  expect(edited(before, shownText({ ...before, slots: { s1: null, s3: null } }))).toMatchObject({
    problem: "slots.s3 is null: remove the key instead",
  });
});

const json = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.nat(3), fc.constantFrom("a", "b"), fc.array(fc.nat(2)), tie("object")),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { maxKeys: 3 }),
})).object;

anyInput("a configuration that was edited", fc.tuple(json, json), ([before, after]) => {
  expect(applyPatch(before, patchOf(before, after))).toEqual(after);
  expect(changes(before, after).length === 0).toBe(Object.keys(patchOf(before, after)).length === 0);
}, { usual: 500 });
