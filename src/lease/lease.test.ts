import { expect, test } from "bun:test";
import { life } from "../brain/testing.ts";
import { emptyState } from "../dcs/state_machine.ts";
import { Grantor } from "./grantor.ts";
import { Holder } from "./holder.ts";
import type { Renewal } from "./renewal.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import type { DcsState } from "../model/records.ts";

const L = (ttlMs: number) => ttlMs - 500;

function held(epoch: number, holder = "a", ttl: Partial<DcsState> = {}): DcsState {
  const state = emptyState();
  return { ...state, ...ttl, lock: { ...state.lock, epoch, holder, lastHolder: holder, life: life(holder) } };
}

const renewal = (epoch: number, seq = 1): Renewal => ({
  holder: "a",
  life: life("a"),
  epoch,
  incarnation: 7,
  seq,
});

test("a lease counts from the send of the renewal, however late its acknowledgement comes", () => {
  const holder = new Holder(7, L);
  holder.begin(3, null);
  expect(holder.acknowledged).toBe(false);
  const sent = holder.renew("a", life("a"), 1000);
  expect(holder.acknowledge({ epoch: 3, incarnation: 7, seq: sent.seq, grantTtlMs: 5000 }, 4000)).toBe(true);
  expect(holder.validUntilMs).toBe(1000 + 4500);
  expect(holder.holds(5499)).toBe(true);
  expect(holder.holds(5500)).toBe(false);
});

test("an acknowledgement of another epoch, start or unknown number is ignored, and a repeated one too", () => {
  const holder = new Holder(7, L);
  holder.begin(3, null);
  const { seq } = holder.renew("a", life("a"), 0);
  const ack = { epoch: 3, incarnation: 7, seq, grantTtlMs: 5000 };
  expect(holder.acknowledge({ ...ack, epoch: 2 }, 10)).toBe(false);
  expect(holder.acknowledge({ ...ack, incarnation: 8 }, 10)).toBe(false);
  expect(holder.acknowledge({ ...ack, seq: seq + 1 }, 10)).toBe(false);
  expect(holder.validUntilMs).toBeNull();
  expect(holder.acknowledge(ack, 10)).toBe(true);
  expect(holder.acknowledge(ack, 20)).toBe(false);
});

test("an acknowledgement that comes after its own lease has run out starts nothing", () => {
  const holder = new Holder(7, L);
  holder.begin(1, null);
  const { seq } = holder.renew("a", life("a"), 0);
  expect(holder.acknowledge({ epoch: 1, incarnation: 7, seq, grantTtlMs: 5000 }, 4500)).toBe(false);
  expect(holder.acknowledged).toBe(false);
});

test("a late acknowledgement of an older renewal never shortens the lease", () => {
  const holder = new Holder(7, L);
  holder.begin(1, null);
  const first = holder.renew("a", life("a"), 0);
  const second = holder.renew("a", life("a"), 500);
  holder.acknowledge({ epoch: 1, incarnation: 7, seq: second.seq, grantTtlMs: 5000 }, 510);
  expect(holder.acknowledge({ epoch: 1, incarnation: 7, seq: first.seq, grantTtlMs: 5000 }, 520)).toBe(false);
  expect(holder.validUntilMs).toBe(5000);
});

test("what was held ends with end()", () => {
  const holder = new Holder(7, L);
  holder.begin(1, null);
  const ack = { epoch: 1, incarnation: 7, seq: holder.renew("a", life("a"), 0).seq, grantTtlMs: 5000 };
  expect(holder.acknowledge(ack, 10)).toBe(true);
  holder.end();
  expect(holder).toMatchObject({ epoch: null, validUntilMs: null, acknowledged: false });
  expect(holder.holds(20)).toBe(false);
});

test("while ttl is raised, a confirmed renewal moves the deadline by wait_ttl, not by grant_ttl", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const raising = held(1, "a", { waitTtlMs: 10_000 });
  grantor.applied(raising, 0);
  grantor.confirm(grantor.receive(renewal(1), 8000)!, raising, 8010);
  expect(grantor.deadlineMs(raising)).toBe(18_000);
});

test("a grant starts a full ttl, and a confirmed renewal moves the deadline to its receipt plus wait_ttl", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const state = held(1);
  grantor.applied(state, 100);
  expect(grantor.deadlineMs(state)).toBe(5100);
  const pending = grantor.receive(renewal(1), 2000)!;
  expect(grantor.deadlineMs(state)).toBe(5100);
  expect(grantor.confirm(pending, state, 2300)).toEqual({
    epoch: 1,
    incarnation: 7,
    seq: 1,
    grantTtlMs: 5000,
  });
  expect(grantor.deadlineMs(state)).toBe(7000);
  expect(grantor.expiryDue(state, 6999)).toBe(false);
  expect(grantor.expiryDue(state, 7000)).toBe(true);
});

test("a new leader waits a full ttl from the moment it became leader", () => {
  const grantor = new Grantor();
  grantor.applied(held(4), 0);
  grantor.lead(9, 60_000);
  expect(grantor.deadlineMs(held(4))).toBe(65_000);
});

test("B21: elections in a row move the deadline to one ttl after the last of them, and no further", () => {
  const grantor = new Grantor();
  grantor.applied(held(4), 0);
  for (const [term, atMs] of [[5, 1000], [6, 2000], [7, 3000]] as const) grantor.lead(term, atMs);
  expect(grantor.deadlineMs(held(4))).toBe(8000);
  // Told again of the same term, it does not begin anew.
  grantor.lead(7, 7000);
  expect(grantor.deadlineMs(held(4))).toBe(8000);
  expect(grantor.expiryDue(held(4), 8000)).toBe(true);
});

test("a leader that was stalled itself waits as long as was left before, and no longer than a ttl", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const state = held(1);
  grantor.applied(state, 1000);
  // Away from 2000 to 7000, with 4000 left.
  grantor.stalled(state, 5000, 7000);
  expect(grantor.expiryDue(state, 7000)).toBe(false);
  expect(grantor.deadlineMs(state)).toBe(11_000);
  grantor.stalled(state, 3000, 7100);
  expect(grantor.deadlineMs(state)).toBe(12_100);
  // Late, but renewed just before: nothing becomes earlier.
  grantor.confirm(grantor.receive(renewal(1), 11_900)!, state, 11_910);
  grantor.stalled(state, 150, 12_000);
  expect(grantor.deadlineMs(state)).toBe(17_000);
  grantor.stalled(state, 150, 11_000);
  expect(grantor.deadlineMs(state)).toBe(17_000);
  // What has been proposed takes its course.
  grantor.expiring(1);
  grantor.stalled(state, 1000, 17_500);
  expect(grantor.deadlineMs(state)).toBe(17_000);
});

test("B41: a renewal received in one term is not confirmed in another", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const pending = grantor.receive(renewal(1), 10)!;
  grantor.follow();
  grantor.lead(2, 20);
  expect(grantor.confirm(pending, held(1), 30)).toBeNull();
});

test("from the proposal of expire(e) no renewal of e is acknowledged, also one that was received before", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const state = held(1);
  grantor.applied(state, 0);
  const pending = grantor.receive(renewal(1), 4999)!;
  grantor.expiring(1);
  expect(grantor.receive(renewal(1), 5001)).toBeNull();
  expect(grantor.confirm(pending, state, 5002)).toBeNull();
});

test("of two proposals of expire(e) the failure of the one for another epoch says nothing", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  grantor.applied(held(2), 0);
  grantor.expiring(2);
  grantor.expireFailed(1, 1);
  expect(grantor.receive(renewal(2), 5001)).toBeNull();
  grantor.expireFailed(2, 1);
  expect(grantor.receive(renewal(2), 5001)).not.toBeNull();
});

test("an epoch that is not current any more is not acknowledged", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const pending = grantor.receive(renewal(1), 10)!;
  expect(grantor.confirm(pending, held(2, "b"), 20)).toBeNull();
  expect(grantor.confirm(pending, held(1, "b"), 20)).toBeNull();
  // The same holder in a later epoch: its PostgreSQL was stopped in between, and the renewal is of the time
  // before.
  expect(grantor.confirm(pending, held(2), 20)).toBeNull();
});

test("an unfenced epoch is never expired", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const state = held(1);
  grantor.applied(state, 0);
  expect(grantor.expiryDue({ ...state, lock: { ...state.lock, unfenced: true } }, 1e9)).toBe(false);
});

test("raising ttl moves wait first, then grant", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  expect(grantor.nextTtl(held(1), 10_000, 0)).toEqual({ grantMs: 5000, waitMs: 10_000 });
  expect(grantor.nextTtl(held(1, "a", { waitTtlMs: 10_000 }), 10_000, 0)).toEqual({
    grantMs: 10_000,
    waitMs: 10_000,
  });
});

test("lowering ttl moves grant first, and wait only one old ttl after an acknowledgement under the new grant", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  grantor.applied(held(1), 0);
  expect(grantor.nextTtl(held(1), 2000, 0)).toEqual({ grantMs: 2000, waitMs: 5000 });
  const lowered = held(1, "a", { grantTtlMs: 2000 });
  grantor.applied(lowered, 100);
  expect(grantor.nextTtl(lowered, 2000, 60_000)).toBeNull();
  grantor.confirm(grantor.receive(renewal(1), 1000)!, lowered, 1010);
  expect(grantor.nextTtl(lowered, 2000, 6009)).toBeNull();
  expect(grantor.nextTtl(lowered, 2000, 6010)).toEqual({ grantMs: 2000, waitMs: 2000 });
});

/** A holder that has counted on `ttlMs`, acknowledged at 10 to a renewal of 0. */
function counting(ttlMs: number): Holder {
  const holder = new Holder(7, L);
  holder.begin(1, null);
  holder.acknowledge({
    epoch: 1,
    incarnation: 7,
    seq: holder.renew("a", life("a"), 0).seq,
    grantTtlMs: ttlMs,
  }, 10);
  return holder;
}

test("a lowered ttl shortens the lease, and nothing that was sent before the promise lengthens it again", () => {
  const holder = counting(60_000);
  const [earlier, lowered] = [holder.renew("a", life("a"), 100), holder.renew("a", life("a"), 200)];
  expect(holder.acknowledge({ ...lowered, grantTtlMs: 2000 }, 210)).toBe(true);
  expect(holder.validUntilMs).toBe(200 + L(2000));
  holder.renew("a", life("a"), 215, known(200 + L(2000)));
  expect(holder.acknowledge({ ...earlier, grantTtlMs: 60_000 }, 220)).toBe(false);
  expect(holder.validUntilMs).toBe(200 + L(2000));
  // Failsafe mode counts on no more either, though the records of this member may be older.
  holder.extend(1, 300, 60_000, 310);
  expect(holder.validUntilMs).toBe(300 + L(2000));
});

const known = (guardUntilMs: number) => ({ guardUntilMs, revision: 1 });

test("what was sent before a promise counts no more than was promised, whatever it is acknowledged with", () => {
  const holder = counting(2000);
  const earlier = holder.renew("a", life("a"), 100);
  const promise = holder.renew("a", life("a"), 200, known(L(2000)));
  expect(promise).toMatchObject({ countsOnMs: 2000, revision: 1 });
  // ttl was raised and lowered again: this was confirmed in between.
  holder.acknowledge({ ...earlier, grantTtlMs: 60_000 }, 210);
  expect(holder.validUntilMs).toBe(100 + L(2000));
  holder.acknowledge({ ...promise, grantTtlMs: 60_000 }, 220);
  expect(holder.validUntilMs).toBe(200 + L(60_000));
});

test("a promise of one that did not know the present grant ttl yet is none", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const lowered = held(1, "a", { grantTtlMs: 2000, waitTtlMs: 600_000, revision: 9 });
  grantor.applied(lowered, 100);
  const confirm = (atMs: number, revision?: number) =>
    grantor.confirm(
      grantor.receive({ ...renewal(1), countsOnMs: 2000, revision }, atMs)!,
      lowered,
      atMs + 10,
    );
  confirm(1000, 8);
  confirm(1100);
  expect(grantor.nextTtl(lowered, 2000, 1110)).toBeNull();
  confirm(1200, 9);
  expect(grantor.nextTtl(lowered, 2000, 1210)).toEqual({ grantMs: 2000, waitMs: 2000 });
});

test("a promise is none when ttl was raised and lowered since, by leaders whose records came all at once", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  grantor.applied(held(1, "a", { grantTtlMs: 2000, waitTtlMs: 2000, revision: 9 }), 100);
  grantor.follow();
  // Revision 20 raised both to 600 s, revision 30 lowered the first again: this node looks only afterwards.
  const now = held(1, "a", { grantTtlMs: 2000, waitTtlMs: 600_000, revision: 30 });
  grantor.applied(now, 5000);
  grantor.lead(3, 5000);
  const confirm = (atMs: number, revision: number) =>
    grantor.confirm(grantor.receive({ ...renewal(1), countsOnMs: 2000, revision }, atMs)!, now, atMs + 10);
  confirm(5100, 9);
  expect(grantor.nextTtl(now, 2000, 5110)).toBeNull();
  confirm(5200, 30);
  expect(grantor.nextTtl(now, 2000, 5210)).toEqual({ grantMs: 2000, waitMs: 2000 });
});

test("a holder promises to count on a ttl only once its guard holds no later deadline", () => {
  const holder = counting(60_000);
  expect(holder.renew("a", life("a"), 100).countsOnMs).toBeUndefined();
  expect(holder.renew("a", life("a"), 100, known(L(60_000))).countsOnMs).toBe(60_000);
  holder.acknowledge({ ...holder.renew("a", life("a"), 200), grantTtlMs: 2000 }, 210);
  expect(holder.renew("a", life("a"), 300, known(L(60_000))).countsOnMs).toBeUndefined();
  expect(holder.renew("a", life("a"), 300, known(200 + L(2000))).countsOnMs).toBe(2000);
  const adopted = new Holder(8, L);
  adopted.begin(1, 5000);
  expect(adopted.renew("a", life("a"), 100, known(5000)).countsOnMs).toBeUndefined();
});

test("wait_ttl comes down at once when the holder has promised, and the deadline with it", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const lowered = held(1, "a", { grantTtlMs: 2000, waitTtlMs: 600_000 });
  grantor.applied(lowered, 100);
  const confirm = (atMs: number, countsOnMs?: number) =>
    grantor.confirm(grantor.receive({ ...renewal(1), countsOnMs, revision: 5 }, atMs)!, lowered, atMs + 10);
  confirm(1000);
  expect(grantor.nextTtl(lowered, 2000, 1010)).toBeNull();
  confirm(1500, 600_000);
  expect(grantor.nextTtl(lowered, 2000, 1510)).toBeNull();
  confirm(2000, 2000);
  expect(grantor.nextTtl(lowered, 2000, 2010)).toEqual({ grantMs: 2000, waitMs: 2000 });
  const done = held(1, "a", { grantTtlMs: 2000, waitTtlMs: 2000 });
  grantor.applied(done, 2020);
  expect(grantor.deadlineMs(done)).toBe(2000 + 2000);
  // The promise was about the grant of that time.
  const raised = held(1, "a", { grantTtlMs: 3000, waitTtlMs: 5000 });
  grantor.applied(raised, 2100);
  expect(grantor.nextTtl(raised, 3000, 2110)).toBeNull();
});

test("nobody counts on, or waits for, a longer lease than the longest, whatever was logged", () => {
  const holder = counting(4_294_967_296_000);
  expect(holder.validUntilMs).toBe(L(LONGEST_LEASE_MS));
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const absurd = held(1, "a", { grantTtlMs: 5000, waitTtlMs: 4_294_967_296_000 });
  grantor.applied(absurd, 0);
  expect(grantor.deadlineMs(absurd)).toBe(LONGEST_LEASE_MS);
  grantor.confirm(grantor.receive(renewal(1), 1000)!, absurd, 1010);
  expect(grantor.nextTtl(absurd, 5000, LONGEST_LEASE_MS + 1010)).toEqual({ grantMs: 5000, waitMs: 5000 });
});

test("each rule that can be switched off changes what it is about", () => {
  const receipt = new Holder(7, L, new Set(["lease-from-receipt"]));
  receipt.begin(1, null);
  receipt.acknowledge({
    epoch: 1,
    incarnation: 7,
    seq: receipt.renew("a", life("a"), 0).seq,
    grantTtlMs: 5000,
  }, 1000);
  expect(receipt.validUntilMs).toBe(5500);
  const whole = new Holder(7, L, new Set(["no-jk-room"]));
  whole.begin(1, null);
  whole.acknowledge(
    { epoch: 1, incarnation: 7, seq: whole.renew("a", life("a"), 0).seq, grantTtlMs: 5000 },
    1000,
  );
  expect(whole.validUntilMs).toBe(5000);
  const early = new Grantor(new Set(["no-reset"]));
  early.lead(2, 60_000);
  expect(early.deadlineMs(held(1))).toBe(5000);
});

test("from the proposal of a grant its member may be the holder, until the epoch is granted or the grant has failed", () => {
  const grantor = new Grantor();
  grantor.lead(1, 0);
  const free = emptyState();
  expect(grantor.mayBeHolder(free)).toEqual([]);
  grantor.granting(1, "a");
  // Decided anew before the first was applied.
  grantor.granting(1, "b");
  expect(grantor.mayBeHolder(free)).toEqual(["a", "b"]);
  grantor.grantFailed(1, "a", 1);
  expect(grantor.mayBeHolder(free)).toEqual(["b"]);
  expect(grantor.mayBeHolder(held(1, "b"))).toEqual(["b"]);
  // It has lost the lock again; only a later grant counts.
  expect(grantor.mayBeHolder({ ...free, lock: { ...free.lock, epoch: 1 } })).toEqual([]);
  grantor.granting(2, "c");
  grantor.grantFailed(1, "c", 1);
  expect(grantor.mayBeHolder(held(1))).toEqual(["a", "c"]);
  grantor.follow();
  expect(grantor.mayBeHolder(held(1))).toEqual(["a"]);
});
