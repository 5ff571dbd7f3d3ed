/** Texts that may hold a secret: none is missed, and none takes longer than it is long. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput, cpuMs } from "../../raft/testing.ts";
import { keyHoldsSecret, textHoldsSecret } from "./secret_text.ts";

const HOLDS = [
  "password=x",
  "PGPASSWORD: x",
  "{'token' : 'x'}",
  '"secret_id"= 5',
  "my_pwd_file\n=x",
  "postgres://u:p@h/",
  "a user:word@host",
  "x:@",
];
const HOLDS_NONE = [
  "",
  "password",
  "a password of 5",
  "u@h:5432",
  "10.0.0.1:5432",
  "pass word",
  "@a:b",
  "a: b@c",
  ":@",
];

test("texts with a secret are known by a name before it, or by an @ behind a colon", () => {
  expect(HOLDS.filter((text) => !textHoldsSecret(text))).toEqual([]);
  expect(HOLDS_NONE.filter(textHoldsSecret)).toEqual([]);
  expect(["password:x", "my_token x", "pwd=x"].every(keyHoldsSecret)).toBe(true);
  expect(["password", "tokens", "ttl: x"].some(keyHoldsSecret)).toBe(false);
});

// The same rules, shorter, and quadratic in the length of the text.
const TEXT = /(pass|pwd|secret|token)\w*["']?\s*[=:]|\S+:\S*@/i;
const KEY = /(pass|pwd|secret|token)\w*\s*[:=\s]/i;
const piece = fc.oneof(
  fc.constantFrom(
    "pass",
    "PWD",
    "secret",
    "token",
    "word",
    ":",
    "=",
    "@",
    "'",
    '"',
    " ",
    "\n",
    "_",
    "é",
    "\u3000",
  ),
  fc.string({ maxLength: 2 }),
);

anyInput("a text that may hold a secret", fc.array(piece, { maxLength: 12 }), (pieces) => {
  const text = pieces.join("");
  expect([text, textHoldsSecret(text), keyHoldsSecret(text)]).toEqual([
    text,
    TEXT.test(text),
    KEY.test(text),
  ]);
}, { usual: 3000 });

test("a long text takes as long as it is", () => {
  for (const part of ["x", "pass", "a:", "pass ", " ", "a@", "pass'", ":", "\n", "a: ", "pass\t"]) {
    const text = part.repeat(1_000_000 / part.length);
    const began = cpuMs();
    textHoldsSecret(text);
    keyHoldsSecret(text);
    // Some 50 ms; what is quadratic takes an hour.
    expect(cpuMs() - began).toBeLessThan(5000);
  }
});
