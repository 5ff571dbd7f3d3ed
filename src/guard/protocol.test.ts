import { expect, test } from "bun:test";
import {
  decodeGuardMessage,
  decodeRequest,
  encode,
  LineReader,
  MAX_LINE_BYTES,
  type Request,
} from "./protocol.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trimEnd();

test("every request survives the way through the socket", () => {
  const spec = {
    program: "/bin/postgres",
    args: ["-D", "/d"],
    env: { LANG: "C" },
    dataDir: "/d",
    epoch: null,
  };
  const requests: Request[] = [
    { id: 1, op: "hello", version: 1 },
    { id: 2, op: "arm", epoch: 3, deadlineMs: 1234.5, unfenced: false },
    { id: 3, op: "arm", epoch: 3, deadlineMs: 1234.5, unfenced: true, killAfterMs: 5000 },
    { id: 4, op: "end", epoch: 3 },
    { id: 5, op: "start", spec },
    { id: 6, op: "start", spec: { ...spec, epoch: 3 } },
    { id: 7, op: "adopt", epoch: null },
    { id: 7, op: "adopt", epoch: 3, pid: 4711 },
    { id: 8, op: "promote", epoch: 3 },
    { id: 9, op: "signal", signal: "fast" },
    { id: 10, op: "kill" },
    { id: 11, op: "claim" },
    { id: 12, op: "close", pid: 7, leftoversMs: 60_000 },
    { id: 11, op: "ping" },
    { id: 12, op: "quit" },
  ];
  for (const request of requests) expect(decodeRequest(text(encode(request)))).toEqual(request);
});

test("what is malformed is refused with its id", () => {
  const malformed = [
    { id: 1, op: "fly" },
    { id: 1, op: "arm", epoch: 0, deadlineMs: 1, unfenced: false },
    { id: 1, op: "arm", epoch: 1.5, deadlineMs: 1, unfenced: false },
    { id: 1, op: "arm", epoch: 1, deadlineMs: "1", unfenced: false },
    { id: 1, op: "arm", epoch: 1, deadlineMs: 1 },
    { id: 1, op: "arm", epoch: 1, deadlineMs: 1, unfenced: false, killAfterMs: -1 },
    { id: 1, op: "end" },
    { id: 1, op: "start", spec: { program: "p", args: [1], env: {}, dataDir: "/d", epoch: null } },
    { id: 1, op: "start", spec: { program: "p", args: [], env: { A: 1 }, dataDir: "/d", epoch: null } },
    { id: 1, op: "start", spec: { program: "p", args: [], env: {}, dataDir: "/d" } },
    { id: 1, op: "signal", signal: "smart" },
    { id: 1, op: "close", pid: 7, leftoversMs: -1 },
    { id: 1, op: "close", pid: "7", leftoversMs: 1 },
    { id: 1, op: "hello" },
  ];
  for (const request of malformed) {
    expect(decodeRequest(JSON.stringify(request))).toEqual({
      error: `unknown or malformed request ${request.op}`,
      id: 1,
    });
  }
  expect(decodeRequest("{")).toEqual({ error: "not a JSON object", id: null });
  expect(decodeRequest("[]")).toEqual({ error: "not a JSON object", id: null });
  expect(decodeRequest('{"op":"ping"}')).toEqual({ error: "no id", id: null });
});

test("messages of a newer guard that are not known here are passed over", () => {
  expect(decodeGuardMessage('{"kind":"weather"}')).toBeNull();
  expect(decodeGuardMessage('{"kind":"reply","id":1}')).toBeNull();
  expect(decodeGuardMessage("nonsense")).toBeNull();
  expect(decodeGuardMessage('{"kind":"superseded","by":7}')).toEqual({ kind: "superseded" });
});

test("lines arrive whole, however the bytes were cut", () => {
  const stream = new TextEncoder().encode('{"a":"ä"}\n\n{"b":2}\n{"c"');
  for (let cut = 0; cut <= stream.length; cut++) {
    const reader = new LineReader();
    const lines = [...reader.push(stream.subarray(0, cut)) ?? [], ...reader.push(stream.subarray(cut)) ?? []];
    expect(lines).toEqual(['{"a":"ä"}', "", '{"b":2}']);
  }
});

test("a line without an end breaks the stream instead of filling memory", () => {
  const reader = new LineReader();
  expect(reader.push(new Uint8Array(MAX_LINE_BYTES))).toEqual([]);
  expect(reader.push(new Uint8Array(1))).toBeNull();
  const tooLong = new Uint8Array(MAX_LINE_BYTES + 2);
  tooLong[MAX_LINE_BYTES + 1] = 10;
  expect(new LineReader().push(tooLong)).toBeNull();
});
