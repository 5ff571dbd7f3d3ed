/** What a client takes of an answer, no matter who gives it. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput, ODD_KEYS } from "../../raft/testing.ts";
import * as forms from "./answers.ts";
import { ApiClient, CONFIG, HISTORY, parseAnswer } from "./client.ts";

const client = new ApiClient({ timeoutMs: 20_000, authentication: null, tls: null });

test("an answer without end is given up, and takes bounded memory", async () => {
  let sent = 0;
  const piece = new Uint8Array(1024 * 1024).fill(32);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      const body = new ReadableStream({ pull: (stream) => (sent++, stream.enqueue(piece)) });
      return new Response(body);
    },
  });
  try {
    const reply = await client.request(`http://127.0.0.1:${server.port}`, "GET", "/cluster");
    expect(reply).toEqual({ ok: false, error: "an answer of more than 8388608 bytes, which no agent gives" });
    expect(sent).toBeLessThan(100);
  } finally {
    await server.stop(true);
  }
});

test("an answer of another form, or too deep, is none, and it is said why", () => {
  for (const text of ["", "1", "null", '"a"', "{", "[".repeat(1e6), `${"[".repeat(100)}${"]".repeat(100)}`]) {
    expect(parseAnswer(text, CONFIG).ok).toBe(false);
  }
  expect(parseAnswer('{"a":[1]}', CONFIG)).toEqual({ ok: true, value: { a: [1] } });
  expect(parseAnswer("[[1,{}]]", HISTORY)).toEqual({ ok: false, problem: "a text is expected" });
});

const word = fc.constantFrom(
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "1",
  "null",
  ...ODD_KEYS.map((key) => `"${key}":`),
);
const text = fc.oneof(fc.json(), fc.array(word, { maxLength: 40 }).map((words) => words.join("")));
const every = [
  forms.CLUSTER,
  forms.STATUS,
  forms.NAME,
  forms.RAFT,
  forms.WATCHDOG,
  forms.TIMING,
  forms.HISTORY,
  forms.CONFIG,
  forms.CONFIG_HISTORY,
  forms.EVENTS,
  forms.WHY,
  forms.CONFIG_CHECK,
  forms.EXPLANATION,
] as const;
anyInput("the answer of another member", text, (answer) => {
  for (const form of every) {
    const parsed = parseAnswer<unknown>(answer, form);
    expect(!parsed.ok || typeof parsed.value === "object").toBe(true);
  }
});
