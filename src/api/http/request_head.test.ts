import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput } from "../../../raft/testing.ts";
import { MAX_HEAD_BYTES, readHead } from "./request_head.ts";

const read = (text: string) => readHead(Buffer.from(text, "latin1"));

test("a request is read with or without Host, carriage returns, and the newest version", () => {
  for (
    const text of [
      "GET /primary HTTP/1.1\r\n\r\n",
      "GET /primary HTTP/1.1\r\nHost: a b \"c'\r\n\r\n",
      "GET /primary HTTP/1.1\r\nHost:\r\n\r\n",
      "GET /primary HTTP/1.1\r\nHost: [::\r\n\r\n",
      "GET /primary HTTP/1.0\r\n\r\n",
      "GET /primary HTTP/1.0\n\n",
      "\r\n\r\nGET /primary HTTP/1.1\r\nhost: x\r\n\r\nGET /other",
      "GET http://node1:8008/primary HTTP/1.1\r\n\r\n",
      "GET /primary/ HTTP/1.1\r\n\r\n",
      "GET /%70rimary HTTP/1.1\r\n\r\n",
    ]
  ) {
    const result = read(text);
    expect([text, result.kind === "head" && result.head.path]).toEqual([text, "/primary"]);
  }
});

test("the parts of a head", () => {
  const text = "POST /restart?a=b HTTP/1.1\r\nX-One:  1 \r\nContent-Length: 12\r\nConnection: Close\r\n\r\n";
  const result = read(`${text}{"a": "b"}  `);
  expect(result).toMatchObject({
    kind: "head",
    bytes: text.length,
    head: { method: "POST", path: "/restart", query: "?a=b", bodyBytes: 12, keepAlive: false, http10: false },
  });
  expect(result.kind === "head" && result.head.headers.get("x-one")).toBe("1");
});

test("connections are kept as the version and the client say", () => {
  const kept = (text: string) => {
    const result = read(text);
    return result.kind === "head" && result.head.keepAlive;
  };
  expect(kept("GET / HTTP/1.1\r\n\r\n")).toBe(true);
  expect(kept("GET / HTTP/1.1\r\nConnection: x, close\r\n\r\n")).toBe(false);
  expect(kept("GET / HTTP/1.0\r\n\r\n")).toBe(false);
  expect(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")).toBe(true);
});

test("what would be guessed wrong is refused, and what is too long", () => {
  const status = (text: string) => {
    const result = read(text);
    return result.kind === "bad" ? result.status : result.kind;
  };
  expect(status("GET\r\n\r\n")).toBe(400);
  expect(status("GET /\r\n\r\n")).toBe(400);
  expect(status("GET  / HTTP/1.1\r\n\r\n")).toBe(400);
  expect(status("GET /%ff HTTP/1.1\r\n\r\n")).toBe(400);
  expect(status("GET x HTTP/1.1\r\n\r\n")).toBe(400);
  expect(status("PRI * HTTP/2.0\r\n\r\n")).toBe(505);
  expect(status("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n")).toBe("head");
  for (const coding of ["chunked", "identity", "", "\tx"]) {
    for (const version of ["1.1", "1.0"]) {
      const both = `POST / HTTP/${version}\r\nContent-Length: 1\r\nTransfer-Encoding: ${coding}\r\n\r\n`;
      expect([both, status(both)]).toEqual([both, 411]);
    }
  }
  expect(status("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n")).toBe(400);
  expect(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")).toBe(411);
  for (const hosts of ["Host: a\r\nHost: b", "Host: a\r\nhost: a", "Host:\r\nX: y\r\nHOST:a"]) {
    expect([hosts, status(`GET / HTTP/1.1\r\n${hosts}\r\n\r\n`)]).toEqual([hosts, 400]);
  }
  expect(status("GET / HTTP/1.1\r\n folded\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\na b: c\r\n\r\n")).toBe(400);
  expect(status("GET / HTTP/1.1\r\na: \x00\r\n\r\n")).toBe(400);
  expect(status(`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(101)}\r\n`)).toBe(431);
  expect(status(`GET /${"x".repeat(MAX_HEAD_BYTES)}`)).toBe(431);
  expect(status(`GET /${"x".repeat(MAX_HEAD_BYTES)} HTTP/1.1\r\n\r\n`)).toBe(431);
  expect(status("\x16\x03\x01\x02\x00\n\n")).toBe(400);
  expect(status("\x16")).toBe(400);
  expect(status("GE\0")).toBe(400);
  expect(status("GET / HTTP/1.1\r\nHost: x\r\n")).toBe("incomplete");
});

const piece = fc.constantFrom(
  "GET ",
  "/",
  " HTTP/1.1",
  "\r\n",
  "\n",
  "Host: x",
  ":",
  "\0",
  "%",
  "é",
  "a",
  "content-length: 3",
);
const pieces = fc.array(fc.oneof(piece, fc.string({ unit: "binary", maxLength: 5 })), { maxLength: 30 });

// A head, too few bytes, or refused; and a head is read the same in pieces.
anyInput("the head of a request", pieces, (parts) => {
  const bytes = Buffer.from(parts.join(""), "utf8");
  const whole = readHead(bytes);
  if (whole.kind !== "head") return;
  expect(whole.head.path.startsWith("/")).toBe(true);
  expect(whole.bytes).toBeLessThanOrEqual(bytes.length);
  for (let length = 0; length < whole.bytes - 2; length++) {
    expect(readHead(bytes.subarray(0, length)).kind).toBe("incomplete");
  }
  expect(readHead(bytes.subarray(0, whole.bytes))).toEqual(whole);
}, { usual: 3000 });
