import { randomBytes } from "node:crypto";
import { expect, test } from "bun:test";
import { Acceptor, type Credentials, Dialer, keyOf, NONCE_BYTES, type Step } from "./handshake.ts";

const KEY = keyOf("secret", 1);

function member(id: number, overrides: Partial<Credentials> = {}): Credentials {
  return { id, clusterId: 1, key: KEY, ...overrides };
}

function nonce(): Uint8Array {
  return new Uint8Array(randomBytes(NONCE_BYTES));
}

/** Plays both sides until one is done; returns what each ended with. */
function meet(dialing: Credentials, accepting: Credentials, target = accepting.id) {
  const dialer = new Dialer(dialing, target, nonce());
  const acceptor = new Acceptor(accepting, (id) => id <= 3, nonce());
  let message: Uint8Array | null = dialer.hello;
  let atAcceptor: Step | null = null;
  let atDialer: Step | null = null;
  const seen: Uint8Array[] = [];
  for (let i = 0; i < 4 && message; i++) {
    seen.push(message);
    const step: Step = i % 2 === 0 ? acceptor.step(message) : dialer.step(message);
    if (i % 2 === 0) atAcceptor = step;
    else atDialer = step;
    message = step.reply;
  }
  return { atAcceptor, atDialer, seen };
}

function texts(result: ReturnType<typeof meet>): string[] {
  return [result.atAcceptor, result.atDialer].map((step) =>
    step?.kind === "refuse" ? step.text : `${step?.kind}`
  );
}

test("members with the same password open to each other", () => {
  const result = meet(member(1), member(2));
  expect(result.atAcceptor).toMatchObject({ kind: "open", peer: 1 });
  expect(result.atDialer).toMatchObject({ kind: "open", peer: 2 });
});

test("without a password on either side they open, too", () => {
  expect(texts(meet(member(1, { key: null }), member(2, { key: null })))).toEqual(["open", "open"]);
});

test("strangers are refused, and both sides learn why", () => {
  const cases: [string, ReturnType<typeof meet>][] = [
    ["wrong password", meet(member(1, { key: keyOf("guess", 1) }), member(2))],
    ["wrong password", meet(member(1, { key: null }), member(2))],
    ["wrong password", meet(member(1), member(2, { key: null }))],
    ["node of another cluster", meet(member(1, { clusterId: 9 }), member(2))],
    ["not a member of this cluster", meet(member(7), member(2))],
    ["same member twice: another process claims to be this one", meet(member(2), member(2))],
    ["meant for another member: addresses are mixed up", meet(member(1), member(2), 3)],
  ];
  for (const [text, result] of cases) expect(texts(result)).toEqual([text, text]);
});

test("a recorded proof is worth nothing in another conversation", () => {
  const { seen } = meet(member(1), member(2));
  const [hello, , proof] = seen;
  const acceptor = new Acceptor(member(2), () => true, nonce());
  expect(acceptor.step(hello!).kind).toBe("continue");
  expect(acceptor.step(proof!)).toMatchObject({ kind: "refuse", text: "wrong password" });
});

test("an acceptor that knows no password is not believed", () => {
  const dialer = new Dialer(member(1), 2, nonce());
  expect(dialer.step(new Uint8Array(33)).kind).toBe("continue");
  expect(dialer.step(new Uint8Array(33))).toMatchObject({ kind: "refuse", text: "wrong password" });
  const reflecting = new Dialer(member(1), 2, nonce());
  const step = reflecting.step(new Uint8Array(33));
  const reflected = new Uint8Array(33);
  reflected.set(step.reply!, 1);
  expect(reflecting.step(reflected).kind).toBe("refuse");
});

test("no sequence of random or damaged messages opens anything", () => {
  const { seen } = meet(member(1), member(2));
  for (let i = 0; i < 3000; i++) {
    const acceptor = new Acceptor(member(2), () => true, nonce());
    const dialer = new Dialer(member(1), 2, nonce());
    for (let step = 0; step < 3; step++) {
      const recorded = seen[(i + step) % seen.length]!.slice();
      if (i % 3 === 0) recorded[i % recorded.length]! ^= 1 << (i & 7);
      const message = i % 5 === 0 ? new Uint8Array(randomBytes(i % 80)) : recorded;
      expect(acceptor.step(message).kind).not.toBe("open");
      expect(dialer.step(message).kind).not.toBe("open");
    }
  }
});
