import { expect, test } from "bun:test";
import { answerJson } from "./answer_json.ts";
import { CtlError } from "./errors.ts";
import { runCtl } from "./testing.ts";

test("an answer that no agent gives is an error that quotes its beginning", () => {
  for (const text of ["<html>", "{}", '{"members":[1]}', '{"members":{}}', "[".repeat(1e6)]) {
    expect(() => answerJson(text, ["members"])).toThrow(CtlError);
  }
  expect(() => answerJson("<html>")).toThrow('this is no answer of an agent: "<html>"');
  expect(answerJson<unknown>('{"members":[{}]}', ["members"])).toEqual({ members: [{}] });
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
