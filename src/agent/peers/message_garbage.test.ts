/**
 * A member that has gone mad can say anything: whatever it says is no status, or one that every member can
 * hear, decide by and show.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyInput, ODD_KEYS, spoiled } from "../../../raft/testing.ts";
import { createApp } from "../../api/app.ts";
import { StubPort } from "../../api/testing.ts";
import { coordinate } from "../../brain/cluster/coordinate.ts";
import { keep } from "../../brain/keep/rules.ts";
import { cluster, lock, node, primaryStatus, seen, status, succession } from "../../brain/testing.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { HolderSightings, sightingOf } from "../lease/holder_sightings.ts";
import {
  decodeLeaseMessage,
  decodeRelayed,
  decodeStatus,
  decodeWitness,
  encodeMessage,
  encodeRelayed,
} from "./messages.ts";
import { differs, ownStatus } from "../loop/own_status.ts";
import { ownStatusInput } from "../loop/testing.ts";
import { StatusBoard } from "./status_board.ts";

const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const FULL: MemberStatus = primaryStatus("b", {
  lookAgeMs: 3,
  holderLsn: 1000,
  streamedTo: ["a", "c"],
  watchdog: { mode: "required", active: true, timeoutS: 10 },
  canLose: 1,
  copy: { from: "a", fromStandby: false, doneBytes: 5, totalBytes: 100, bytesPerSecond: null },
  tags: { clonefrom: true, rack: "r1" },
  pendingRestart: { max_connections: { old_value: "100", new_value: "200" } },
});

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>("a", "b", ...ODD_KEYS, "", "\ud800", "\n", "x".repeat(40_000)),
  fc.constantFrom<unknown>(0, -0, -1, 0.5, 1e300, 2 ** 53, 2 ** 53 + 2, 2 ** 31, null, true, [], {}),
  fc.constantFrom<unknown>(["a"], { a: 1 }, { length: 3 }, { old_value: 1, new_value: [] }, {
    max_connections: { old_value: {}, new_value: null },
  }),
);

/** A whole status in which some fields are something else, or missing. */
const spoiledStatus = fc.tuple(
  fc.array(fc.tuple(fc.constantFrom(...Object.keys(FULL), "later"), fc.option(odd)), { maxLength: 3 }),
  fc.constantFrom("a", "b", "zz"),
).map(([changes, name]) => {
  const value: Record<string, unknown> = { ...FULL, name };
  for (const [field, change] of changes) {
    if (change === null && field !== "later") delete value[field];
    else value[field] = change;
  }
  return bytesOf(value);
});

const port = new StubPort();
const app = createApp(port, {
  onError: (error) => {
    throw error;
  },
});

/** All that is made of the statuses of others. */
async function live(heard: MemberStatus): Promise<void> {
  for (const holder of ["a", "b", null]) {
    const dcs = cluster({ lock: lock({ holder, lastHolder: "b" }) });
    const board = new StatusBoard(() => dcs);
    board.hear(status("c"), 3, 0);
    board.hear(heard, 2, 0);
    const sightings = new HolderSightings();
    sightings.heard(heard, dcs.lock);
    differs(heard, heard);
    differs({ ...heard, seq: 0 }, heard);
    const statuses = board.seen(100);
    sightingOf(3, sightings.last, statuses, []);
    const view = succession({ dcs, statuses, primaryLsn: board.primaryLsn });
    coordinate({
      ...view,
      self: "a",
      wallMs: 0,
      expiryDue: false,
      leaseOver: false,
      nextTtl: null,
      leadingForMs: 60_000,
      requestForMs: 60_000,
      givenUpIndex: 0,
    });
    keep(node({ name: "a", dcs, statuses }));
    // What the thread of the REST API is given.
    structuredClone(statuses);
  }
  port.change({ statuses: [seen(heard, 100), seen(status("node1"), 0)] });
  for (
    const path of ["/cluster", "/metrics", "/patroni", "/replica?lag=1MB", `/agent/dcs/members/${heard.name}`]
  ) {
    const response = await app.request(path);
    expect([path, response.status === 500]).toEqual([path, false]);
    await response.text();
  }
}

anyInput(
  "the status of a member: it is none, or one that everybody can live with",
  spoiledStatus,
  (bytes) => {
    const heard = decodeStatus(bytes);
    return heard === null ? undefined : live(heard);
  },
  { usual: 3000 },
);

test("a good status is taken", async () => {
  const taken = fc.sample(spoiledStatus, 400).filter((bytes) => decodeStatus(bytes) !== null).length;
  expect(taken).toBeGreaterThan(20);
  await live(decodeStatus(bytesOf(FULL))!);
});

const renewal = { epoch: 3, seq: 1, holder: "a", term: 2 };
const MESSAGES = [
  bytesOf({ kind: "renew", renewal }),
  bytesOf({ kind: "ack", ack: renewal }),
  bytesOf({ name: "w", raftAddr: "h:1", apiUrl: "", canLose: null }),
  encodeRelayed({ from: 3, status: bytesOf(FULL) }),
];
anyInput("a message of a member", spoiled(MESSAGES), (bytes) => {
  for (const decode of [decodeStatus, decodeLeaseMessage, decodeWitness, decodeRelayed]) decode(bytes);
});

test("each field of a status has its type, and a size", () => {
  for (const field of Object.keys(FULL) as (keyof MemberStatus)[]) {
    const wrong = FULL[field] !== null && typeof FULL[field] === "object" ? "x" : { x: [1] };
    expect([field, decodeStatus(bytesOf({ ...FULL, [field]: wrong }))]).toEqual([field, null]);
    if (typeof FULL[field] !== "string") continue;
    expect([field, decodeStatus(bytesOf({ ...FULL, [field]: "x".repeat(5000) }))]).toEqual([field, null]);
  }
  const tags = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`t${i}`, i]));
  expect(decodeStatus(bytesOf({ ...FULL, tags }))).toBeNull();
  expect(decodeStatus(bytesOf({ ...FULL, streamedTo: Array(200).fill("a") }))).toBeNull();
  expect(decodeStatus(bytesOf({ ...FULL, later: "x".repeat(300_000) }))).toBeNull();
  expect(decodeStatus(bytesOf({ ...FULL, later: { deep: 1 } }))).toEqual(FULL);
});

test("no bytes make a message throw, however deep what they hold is", () => {
  for (const depth of [100, 100_000, 400_000]) {
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    const text = JSON.stringify({ ...FULL, tags: 0 }).replace('"tags":0', `"tags":{"a":${deep}}`);
    for (const one of [deep, text, `{"kind":"renew","renewal":${deep}}`, `{"from":1,"status":${deep}}`]) {
      const bytes = new TextEncoder().encode(one);
      for (const decode of [decodeStatus, decodeLeaseMessage, decodeWitness, decodeRelayed]) {
        expect(decode(bytes)).toBeNull();
      }
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    for (const decode of [decodeStatus, decodeLeaseMessage, decodeWitness, decodeRelayed]) decode(bytes);
  }));
});

test("the largest status that is taken is taken as well when the leader passes it on", () => {
  const value = '\u0001"\\'.repeat(80);
  const pendingRestart = Object.fromEntries(
    Array.from({ length: 150 }, (_, i) => [`setting_${i}`, { old_value: value, new_value: value }]),
  );
  const bytes = encodeMessage({ ...FULL, pendingRestart });
  const taken = decodeStatus(bytes);
  expect(taken).toEqual({ ...FULL, pendingRestart });
  expect(decodeStatus(decodeRelayed(encodeRelayed({ from: 3, status: bytes }))!.status)).toEqual(taken);
});

test("settings that wait for a restart never make the own status too large for the others", () => {
  const { postgres } = node();
  const huge = "é".repeat(30_000);
  const pendingRestart = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`setting_${i}`, { old_value: huge, new_value: huge }]),
  );
  const own = ownStatus(ownStatusInput({
    nowMs: 0,
    postgres: { ...postgres, pendingRestart },
    holding: false,
    sighting: { epoch: 0, lsn: null },
    walSettled: false,
  }));
  expect(decodeStatus(encodeMessage(own))).not.toBeNull();
});

test("a member that calls itself by ever new names fills nothing", () => {
  const board = new StatusBoard(() => cluster());
  for (let i = 0; i < 1000; i++) {
    board.hear(status(`n${i}`), 2, 0);
    board.hearWitness({ name: `w${i}`, raftAddr: "h:1", apiUrl: "", canLose: null }, 2, 0);
  }
  expect(board.seen(0).map((one) => one.status.name)).toEqual(["n999"]);
  expect(board.witnesses(0).map(({ name }) => name)).toEqual(["w999"]);
});

test("nobody but the holder of the lock says how far the primary has written", () => {
  const board = new StatusBoard(() => cluster({ lock: lock({ holder: "a" }) }));
  board.hear(primaryStatus("a", { walLsn: 5000 }), 1, 0);
  board.hear(primaryStatus("b", { walLsn: 2 ** 60 }), 2, 0);
  expect(board.primaryLsn).toBe(5000);
});
