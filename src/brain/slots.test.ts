/** The slots that a member keeps, and how far they move on, state by state. */
import { expect, test } from "bun:test";
import type { DutyView } from "./duty_view.ts";
import type { PermanentSlot } from "../model/permanent_slot.ts";
import type { NodeView } from "./keep/view.ts";
import { slots, type SlotsDuty } from "./slots.ts";
import {
  cluster,
  duty,
  DYNAMIC,
  holder,
  node,
  postgres,
  primaryStatus,
  seen,
  status,
  STOPPED,
} from "./testing.ts";

/** b was heard so long ago, c just now. */
const heard = (agoMs: number) => new Map([["b", 100_000 - agoMs], ["c", 100_000]]);
/** member_slots_ttl, and the time after which a member counts as missing. */
const KEPT_MS = 1_800_000 + cluster().waitTtlMs;

const slot = (name: string, type: PermanentSlot["type"] = "physical"): PermanentSlot => ({
  name,
  type,
  ...(type === "logical" ? { database: "app", plugin: "pgoutput" } : { database: null, plugin: null }),
  clusterType: null,
});
const withSlots = (...slots: PermanentSlot[]) => ({ ...DYNAMIC, slots });

/** On primary a, with standbys b and c at 1000. */
const FOR_STANDBYS = {
  members: ["b", "c"],
  gone: [],
  elsewhere: [],
  permanent: [],
  positions: { b: 1000, c: 1000 },
};
/** On standby b of a, with c beside it: nobody streams from it. */
const ON_STANDBY = {
  members: ["a", "c"],
  gone: [],
  elsewhere: ["a", "c"],
  permanent: [],
  positions: { a: 1000, c: 1000 },
};
const onPrimary = (change: Partial<NodeView> = {}) =>
  holder({ statuses: [seen(primaryStatus("a")), seen(status("b")), seen(status("c"))], ...change });
const onStandby = (change: Partial<NodeView> = {}, ofA = {}, ofC = {}) =>
  node({
    statuses: [seen(primaryStatus("a", ofA)), seen(status("b")), seen(status("c", ofC))],
    ...change,
  });

const CASES: readonly [string, DutyView, Omit<SlotsDuty, "kind"> | null][] = [
  ["a holder owes slots to the others", duty(onPrimary()), FOR_STANDBYS],
  ["and before its promotion, too", duty(onPrimary({ postgres: postgres() })), FOR_STANDBYS],
  [
    "a holder whose PostgreSQL does not run owes none",
    duty(onPrimary({ postgres: postgres(STOPPED) })),
    null,
  ],
  ["a primary whose lock is gone owes none", duty(onPrimary({ tenure: "none" })), null],
  [
    "a member that has been missing for a while keeps its slot",
    duty(onPrimary(), { heardMs: heard(KEPT_MS) }),
    FOR_STANDBYS,
  ],
  ["one that has been missing for longer does not", duty(onPrimary(), { heardMs: heard(KEPT_MS + 1) }), {
    members: ["c"],
    gone: ["b"],
    elsewhere: [],
    permanent: [],
    positions: { c: 1000 },
  }],
  [
    "its time begins anew with each primary",
    duty(onPrimary({ heldSinceMs: 90_000 }), { heardMs: heard(KEPT_MS + 1) }),
    FOR_STANDBYS,
  ],
  ["one that was never heard is not missing yet", duty(onPrimary(), { heardMs: new Map() }), FOR_STANDBYS],
  ["a standby owes them as well", duty(onStandby()), ON_STANDBY],
  [
    "one that may not be promoted does not",
    duty(onStandby({
      dynamic: withSlots(slot("p")),
      statuses: [seen(status("b", { nofailover: true })), seen(status("c"))],
    })),
    { members: [], gone: ["a", "c"], elsewhere: [], permanent: [], positions: {} },
  ],
  [
    "one that may not be promoted keeps those of members that stream from it by their tag",
    duty(onStandby({
      statuses: [
        seen(status("b", { nofailover: true })),
        seen(status("c", { tags: { replicatefrom: "b" }, following: "b" })),
      ],
    })),
    { members: ["c"], gone: ["a"], elsewhere: [], permanent: [], positions: { c: 1000 } },
  ],
  [
    "a member that follows this one streams nowhere else",
    duty(onStandby({}, {}, { following: "b" })),
    { ...ON_STANDBY, elsewhere: ["a"] },
  ],
  [
    "nor does one that follows nobody for a moment",
    duty(onStandby({}, {}, { following: null })),
    { ...ON_STANDBY, elsewhere: ["a"] },
  ],
  [
    "nor one that does not run",
    duty(onStandby({}, {}, { running: false })),
    { ...ON_STANDBY, elsewhere: ["a"], positions: { a: 1000 } },
  ],
  [
    "the position of a member on another timeline says nothing",
    duty(onStandby({}, {}, { timeline: 2 })),
    { ...ON_STANDBY, positions: { a: 1000 } },
  ],
  [
    "nor does that of a writable server that has not the lock",
    duty(onStandby({}, {}, { writable: true, walLsn: 5000 })),
    { ...ON_STANDBY, positions: { a: 1000 } },
  ],
  [
    "a position that nobody knows is left out",
    duty(onStandby({}, { walLsn: null }, { receivedLsn: null })),
    { ...ON_STANDBY, positions: {} },
  ],
  [
    "permanent slots are kept, whatever they are, and stand where the primary's do",
    duty(onStandby({ dynamic: withSlots(slot("p"), slot("l", "logical"), slot("new")) }, {
      slots: { p: 700, l: 800, gone: 900 },
    })),
    {
      ...ON_STANDBY,
      permanent: [slot("p"), slot("l", "logical"), slot("new")],
      positions: { ...ON_STANDBY.positions, p: 700, l: 800 },
    },
  ],
  [
    "not on another timeline, or by the word of somebody without the lock",
    duty(onStandby({ dynamic: withSlots(slot("p")) }, { timeline: 2, slots: { p: 700 } }, {
      writable: true,
      slots: { p: 800 },
    })),
    { ...ON_STANDBY, permanent: [slot("p")], positions: {} },
  ],
  [
    "the primary's own stand where their users are",
    duty(onPrimary({ dynamic: withSlots(slot("p")) })),
    { ...FOR_STANDBYS, permanent: [slot("p")] },
  ],
  [
    "those of standby clusters, and of this member's own name, are not kept",
    duty(onPrimary({ dynamic: withSlots({ ...slot("p"), clusterType: "standby" }, slot("a")) })),
    FOR_STANDBYS,
  ],
  [
    "a member's slot that the configuration names is kept for ever",
    duty(onPrimary({ dynamic: withSlots(slot("b"), slot("c", "logical")) }), {
      heardMs: new Map([["b", -1e9], ["c", -1e9]]),
    }),
    {
      members: ["b"],
      gone: ["c"],
      elsewhere: [],
      permanent: [slot("b"), slot("c", "logical")],
      positions: { b: 1000 },
    },
  ],
  [
    "a member that was never heard has a slot where it is",
    duty(onStandby({ statuses: [] })),
    { ...ON_STANDBY, elsewhere: [], positions: {} },
  ],
];

for (const [name, view, expected] of CASES) {
  test(name, () => expect(slots(view)).toEqual(expected === null ? null : { kind: "slots", ...expected }));
}

test("a member with the tag nostream has no slot elsewhere, and gets no copies of logical slots", () => {
  const tagged = status("b", { tags: { nostream: true }, following: null });
  const statuses = [seen(primaryStatus("a")), seen(tagged), seen(status("c"))];
  const dynamic = withSlots(slot("l", "logical"), slot("p"));
  const ofHolder = slots(duty(onPrimary({ dynamic, statuses })));
  expect(ofHolder).toMatchObject({ members: ["c"], gone: ["b"], permanent: dynamic.slots });
  const own = (change: Partial<NodeView>) => slots(duty(node({ dynamic, statuses, ...change })))!.permanent;
  expect(own({})).toEqual([slot("p")]);
  expect(own({ tenure: "holding" })).toEqual(dynamic.slots);
});

test("a standby cluster keeps the physical ones of its permanent slots", () => {
  const dynamic = { ...withSlots(slot("l", "logical"), slot("p")), standbyCluster: { host: "10.0.0.9" } };
  expect(slots(duty(onPrimary({ dynamic, postgres: postgres() })))!.permanent).toEqual([slot("p")]);
});
