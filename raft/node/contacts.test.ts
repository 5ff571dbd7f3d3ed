import { expect, test } from "bun:test";
import { Contacts } from "./contacts.ts";

function opened(electionMaxMs: number) {
  let nowMs = 10_000;
  const contacts = new Contacts({ now: () => nowMs, electionMaxMs });
  contacts.begin();
  return { contacts, pass: (ms: number) => (nowMs += ms) };
}

test("nobody has been silent for longer than this node runs, nor while a connection stands", () => {
  const { contacts, pass } = opened(1000);
  pass(400);
  expect(contacts.silentMs(2)).toBe(400);
  contacts.heard(2);
  pass(100);
  expect({ silent: contacts.silentMs(2), heard: contacts.lastHeardMs(2) }).toEqual({
    silent: 100,
    heard: 10_400,
  });
  contacts.peer(2, true);
  pass(60_000);
  expect({ silent: contacts.silentMs(2), absent: contacts.isAbsent(2) }).toEqual({
    silent: 0,
    absent: false,
  });
  contacts.peer(2, false);
  expect(contacts.isAbsent(2)).toBe(true);
  expect(contacts.lastHeardMs(3)).toBeNull();
});

for (const electionMaxMs of [200, 1000, 5000, 30_000]) {
  test(`with election timeouts of ${electionMaxMs} ms an absent member is not counted as one that has answered`, () => {
    const { contacts, pass } = opened(electionMaxMs);
    contacts.heard(2);
    // The core counts it for an election timeout after that.
    pass(electionMaxMs);
    contacts.active(2);
    while (!contacts.isAbsent(2)) pass(50);
    expect(contacts.hasAnswered(2)).toBe(false);
    expect(contacts.silentMs(2)).toBeGreaterThanOrEqual(3000);
  });
}

test("what the core of a leader has counted ends with its leadership", () => {
  const { contacts } = opened(1000);
  contacts.active(2);
  expect(contacts.hasAnswered(2)).toBe(true);
  contacts.forgetActive();
  expect(contacts.hasAnswered(2)).toBe(false);
});
