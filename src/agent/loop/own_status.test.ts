import { expect, test } from "bun:test";
import {
  cluster,
  life,
  lock,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  STANDBY_DIRECTORY,
  STOPPED,
} from "../../brain/testing.ts";
import type { Ailment } from "../../model/ailment.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { recordOf } from "../../sync/record.ts";
import { differs, isLeader, ownStatus, type OwnStatusInput, servesAsPrimary } from "./own_status.ts";
import { ownStatusInput } from "./testing.ts";

const BOOTSTRAPPING = cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } });

function statusOf(change: Partial<OwnStatusInput>) {
  return ownStatus(ownStatusInput(change));
}

test("a primary is told of as one that can be written to until it shuts down", () => {
  expect(servesAsPrimary(postgres(RUNNING_PRIMARY), cluster())).toBe(true);
  expect(servesAsPrimary(postgres({ ...RUNNING_PRIMARY, process: "stopping" }), cluster())).toBe(false);
  expect(servesAsPrimary(postgres({ ...RUNNING_PRIMARY, process: "none" }), cluster())).toBe(false);
  expect(servesAsPrimary(postgres(), cluster())).toBe(false);
});

test("a primary that starts, or is being promoted, is none yet", () => {
  const promoting = { writable: true, epoch: 3, inRecovery: true };
  expect(servesAsPrimary(postgres(promoting), cluster())).toBe(false);
  const starting = { ...RUNNING_PRIMARY, process: "starting", inRecovery: null } as const;
  expect(servesAsPrimary(postgres(starting), cluster())).toBe(false);
  // Lost connections say nothing of the server, and a frozen one may go on within its lease.
  expect(servesAsPrimary(postgres({ ...RUNNING_PRIMARY, process: "frozen" }), cluster())).toBe(true);
});

test("users are sent to a primary whose lease runs, and in pause to the machine whose epoch is unfenced", () => {
  const own = {
    postgres: postgres(RUNNING_PRIMARY),
    dcs: cluster({ lock: lock({ unfenced: true }) }),
    name: "a",
    life: life("a"),
    paused: true,
    inStandbyCluster: false,
    leaseLeftMs: 0,
  };
  expect(isLeader(own)).toBe(true);
  expect(isLeader({ ...own, life: life("a", { machine: "another of this name" }) })).toBe(false);
  expect(isLeader({ ...own, paused: false })).toBe(false);
  expect(isLeader({ ...own, paused: false, leaseLeftMs: 1 })).toBe(true);
  expect(isLeader({ ...own, dcs: cluster() })).toBe(false);
  expect(isLeader({ ...own, postgres: postgres({ ...RUNNING_PRIMARY, process: "stopping" }) }))
    .toBe(false);
});

test("in synchronous modes clients are sent to a primary that has waited for its standbys itself", () => {
  const sync = { ...recordOf("a", null, { b: "data-b" }, 0), revision: 4 };
  const leads = (wroteUnder: number | null, dcs = cluster({ sync })) =>
    isLeader({
      postgres: postgres({ ...RUNNING_PRIMARY, wroteUnder }),
      dcs,
      name: "a",
      life: life("a"),
      paused: false,
      inStandbyCluster: false,
      leaseLeftMs: 1,
    });
  expect([leads(null), leads(2), leads(3)]).toEqual([false, false, true]);
  expect(leads(null, cluster())).toBe(true);
});

test("a member says which data it has, and that it is cut off", () => {
  const { directory } = postgres(RUNNING_PRIMARY);
  const named = postgres({
    ...RUNNING_PRIMARY,
    directory: { ...directory, dataId: "d" } as typeof directory,
  });
  expect(statusOf({ postgres: named }).dataToken).toBe("machine-a:d");
  expect(statusOf({}).dataToken).toBeUndefined();
  const cut = { epoch: 3, timeline: 1, lsn: 7 };
  expect(statusOf({ cut }).cut).toEqual(cut);
  expect(statusOf({}).cut).toBeUndefined();
});

test("the holder of a standby cluster is its standby leader, as long as it is a standby whose lease runs", () => {
  const holder = { inStandbyCluster: true, postgres: postgres({ following: "remote/10.0.0.9:5432" }) };
  expect(statusOf(holder)).toMatchObject({ role: "standby_leader", writable: false });
  expect(statusOf({ ...holder, holding: false }).role).toBe("replica");
  expect(statusOf({ ...holder, inStandbyCluster: false }).role).toBe("replica");
  // Demotion is under way.
  expect(statusOf({ ...holder, postgres: postgres(RUNNING_PRIMARY) }).role).toBe("primary");
  const own = { ...holder, dcs: cluster(), name: "a", life: life("a"), paused: false, leaseLeftMs: 1 };
  expect(isLeader(own)).toBe(true);
  expect(isLeader({ ...own, leaseLeftMs: 0 })).toBe(false);
  expect(isLeader({ ...own, inStandbyCluster: false })).toBe(false);
  expect(isLeader({ ...own, postgres: postgres(RUNNING_PRIMARY) })).toBe(false);
  expect(isLeader({ ...own, postgres: postgres({ inRecovery: false }) })).toBe(false);
});

test("nobody is told of a primary before its bootstrap is complete", () => {
  expect(servesAsPrimary(postgres(RUNNING_PRIMARY), BOOTSTRAPPING)).toBe(false);
  const { role, writable } = statusOf({ dcs: BOOTSTRAPPING });
  expect({ role, writable }).toEqual({ role: "uninitialized", writable: false });
  expect(statusOf({}).role).toBe("primary");
});

test("a bootstrap that failed does not ask for the lock again", () => {
  const half = { kind: "half-written", what: "bootstrap" } as const;
  const last = (ok: boolean) => ({
    "finish-bootstrap": { kind: "finish-bootstrap", ok, atMs: 0, detail: "", failures: ok ? 0 : 1 } as const,
  });
  const ready = (ok: boolean) =>
    statusOf({ dcs: BOOTSTRAPPING, postgres: postgres({ ...STOPPED, directory: half, last: last(ok) }) })
      .bootstrapReady;
  expect(ready(true)).toBe(true);
  expect(ready(false)).toBe(false);
});

test("nobody is to wait for the data of a bootstrap that is not complete", () => {
  const half = { kind: "half-written", what: "bootstrap" } as const;
  const usable = (dcs: OwnStatusInput["dcs"], directory: Parameters<typeof postgres>[0]) =>
    statusOf({ dcs, postgres: postgres({ ...RUNNING_PRIMARY, ...directory }) }).directoryUsable;
  expect(usable(BOOTSTRAPPING, { directory: half })).toBe(false);
  expect(usable(cluster({ initialize: null }), { directory: half })).toBe(false);
  expect(usable(BOOTSTRAPPING, { directory: PRIMARY_DIRECTORY })).toBe(true);
  // The records name it, and the mark is about to be removed.
  expect(usable(cluster(), { directory: half })).toBe(true);
});

test("a former primary that runs read-only is one still, until it has rejoined", () => {
  const read = (directory: Parameters<typeof postgres>[0]) =>
    statusOf({ postgres: postgres(directory) }).primaryDirectory;
  expect(read({ directory: STANDBY_DIRECTORY })).toBe(false);
  expect(read({ directory: { ...STANDBY_DIRECTORY, formerPrimary: true } })).toBe(true);
  expect(read({ ...STOPPED, directory: PRIMARY_DIRECTORY })).toBe(true);
});

test("a standby that wrote without the lock counts as a former primary once it is a standby again", () => {
  const read = (change: Parameters<typeof postgres>[0]) =>
    statusOf({ postgres: postgres({ directory: { ...STANDBY_DIRECTORY, wroteAlone: true }, ...change }) })
      .primaryDirectory;
  expect(read({ inRecovery: true })).toBe(true);
  expect(read({ inRecovery: false })).toBe(false);
});

test("a standby's directory of an earlier founding of the cluster is chosen last, until it has joined this one", () => {
  const shown = (founding: string | null, inRecovery: boolean | null = true) =>
    statusOf({
      postgres: postgres({ inRecovery, directory: { ...STANDBY_DIRECTORY, founding } }),
      holding: false,
    }).primaryDirectory;
  expect([shown("a 0"), shown(null), shown("a 1"), shown(null, false)]).toEqual([true, true, false, false]);
});

test("the others are told at once of all that changes but positions, counters and details", () => {
  const before = statusOf({});
  const quiet: Partial<MemberStatus> = {
    seq: 2,
    walLsn: 9,
    receivedLsn: 9,
    replayedLsn: 9,
    holderLsn: 9,
    lookAgeMs: 9,
    lateMs: 9,
    wallMs: 9,
    slots: { s: 9 },
    slotsAtRisk: [],
  };
  expect(differs(before, { ...before, ...quiet })).toBe(false);
  expect(differs(before, structuredClone(before))).toBe(false);
  const told: Partial<MemberStatus>[] = [
    { state: "stopped" },
    { canLose: 1 },
    { streamedTo: ["b"] },
    { life: life("a", { node: 99 }) },
    { endsSoon: true },
    { tags: { noloadbalance: true } },
    { ailments: [] },
    { syncTroubles: [] },
  ];
  for (const change of told) {
    expect([change, differs(before, { ...before, ...change })]).toEqual([change, true]);
    expect([change, differs({ ...before, ...change }, before)]).toEqual([change, true]);
  }
  const ailing = (severity: Ailment["severity"], detail: string) => ({
    ...before,
    ailments: [{ cause: "slow-disk" as const, severity, since: "", detail }],
  });
  expect(differs(ailing("warning", "a"), ailing("warning", "b"))).toBe(false);
  expect(differs(ailing("warning", "a"), ailing("critical", "a"))).toBe(true);
});
