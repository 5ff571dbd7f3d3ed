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
import type { GuardView } from "../../guard/port.ts";
import { isWritablePrimary, ownStatus, type OwnStatusInput, servesAsPrimary } from "./own_status.ts";

const BOOTSTRAPPING = cluster({ initialize: { systemId: "", by: "a", incarnation: 1 } });

function statusOf(change: Partial<OwnStatusInput>) {
  return ownStatus({
    nowMs: 1000,
    life: life("a"),
    name: "a",
    incarnation: 1,
    seq: 1,
    dcs: cluster(),
    postgres: postgres(RUNNING_PRIMARY),
    guard: { state: "ok" } as GuardView,
    watchdog: undefined,
    watchdogFailed: false,
    holding: true,
    sighting: { epoch: 3, lsn: null },
    walSettled: true,
    streamedTo: [],
    stopping: false,
    nofailover: false,
    failoverPriority: 1,
    tags: {},
    connUrl: "",
    apiUrl: "",
    lateMs: 0,
    canLose: null,
    ...change,
  });
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
    leaseLeftMs: 0,
  };
  expect(isWritablePrimary(own)).toBe(true);
  expect(isWritablePrimary({ ...own, life: life("a", { machine: "another of this name" }) })).toBe(false);
  expect(isWritablePrimary({ ...own, paused: false })).toBe(false);
  expect(isWritablePrimary({ ...own, paused: false, leaseLeftMs: 1 })).toBe(true);
  expect(isWritablePrimary({ ...own, dcs: cluster() })).toBe(false);
  expect(isWritablePrimary({ ...own, postgres: postgres({ ...RUNNING_PRIMARY, process: "stopping" }) }))
    .toBe(false);
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

test("a former primary that runs read-only is one still, until it has rejoined", () => {
  const read = (directory: Parameters<typeof postgres>[0]) =>
    statusOf({ postgres: postgres(directory) }).primaryDirectory;
  expect(read({ directory: STANDBY_DIRECTORY })).toBe(false);
  expect(read({ directory: { ...STANDBY_DIRECTORY, formerPrimary: true } })).toBe(true);
  expect(read({ ...STOPPED, directory: PRIMARY_DIRECTORY })).toBe(true);
});
