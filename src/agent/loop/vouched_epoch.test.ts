import { expect, test } from "bun:test";
import type { Action } from "../../brain/actions.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
  lock,
  node,
  postgres,
  primaryStatus,
  seen,
  status,
  STOPPED,
} from "../../brain/testing.ts";
import type { NodeView } from "../../brain/keep/view.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { LockRecord } from "../../model/records.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { VouchedEpoch } from "./vouched_epoch.ts";

const from = (name: string) => ({ name, connUrl: `postgres://${name}:5432/postgres` });
const under = (change: Partial<LockRecord>) => cluster({ lock: lock(change) });
/** Looked at just now. */
function view(own: Partial<PostgresView>, change: Partial<NodeView> = {}): NodeView {
  return node({ ...change, postgres: postgres(own) });
}
const DOWN = view({ ...STOPPED, following: "a" });

/** What is known after these decisions, each under its epoch. */
function after(...decided: readonly (readonly [Action, number])[]): number | null {
  const vouched = new VouchedEpoch();
  for (const [action, epoch] of decided) vouched.decided([action], epoch);
  return vouched.look(DOWN, 1);
}

const follow = (name: string | null): Action => ({
  kind: "follow",
  follow: name === null ? null : from(name),
});
const clone = (name: string): Action => ({ kind: "clone", from: from(name), leader: from("a"), of: null });

test("nothing is known of what happened before this start of the agent", () => {
  expect(new VouchedEpoch().look(DOWN, 0)).toBeNull();
});

test("what a member was pointed at, started with or copied from counts under the epoch of the decision", () => {
  expect(after([follow("a"), 3])).toBe(3);
  expect(after([{ kind: "start-standby", follow: from("a") }, 3], [{ kind: "restart" }, 4])).toBe(3);
  expect(after([clone("a"), 2])).toBe(2);
});

test("a rewind that has done its work counts, and no other one", () => {
  const rewind: Action = { kind: "rewind", from: from("a") };
  const ended = (ok: boolean, change: Partial<PostgresView> = {}) => {
    const vouched = new VouchedEpoch();
    vouched.decided([follow("a")], 3);
    vouched.decided([rewind], 5);
    const before = vouched.look(DOWN, 0);
    const last = { rewind: { kind: "rewind", ok, atMs: 1, detail: "", failures: ok ? 0 : 1 } } as const;
    const view = node({ postgres: postgres({ ...STOPPED, ...change, last }) });
    return [before, vouched.look(view, 1), vouched.look(view, 2)];
  };
  expect(ended(true)).toEqual([null, 5, 5]);
  expect(ended(false)).toEqual([null, null, null]);
  expect(ended(true, { rewoundInVain: true })).toEqual([null, null, null]);
});

test("a copy of a standby's data, a backup, and a directory that is set aside say nothing", () => {
  const known = [follow("a"), 3] as const;
  expect(after(known, [clone("c"), 3])).toBeNull();
  expect(after(known, [{ kind: "restore", systemId: "1" }, 3])).toBeNull();
  expect(after(known, [{ kind: "set-aside", why: "" }, 3])).toBeNull();
  expect(after(known, [{ kind: "promote", epoch: 3 }, 3])).toBeNull();
  expect(after(known, [{ kind: "start-primary", epoch: 3 }, 3])).toBeNull();
  expect(after(known, [follow(null), 3])).toBeNull();
  expect(after(known, [{ kind: "start-standby", follow: null }, 3])).toBeNull();
});

test("its WAL stays what it was when its upstream is taken away", () => {
  const walAfter = (...actions: readonly Action[]) => {
    const vouched = new VouchedEpoch();
    for (const action of [follow("a"), ...actions]) vouched.decided([action], 3);
    vouched.look(DOWN, 1);
    return vouched.walEpoch;
  };
  expect(walAfter(follow(null))).toBe(3);
  expect(walAfter({ kind: "start-standby", follow: null })).toBe(3);
  expect(walAfter({ kind: "promote", epoch: 3 })).toBeNull();
  expect(walAfter(clone("c"))).toBeNull();
  expect(new VouchedEpoch().walEpoch).toBeNull();
});

test("a stream from the holder counts, and is remembered when it ends", () => {
  const vouched = new VouchedEpoch();
  expect(vouched.look(view({ lastLookMs: 10 }), 10)).toBe(3);
  expect(vouched.look(view({ lastLookMs: 20, replicationState: null }), 20)).toBe(3);
  expect(vouched.look(DOWN, 30)).toBe(3);
});

test("also one from the last holder, and from a standby that the tag names", () => {
  expect(new VouchedEpoch().look(view({}, { dcs: under(FREE) }), 0)).toBe(3);
  const tagged = seen(status("b", { tags: { replicatefrom: "c" } }));
  const statuses = [seen(primaryStatus("a")), tagged, seen(status("c"))];
  expect(new VouchedEpoch().look(view({ following: "c" }, { statuses }), 0)).toBe(3);
});

test("no stream counts from anybody else, in a server that does not run, or that has not been looked at", () => {
  expect(new VouchedEpoch().look(view({ following: "c" }), 0)).toBeNull();
  expect(new VouchedEpoch().look(view({ process: "starting" }), 0)).toBeNull();
  expect(new VouchedEpoch().look(view({ lastLookMs: null }), 0)).toBeNull();
  expect(new VouchedEpoch().look(view({ replicationState: "in archive recovery" }), 0)).toBeNull();
});

test("a stream that was seen before the epoch was known is one of the epoch before", () => {
  const vouched = new VouchedEpoch();
  vouched.look(view({ lastLookMs: 10 }), 10);
  const dcs = under({ epoch: 4 });
  expect(vouched.look(view({ lastLookMs: 19 }, { dcs }), 20)).toBe(3);
  expect(vouched.look(view({ lastLookMs: 19 }, { dcs }), 21)).toBe(3);
  expect(vouched.look(view({ lastLookMs: 20 }, { dcs }), 22)).toBe(4);
});

test("a server that has left recovery may have written what nobody else has", () => {
  const vouched = new VouchedEpoch();
  vouched.look(view({}), 0);
  expect(vouched.look(view({ inRecovery: false }), 1)).toBeNull();
  expect(vouched.look(DOWN, 2)).toBeNull();
});

test("a holder may be rewound without a new epoch: when the cluster begins to follow another one, nothing counts", () => {
  const standbyCluster = { host: "10.0.0.9" } as NodeView["dynamic"]["standbyCluster"];
  const remote = { dynamic: { ...DYNAMIC, standbyCluster } };
  const leads = (change: Partial<MemberStatus> = {}, ageMs = 0) => ({
    ...remote,
    statuses: [seen(status("a", { role: "standby_leader", walLsn: null, ...change }), ageMs)],
  });
  const vouched = new VouchedEpoch();
  expect(vouched.look(view({ lastLookMs: 10 }), 10)).toBe(3);
  // It still streams from the primary that its holder was.
  const still = { ...remote, statuses: [seen(primaryStatus("a"))] };
  expect(vouched.look(view({ lastLookMs: 20 }, still), 20)).toBeNull();
  expect(vouched.walEpoch).toBeNull();
  expect(vouched.look(view({ lastLookMs: 30 }, leads({}, 60_000)), 30)).toBeNull();
  expect(vouched.look(view({ lastLookMs: 30 }, leads({ running: false })), 30)).toBeNull();
  // As a standby leader, by a look at the own server since that is known.
  expect(vouched.look(view({ lastLookMs: 39 }, leads()), 40)).toBeNull();
  expect(vouched.look(view({ lastLookMs: 50 }, leads()), 50)).toBe(3);
  expect(vouched.look(view({ lastLookMs: 59, replicationState: null }), 60)).toBeNull();
  expect(vouched.look(view({ lastLookMs: 70 }), 70)).toBe(3);
});

test("a rewind that was decided before such a change says nothing after it", () => {
  const standbyCluster = { host: "10.0.0.9" } as NodeView["dynamic"]["standbyCluster"];
  const vouched = new VouchedEpoch();
  vouched.look(DOWN, 0);
  vouched.decided([{ kind: "rewind", from: from("a") }], 3);
  const last = { rewind: { kind: "rewind", ok: true, atMs: 1, detail: "", failures: 0 } } as const;
  const ended = { dynamic: { ...DYNAMIC, standbyCluster }, postgres: postgres({ ...STOPPED, last }) };
  expect(vouched.look(node(ended), 1)).toBeNull();
});

test("where former configurations are not kept any change counts: the role may have changed twice", () => {
  const changed = (revision: number) => ({ dcs: cluster({ config: { value: {}, revision } }) });
  const vouched = new VouchedEpoch();
  expect(vouched.look(view({ lastLookMs: 10 }, changed(1)), 10)).toBe(3);
  expect(vouched.roleMs).toBeNull();
  // Its server was looked at before that.
  expect(vouched.look(view({ lastLookMs: 10 }, changed(2)), 20)).toBeNull();
  expect(vouched.roleMs).toBe(20);
  expect(vouched.look(view({ lastLookMs: 30 }, changed(2)), 30)).toBe(3);
  expect(vouched.roleMs).toBe(20);
});

const standby_cluster = { host: "10.0.0.9" };
const former = (revision: number, value = {}) => ({ revision, value, at: null, by: null });

test("where they are kept, the change of another key does not count, before the next look or a later one", () => {
  const changed = (revision: number, configHistory: ReturnType<typeof former>[]) => {
    const vouched = new VouchedEpoch();
    const config = { value: {}, revision: 5 };
    vouched.look(view({ lastLookMs: 10 }, { dcs: cluster({ config, configHistory: [former(4)] }) }), 10);
    const dcs = cluster({ config: { value: {}, revision }, configHistory });
    // Its server does not stream any more.
    return [
      vouched.look(view({ lastLookMs: 10, replicationState: null }, { dcs }), 20),
      vouched.walEpoch,
      vouched.roleMs,
    ];
  };
  expect(changed(6, [former(4), former(5)])).toEqual([3, 3, null]);
  expect(changed(7, [former(4), former(5), former(6)])).toEqual([3, 3, null]);
  expect(changed(7, [former(4), former(5), former(6, { standby_cluster })])).toEqual([null, null, 20]);
  // There may have been one that is not kept any more.
  expect(changed(90, [former(70), former(80)])).toEqual([null, null, 20]);
});

test("a change of role that was taken back between two looks is heard of afterwards", () => {
  const look = (revision: number, configHistory: ReturnType<typeof former>[], dynamic = DYNAMIC) => {
    const vouched = new VouchedEpoch();
    vouched.look(view({}, { dcs: cluster({ config: { value: {}, revision: 5 } }) }), 10);
    expect(vouched.upstreamRewoundMs).toBeNull();
    const config = { value: {}, revision };
    vouched.look(view({}, { dcs: cluster({ config, configHistory }), dynamic }), 20);
    return vouched.upstreamRewoundMs;
  };
  expect(look(5, [former(3), former(4, { standby_cluster })])).toBeNull();
  expect(look(6, [former(3), former(4, { standby_cluster }), former(5)])).toBeNull();
  expect(look(8, [former(5), former(6, { standby_cluster }), former(7)])).toBe(20);
  expect(look(8, [former(5), former(6), former(7)])).toBeNull();
  // What came right after the last one that was seen is not kept any more.
  expect(look(90, [former(70), former(80)])).toBe(20);
  const isRemote = { ...DYNAMIC, standbyCluster: standby_cluster as NodeView["dynamic"]["standbyCluster"] };
  expect(look(6, [former(5)], isRemote)).toBe(20);
});

test("an upstream that has other data than before was rewound; another upstream was not", () => {
  const vouched = new VouchedEpoch();
  const look = (nowMs: number, following: string | null, dataToken?: string) => {
    const statuses = [
      seen(status("a", dataToken === undefined ? {} : { dataToken })),
      seen(status("b", { dataToken: "x" })),
    ];
    vouched.look(node({ statuses, postgres: postgres({ following }) }), nowMs);
    return vouched.upstreamRewoundMs;
  };
  expect([look(1, "a", "one"), look(2, "a"), look(3, "a", "one"), look(4, "b")]).toEqual([
    null,
    null,
    null,
    null,
  ]);
  expect([look(5, "a", "two"), look(6, "a", "two")]).toEqual([null, null]);
  expect([look(8, "a"), look(9, "a", "five"), look(10, "a", "five")]).toEqual([null, 9, 9]);
  const since = (dataToken: string, lastLookMs: number, nowMs: number) =>
    vouched.look(
      view({ lastLookMs }, { statuses: [seen(status("a", { dataToken }))] }),
      nowMs,
    );
  expect([since("five", 15, 15), since("six", 15, 20), since("six", 25, 25)]).toEqual([3, null, 3]);
});

test("the source of a rewind, a copy or a start is watched from the decision on, whatever the server follows", () => {
  const a = (dataToken: string, own: Partial<PostgresView> = {}) =>
    view({ ...STOPPED, following: null, ...own }, { statuses: [seen(status("a", { dataToken }))] });
  const rewound = { rewind: { kind: "rewind", ok: true, atMs: 1, detail: "", failures: 0 } } as const;
  const ways: readonly (readonly [Action, Partial<PostgresView>])[] = [
    [{ kind: "rewind", from: from("a") }, { last: rewound }],
    [clone("a"), {}],
    [follow("a"), {}],
    [{ kind: "start-standby", follow: from("a") }, { following: "a" }],
  ];
  const known = ([action, end]: (typeof ways)[number], ...tokens: readonly string[]) => {
    const vouched = new VouchedEpoch();
    vouched.look(a("one"), 0);
    vouched.decided([action], 3);
    for (const [index, token] of tokens.entries()) vouched.look(a(token), 1 + index);
    const last = tokens.at(-1) ?? "one";
    return [vouched.look(a(last, end), 10), vouched.walEpoch, vouched.upstreamRewoundMs];
  };
  for (const way of ways) {
    const { kind } = way[0];
    expect([kind, ...known(way, "one", "one")]).toEqual([kind, 3, 3, null]);
    expect([kind, ...known(way, "two")]).toEqual([kind, null, null, 1]);
    expect([kind, ...known(way, "one", "two")]).toEqual([kind, null, null, 2]);
  }
});

test("WAL received from a member before its rewind no longer counts as the holder's", () => {
  const vouched = new VouchedEpoch();
  const look = (dataToken: string, following: string | null, nowMs: number) => {
    const statuses = [seen(status("a", { dataToken })), seen(status("b", { dataToken: "x" }))];
    vouched.look(view({ ...STOPPED, following }, { statuses }), nowMs);
    return vouched.walEpoch;
  };
  look("one", "a", 1);
  vouched.decided([follow("a"), follow(null)], 3);
  expect([look("one", null, 2), look("two", null, 3)]).toEqual([3, null]);
  // What another one does is nothing to it.
  vouched.decided([follow("b")], 3);
  expect([look("two", "b", 4), look("three", "b", 5)]).toEqual([3, 3]);
});

test("nothing counts of data that was replaced while nobody looked, and all of what this agent made", () => {
  const holding = (dataId: string | null, own: Partial<PostgresView> = {}) => {
    const valid = postgres({}).directory;
    const directory = dataId === null ? { kind: "absent" as const } : { ...valid, dataId } as typeof valid;
    return view({ ...STOPPED, following: null, directory, ...own });
  };
  const action = (kind: "clone" | "rewind") => ({ action: { kind, sinceMs: 0, detail: "" } });
  const vouched = new VouchedEpoch();
  vouched.look(holding("one"), 1);
  vouched.decided([follow("a")], 3);
  expect([vouched.look(holding("one"), 2), vouched.look(holding(null), 3)]).toEqual([3, 3]);
  expect([vouched.look(holding("one"), 4), vouched.upstreamRewoundMs]).toEqual([3, null]);
  // Moved away for a moment, as another one comes.
  vouched.look(holding(null), 4);
  expect([vouched.look(holding("two"), 5), vouched.walEpoch, vouched.upstreamRewoundMs]).toEqual([
    null,
    null,
    5,
  ]);
  // A copy of its own, whose name is seen at the end, or just after it.
  vouched.decided([clone("a")], 3);
  vouched.look(holding(null, action("clone")), 6);
  expect([vouched.look(holding("three"), 7), vouched.look(holding("three"), 8)]).toEqual([3, 3]);
  expect(vouched.upstreamRewoundMs).toBe(5);
  // Not another one after that.
  expect([vouched.look(holding("four"), 9), vouched.upstreamRewoundMs]).toEqual([null, 9]);
  vouched.decided([{ kind: "rewind", from: from("a") }], 3);
  vouched.look(holding("four", action("rewind")), 10);
  const rewound = { rewind: { kind: "rewind", ok: true, atMs: 11, detail: "", failures: 0 } } as const;
  expect(vouched.look(holding("five", { last: rewound }), 11)).toBe(3);
});
