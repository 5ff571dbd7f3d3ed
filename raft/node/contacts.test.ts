import { expect, test } from "bun:test";
import { Contacts } from "./contacts.ts";

const ACTIVE = [{ id: 1, recentActive: true }, { id: 2, recentActive: true }];
const SILENT = [{ id: 1, recentActive: true }, { id: 2, recentActive: false }];

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
    // The core counts the member for an election timeout after that.
    pass(electionMaxMs);
    contacts.counted(1, ACTIVE);
    while (!contacts.isAbsent(2)) pass(50);
    expect(contacts.isInContact(2, SILENT)).toBe(false);
    expect(contacts.silentMs(2)).toBeGreaterThanOrEqual(3000);
  });
}

test("what the core of a leader has counted ends with its leadership", () => {
  const { contacts } = opened(1000);
  contacts.heard(2);
  contacts.counted(1, ACTIVE);
  expect(contacts.isInContact(2, SILENT)).toBe(true);
  contacts.forgetActive();
  expect(contacts.isInContact(2, SILENT)).toBe(false);
  expect(contacts.isInContact(2, ACTIVE)).toBe(true);
});

test("a member that the core counts as active was heard here, or the node ends", () => {
  const { contacts } = opened(1000);
  expect(() => contacts.counted(1, ACTIVE)).toThrow("member 2 as active, which was never heard");
  // Its own answers to itself are no contact.
  contacts.counted(2, ACTIVE.slice(1));
  contacts.counted(1, SILENT);
  expect(contacts.isInContact(2, SILENT)).toBe(false);
});
