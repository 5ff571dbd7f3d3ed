import { expect, test } from "bun:test";
import type { DynamicConfig } from "../../model/config.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { beginCopy } from "../../model/copy_status.ts";
import type { DcsState, FailsafeRecord } from "../../model/records.ts";
import { recordOf } from "../../sync/record.ts";
import { cluster, DYNAMIC, FREE, life, lock, status } from "../testing.ts";
import * as room from "./operator_needed.ts";

const operatorNeeded = (
  state: DcsState,
  heard: readonly MemberStatus[],
  silent: readonly MemberStatus[] = [],
) => room.operatorNeeded(state, DYNAMIC, heard, silent);

/** Each on its own machine. */
const heard = (...names: string[]) => names.map((name) => status(name));

const records = (change: Partial<DcsState>): DcsState => ({ ...cluster({}), ...change });

test("too few members that could prove to have acknowledged transactions are heard", () => {
  const sync = { ...recordOf("a", "data-a", { b: "data-b", c: "data-c" }, 1), revision: 5 };
  const withData = (name: string, data = `data-${name}`) => status(name, { dataToken: data });
  const free = records({ lock: lock(FREE), sync });
  const text = operatorNeeded(free, [withData("b"), withData("c", "anew")]);
  expect(text).toContain("2 of b, c");
  expect(text).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(free, [withData("b"), withData("c")])).toBeNull();
  expect(operatorNeeded(free, [withData("a"), withData("c", "anew")])).toBeNull();
  expect(operatorNeeded(free, [withData("a", "anew"), withData("b")])).toContain("2 of b, c");
  expect(operatorNeeded(free, [withData("b"), { ...withData("c"), primaryDirectory: true }])).toContain(
    "2 of",
  );
  const renamed = status("d", { dataToken: "data-a", life: life("a"), primaryDirectory: true });
  expect(operatorNeeded(free, [renamed, withData("b")])).toContain("2 of b, c");
  expect(operatorNeeded(records({ sync }), [withData("b")])).toBeNull();
  const unknown = { leader: null, syncStandby: [], quorum: 0, revision: 5, unknown: true } as const;
  expect(operatorNeeded(records({ lock: lock(FREE), sync: unknown }), [withData("a")])).toContain(
    "recovered",
  );
});

test("a sole acknowledger without its former raft directory is named, with what it has and the command", () => {
  const sync = { ...recordOf("a", "m1:data-a", { b: "m2:data-b" }, 0), revision: 5 };
  const free = records({ lock: lock(FREE), sync });
  const text = operatorNeeded(free, [
    status("b", { dataToken: "m9:data-b" }),
    status("c", { dataToken: "m3:data-c" }),
  ]);
  expect(text).toContain("b has the data that it had then, and another raft directory");
  expect(text).toMatch(/nothing is lost: agent ctl failover --candidate b$/);
  const anew = operatorNeeded(free, [status("b", { dataToken: "m2:anew" })]);
  expect(anew).toContain("The data of b was made anew since then.");
  expect(anew).toContain("If their data is certainly lost");
  const alone = { ...recordOf("a", "m1:data-a", {}, 0), revision: 5 };
  expect(operatorNeeded(records({ lock: lock(FREE), sync: alone }), [
    status("a", { dataToken: "m9:data-a", primaryDirectory: true }),
    status("c", { dataToken: "m3:data-c" }),
  ])).toMatch(/a has the data that it had then.*failover --candidate a$/);
});

test("where several have to vote none of them is said to have everything", () => {
  const sync = { ...recordOf("a", "m1:data-a", { b: "m2:data-b", c: "m3:data-c" }, 1), revision: 5 };
  const text = operatorNeeded(records({ lock: lock(FREE), sync }), [
    status("b", { dataToken: "m9:data-b" }),
    status("c", { dataToken: "m3:data-c" }),
  ]);
  expect(text).toContain("b has the data that it had then");
  expect(text).not.toContain("nothing is lost");
});

test("acknowledged transactions that only a member has which may not be promoted", () => {
  const sync = { ...recordOf("a", "data-a", { b: "data-b", c: "data-c" }, 1), revision: 5 };
  const free = records({ lock: lock(FREE), sync });
  const cutAt = (name: string, lsn: number, nofailover = false, epoch = 3) =>
    status(name, { dataToken: `data-${name}`, nofailover, cut: { epoch, timeline: 1, lsn } });
  const text = operatorNeeded(free, [cutAt("b", 1000), cutAt("c", 1001, true)]);
  expect(text).toContain("c alone is proven to have them, and may not be promoted (nofailover)");
  expect(text).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(free, [cutAt("b", 1001), cutAt("c", 1001, true)])).toBeNull();
  expect(operatorNeeded(free, [cutAt("b", 1000), cutAt("c", 1001)])).toBeNull();
  // Not all of them have been cut off yet.
  expect(operatorNeeded(free, [cutAt("b", 1000, false, 2), cutAt("c", 1001, true)])).toBeNull();
  expect(
    operatorNeeded(free, [status("a", { dataToken: "data-a" }), cutAt("b", 1000), cutAt("c", 1001, true)]),
  )
    .toBeNull();
});

test("a cluster whose data is gone from all that are heard is said, and who has data that is silent", () => {
  const free = records({ lock: lock(FREE) });
  const empty = (name: string) => status(name, { directoryUsable: false });
  const text = operatorNeeded(free, [empty("a"), empty("b")]);
  expect(text).toContain("no member that is heard has data. Start the other members");
  expect(operatorNeeded(free, [empty("a"), empty("b")], [status("c")])).toContain("Start c.");
  expect(operatorNeeded(free, [empty("a"), status("b")])).toBeNull();
  // One restores a backup.
  expect(
    operatorNeeded(free, [
      empty("a"),
      status("b", { directoryUsable: false, copy: beginCopy("an archive", false) }),
    ]),
  ).toBeNull();
  expect(operatorNeeded(free, [])).toBeNull();
  expect(operatorNeeded(records({ lock: lock({}) }), [empty("b")])).toBeNull();
  // Somebody copies the remote primary.
  const following = { ...DYNAMIC, standbyCluster: { host: "10.0.0.9" } as DynamicConfig["standbyCluster"] };
  expect(room.operatorNeeded(free, following, [empty("a"), empty("b")])).toBeNull();
});

test("an unfenced epoch whose holder is silent is said with the command that ends it", () => {
  const unfenced = records({ lock: lock({ unfenced: true }) });
  expect(operatorNeeded(unfenced, heard("b", "c"))).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(unfenced, heard())).toContain("--candidate NAME");
  expect(operatorNeeded(unfenced, heard("a", "b"))).toBeNull();
  expect(operatorNeeded(records({ lock: lock({}) }), heard("b"))).toBeNull();
  expect(operatorNeeded(records({ lock: lock(FREE) }), heard("b"))).toBeNull();
});

test("by its machine: who has the holder's name on another one cannot end its epoch", () => {
  const unfenced = records({ lock: lock({ unfenced: true }) });
  const namesake = status("a", { life: life("a", { node: 99, machine: "other" }) });
  const text = operatorNeeded(unfenced, [namesake, ...heard("b")]);
  expect(text).toContain("the a that is heard is another machine");
  expect(text).toContain("agent ctl failover --candidate b");
  expect(operatorNeeded(unfenced, [status("a", { life: life("a", { boot: "later" }) })])).toBeNull();
});

test("a failsafe set that keeps everybody who is heard from taking over is said, until one of it is heard", () => {
  const { members } = cluster({});
  const failsafe: FailsafeRecord = {
    epoch: 3,
    holder: "a",
    members: { a: members["a"]!.apiUrl, b: members["b"]!.apiUrl },
    nodes: { a: life("a").node, b: life("b").node },
    life: life("a"),
    revision: 7,
  };
  // Another machine has the name of b by now.
  const replaced = { ...members, b: { ...members["b"]!, life: life("b", { node: 99, machine: "other" }) } };
  const state = records({ lock: lock(FREE), failsafe, members: replaced });
  const text = operatorNeeded(state, heard("b", "c"));
  expect(text).toContain("Start a or b on its former machine");
  expect(text).toContain("agent recover --force-new-cluster");
  expect(operatorNeeded(state, heard("a", "b", "c"))).toBeNull();
  expect(operatorNeeded({ ...state, members }, heard("b", "c"))).toBeNull();
  expect(operatorNeeded({ ...state, lock: lock({}) }, heard("b"))).toBeNull();
  expect(operatorNeeded({ ...state, failsafe: null }, heard("b"))).toBeNull();
});

test("a cluster that nobody founds because the only data is a silent member's names that member", () => {
  const empty = status("c", { running: false, directoryUsable: false });
  const unfounded = records({ initialize: null, lock: lock(FREE) });
  const text = operatorNeeded(unfounded, [empty], [status("a")]);
  expect(text).toContain("nobody forms the cluster: a has data, and is not heard");
  expect(text).toContain("agent ctl raft remove a");
  expect(operatorNeeded(unfounded, [empty], [{ ...empty, name: "a" }])).toBeNull();
  expect(operatorNeeded(unfounded, [empty, status("b", { primaryDirectory: true })], [status("a")]))
    .toBeNull();
  expect(operatorNeeded(unfounded, [], [status("a")])).toBeNull();
  expect(operatorNeeded(records({ lock: lock(FREE) }), [empty], [status("a")])).not.toContain("forms");
});

test("standbys alone found no cluster, unless one is claimed, followed from elsewhere, or a primary may run", () => {
  const stopped = (name: string, change: Partial<MemberStatus> = {}) =>
    status(name, { running: false, state: "stopped", walLsn: null, replicationState: null, ...change });
  const empty = stopped("c", { directoryUsable: false });
  const unfounded = records({ initialize: null, lock: lock(FREE) });
  const text = operatorNeeded(unfounded, [stopped("b"), stopped("a"), empty]);
  expect(text).toContain("nobody forms the cluster: a and b have a standby's data");
  expect(text).toContain('docs/operations.md, "Only standbys are left"');
  expect(operatorNeeded(unfounded, [stopped("b"), empty])).toContain("b has a standby's data");
  expect(operatorNeeded(unfounded, [status("b", { walLsn: null }), empty])).toContain("b has");

  expect(operatorNeeded(unfounded, [empty])).toBeNull();
  for (
    const other of [
      stopped("a", { primaryDirectory: true }),
      stopped("a", { state: "starting" }),
      stopped("a", { state: "stopping" }),
      status("a", { walLsn: 100 }),
      status("a", { writable: true, walLsn: null }),
    ]
  ) expect(operatorNeeded(unfounded, [other, stopped("b")])).toBeNull();
  const { initialize } = records({});
  const claimed = { ...initialize!, systemId: "" };
  expect(operatorNeeded(records({ initialize: claimed, lock: lock(FREE) }), [stopped("b")])).toBeNull();
  expect(operatorNeeded(records({ initialize: null }), [stopped("b")])).toBeNull();
  const following = { ...DYNAMIC, standbyCluster: { host: "10.0.0.9" } as DynamicConfig["standbyCluster"] };
  expect(room.operatorNeeded(unfounded, following, [stopped("b")])).toBeNull();
});

test("where only former primaries have data, the latest one is named", () => {
  const former = (name: string, diskLsn: number) =>
    status(name, {
      running: false,
      state: "stopped",
      primaryDirectory: true,
      diskLsn,
      receivedLsn: null,
      replayedLsn: null,
    });
  const state = records({ lock: lock(FREE) });
  const empty = status("d", { directoryUsable: false });
  const text = operatorNeeded(state, [former("b", 900), former("c", 950), empty]);
  expect(text).toContain("nobody can be promoted: b and c were primaries once and did not rejoin a.");
  expect(text).toContain("agent ctl failover --candidate c");
  // The last holder itself gets the lock back; so does a standby.
  expect(operatorNeeded(state, [former("a", 900), former("c", 950)])).toBeNull();
  expect(operatorNeeded(state, [former("c", 950), status("b")])).toBeNull();
  expect(operatorNeeded(records({ lock: lock({}) }), [former("c", 950)])).toBeNull();
});
