import { randomBytes } from "node:crypto";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Acceptor, type Credentials, Dialer, keyOf, NONCE_BYTES, Refusal, type Step } from "./handshake.ts";
import { anyInput } from "../testing.ts";

const KEY = keyOf("secret", 1);

function member(id: number, overrides: Partial<Credentials> = {}): Credentials {
  return { id, clusterId: 1, key: KEY, ...overrides };
}

function nonce(): Uint8Array {
  return new Uint8Array(randomBytes(NONCE_BYTES));
}

/** Plays both sides until one is done; returns the result of each. */
function meet(dialing: Credentials, accepting: Credentials, target = accepting.id) {
  const dialer = new Dialer(dialing, target, nonce());
  const acceptor = new Acceptor(accepting, (id) => id <= 3 ? null : { code: Refusal.unknownMember }, nonce());
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

/** Dials again with the older version, as links do; returns the offered versions and the result. */
function negotiate(dialing: [number, number], accepting: [number, number]) {
  const range = ([oldest, newest]: [number, number]) => ({ versions: { oldest, newest } });
  const offered: number[] = [];
  for (let version: number | null = dialing[1];;) {
    const dialer: Dialer = new Dialer(member(1, range(dialing)), 2, nonce(), version);
    const acceptor = new Acceptor(member(2, range(accepting)), () => null, nonce());
    offered.push(version);
    expect(offered.length).toBeLessThan(4);
    const answer = acceptor.step(dialer.hello);
    const end = dialer.step(answer.reply!);
    version = dialer.olderVersion;
    if (version !== null) continue;
    const text = (step: Step) => step.kind === "refuse" ? step.text : step.kind;
    return { offered, atAcceptor: text(answer), atDialer: text(end) };
  }
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

test("members of neighbouring versions speak the newest that both know", () => {
  const met = { atAcceptor: "continue", atDialer: "continue" };
  expect(negotiate([2, 3], [2, 2])).toEqual({ offered: [3, 2], ...met });
  expect(negotiate([2, 2], [2, 3])).toEqual({ offered: [2], ...met });
  expect(negotiate([1, 5], [2, 3])).toEqual({ offered: [5, 3], ...met });
  expect(negotiate([2, 3], [3, 4])).toEqual({ offered: [3], ...met });
});

test("versions too far apart are refused, and both sides name both", () => {
  expect(negotiate([3, 4], [1, 2])).toEqual({
    offered: [4],
    atAcceptor: "another version of the protocol: it offers 4, this member speaks 1 to 2",
    atDialer: "another version of the protocol: it speaks 1 to 2, this member 3 to 4",
  });
  expect(negotiate([1, 2], [3, 3]).atDialer)
    .toBe("another version of the protocol: it speaks 3, this member 1 to 2");
});

test("whoever refuses a version that it says it speaks is not asked for ever", () => {
  const dialer = new Dialer(member(1, { versions: { oldest: 1, newest: 3 } }), 2, nonce(), 2);
  expect(dialer.step(new Uint8Array([1, 0, 1, 0, 9])).kind).toBe("refuse");
  expect(dialer.olderVersion).toBeNull();
});

test("a recorded proof is worth nothing in another conversation", () => {
  const { seen } = meet(member(1), member(2));
  const [hello, , proof] = seen;
  const acceptor = new Acceptor(member(2), () => null, nonce());
  expect(acceptor.step(hello!).kind).toBe("continue");
  expect(acceptor.step(proof!)).toMatchObject({ kind: "refuse", text: "wrong password" });
});

test("an acceptor that knows no password is not believed", () => {
  const challenge = new Acceptor(member(2), () => null, nonce()).step(new Dialer(member(1), 2, nonce()).hello)
    .reply!;
  const dialer = new Dialer(member(1), 2, nonce());
  expect(dialer.step(challenge).kind).toBe("continue");
  expect(dialer.step(new Uint8Array(33))).toMatchObject({ kind: "refuse", text: "wrong password" });
  const reflecting = new Dialer(member(1), 2, nonce());
  const step = reflecting.step(challenge);
  const reflected = new Uint8Array(33);
  reflected.set(step.reply!, 1);
  expect(reflecting.step(reflected).kind).toBe("refuse");
});

test("no sequence of random or damaged messages opens anything", () => {
  const { seen } = meet(member(1), member(2));
  for (let i = 0; i < 3000; i++) {
    const acceptor = new Acceptor(member(2), () => null, nonce());
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

const DOWNGRADED = "an older version of the protocol than both sides speak";

test("nobody in between can make two members speak an older version than the newest of both", () => {
  const both = { versions: { oldest: 2, newest: 4 } };
  // A dialer offers this after an attacker in between has told it that the other side speaks nothing newer.
  const dialer = new Dialer(member(1, both), 2, nonce(), 3);
  const acceptor = new Acceptor(member(2, both), () => null, nonce());
  expect(acceptor.step(dialer.hello)).toMatchObject({
    kind: "refuse",
    text: expect.stringContaining(DOWNGRADED),
  });
  // The attacker changes the hello, so that the acceptor believes in an older dialer: the challenge shows it.
  const older = dialer.hello.slice();
  older[9] = 3;
  const misled = new Acceptor(member(2, both), () => null, nonce());
  const challenge = misled.step(older);
  expect(challenge.kind).toBe("continue");
  expect(dialer.step(challenge.reply!)).toMatchObject({
    kind: "refuse",
    text: expect.stringContaining(DOWNGRADED),
  });
  // When the challenge is changed as well, no proof fits: it covers what each side has said and heard.
  const changed = challenge.reply!.slice();
  changed[4] = 3;
  const blind = new Dialer(member(1, both), 2, nonce(), 3);
  const led = blind.hello.slice();
  led[9] = 3;
  const last = new Acceptor(member(2, both), () => null, nonce());
  const answer = last.step(led).reply!.slice();
  answer[4] = 3;
  expect(last.step(blind.step(answer).reply!)).toMatchObject({ kind: "refuse", text: "wrong password" });
});

test("version 1 is not spoken, not even with a member that speaks nothing else", () => {
  const dialer = new Dialer(member(1), 2, nonce());
  expect(dialer.step(new Uint8Array([1, 0, 1, 0, 1]))).toMatchObject({ kind: "refuse" });
  expect(dialer.olderVersion).toBeNull();
});

test("both sides agree on keys, one for each direction, and others for each conversation", () => {
  const keysOf = (result: ReturnType<typeof meet>) =>
    [result.atDialer, result.atAcceptor].map((step) => step?.kind === "open" ? step.keys! : null);
  const [first, second] = [keysOf(meet(member(1), member(2))), keysOf(meet(member(1), member(2)))];
  expect(first[0]).toEqual(first[1]!);
  const all = [first[0]!, second[0]!].flatMap(({ dialer, acceptor }) => [dialer, acceptor]);
  expect(new Set(all.map((key) => Buffer.from(key).toString("hex"))).size).toBe(4);
  expect(keysOf(meet(member(1, { key: null }), member(2, { key: null })))).toEqual([null, null]);
});

const changed = fc.tuple(fc.nat(3), fc.nat(80), fc.nat(255)).map(([which, at, byte]) => {
  const { seen } = CONVERSATION;
  const message = seen[which % seen.length]!.slice();
  message[at % message.length] = byte;
  return message;
});
const CONVERSATION = meet(member(1), member(2));
const said = fc.array(fc.oneof(changed, fc.uint8Array({ maxLength: 120 })), { minLength: 1, maxLength: 4 });

anyInput("a handshake, whatever has been said before", fc.tuple(said, fc.boolean()), ([messages, visits]) => {
  const own = member(2, { visits: visits ? { id: 12, key: KEY } : null });
  const acceptor = new Acceptor(own, (id) => id <= 3 ? null : { code: Refusal.unknownMember }, nonce());
  const dialer = new Dialer(member(1), 2, nonce());
  for (const message of messages) {
    expect(acceptor.step(message).kind).not.toBe("open");
    expect(dialer.step(message).kind).not.toBe("open");
  }
});
