import { expect, test } from "bun:test";
import { cluster, lock, postgres, RUNNING_PRIMARY } from "../../brain/testing.ts";
import { COMMAND_VERSION, commandRefusal, encodeCommand } from "../../dcs/commands.ts";
import type { ExitReport } from "../../model/guard_view.ts";
import type { ClusterEvent } from "../../model/event.ts";
import { describeLoss } from "../../model/lost_wal.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { OwnEvents, type OwnLook } from "./own_events.ts";

const WALL = Date.parse("2026-01-01T00:00:00.000Z");
const EPOCH = lock().epoch;
const PRIMARY = postgres({ ...RUNNING_PRIMARY, epoch: EPOCH, wroteUnder: null });
const GRANTED: ClusterEvent = {
  index: 1,
  id: 1,
  at: "",
  member: "a",
  kind: "lock-granted",
  text: "",
  facts: { epoch: EPOCH },
};
const KILLED: ExitReport = { pid: 7, code: null, signal: "SIGKILL", fenced: true, atMs: 9000 };

function look(part: Partial<OwnLook> = {}, view: Partial<PostgresView> = {}): OwnLook {
  return {
    name: "a",
    dcs: cluster({ events: [GRANTED] }),
    postgres: { ...PRIMARY, ...view },
    lastExit: null,
    frozenAtMs: null,
    joined: true,
    holding: true,
    heldSinceMs: 1000,
    leadFailure: null,
    needsReinit: null,
    ailments: [],
    syncTroubles: [],
    stopping: false,
    nowMs: 10_000,
    wallMs: WALL,
    ...part,
  };
}

/** The events of the last of these looks. */
function told(...looks: readonly OwnLook[]) {
  const events = new OwnEvents();
  return looks.map((one) => events.look(one)).at(-1)!;
}
const kinds = (...looks: readonly OwnLook[]) => told(...looks).map(({ kind }) => kind);

test("while nothing changes there is nothing to tell", () => {
  expect(told(look())).toEqual([]);
  expect(told(look(), look({ nowMs: 11_000 }))).toEqual([]);
});

test("a crash is told with how the server ended, when, and under which epoch; then that it runs again", () => {
  const exit = { pid: 7, code: null, signal: "SIGSEGV", fenced: false, atMs: 9400 };
  const crashed = look({ lastExit: exit }, {
    process: "none",
    unaskedEndMs: 9400,
    state: "crashed",
    epoch: null,
  });
  const events = new OwnEvents();
  events.look(look());
  expect(events.look(crashed)).toEqual([{
    kind: "postgres-crashed",
    member: "a",
    at: "2025-12-31T23:59:59.400Z",
    text: "PostgreSQL ended by itself (SIGSEGV)",
    facts: { epoch: EPOCH },
  }]);
  expect(events.look({ ...crashed, nowMs: 10_100 })).toEqual([]);
  expect(events.look(look({ lastExit: exit, nowMs: 11_000 }))).toMatchObject([
    { kind: "postgres-back", facts: { epoch: EPOCH, tookMs: 1600 } },
  ]);
  expect(events.look(look({ lastExit: exit, nowMs: 12_000 }))).toEqual([]);
});

test("a server that was told to stop did not crash", () => {
  const exit = { pid: 7, code: 0, signal: null, fenced: false, atMs: 9400 };
  expect(told(look(), look({ lastExit: exit }, { process: "none", state: "stopped" }))).toEqual([]);
});

test("a shutdown by somebody else is no end by itself", () => {
  const exit = { pid: 7, code: 0, signal: null, fenced: false, atMs: 9400 };
  const down = look({ lastExit: exit }, { process: "none", unaskedEndMs: 9400, state: "crashed" });
  expect(told(look(), down)).toMatchObject([
    { kind: "postgres-crashed", text: "PostgreSQL was shut down, and not by the agent (exit code 0)" },
  ]);
});

test("a standby's crash is told, though the next server may run at the next look; and each one once", () => {
  const exit = { pid: 7, code: null, signal: "SIGKILL", fenced: false, atMs: 9400 };
  const standby = { writable: false, inRecovery: true, epoch: null } as const;
  const again = look({ lastExit: exit, holding: false }, { ...standby, unaskedEndMs: 9400 });
  const well = look({ holding: false }, standby);
  expect(told(well, again)).toMatchObject([
    {
      kind: "postgres-crashed",
      text: "PostgreSQL ended by itself (SIGKILL)",
      at: "2025-12-31T23:59:59.400Z",
    },
    { kind: "postgres-back", facts: { tookMs: 600 } },
  ]);
  const down = look({ lastExit: exit, holding: false }, { ...standby, process: "none", unaskedEndMs: 9400 });
  expect(kinds(well, down, { ...down, postgres: { ...down.postgres, state: "crashed" } })).toEqual([]);
  const second = { lastExit: { ...exit, pid: 8, atMs: 9900 }, holding: false };
  expect(kinds(well, down, look(second, { ...standby, process: "none", unaskedEndMs: 9900 })))
    .toEqual(["postgres-crashed"]);
});

test("a freeze has its own time, though the agent that tells it stood still since", () => {
  const frozen = look({ nowMs: 10_000, frozenAtMs: 6000 }, { process: "frozen" });
  expect(told(look(), frozen)).toMatchObject([{ kind: "postgres-frozen", at: "2025-12-31T23:59:56.000Z" }]);
  expect(told(look(), frozen, look({ nowMs: 10_500 }))).toMatchObject([
    { kind: "postgres-thawed", facts: { tookMs: 4500 } },
  ]);
});

test("a server that the agent ends while it is frozen is told of when it runs again", () => {
  const frozen = look({ nowMs: 10_000 }, { process: "frozen" });
  const ended = look({ nowMs: 10_100, holding: false }, { process: "none", state: "stopped" });
  const again = look({ nowMs: 12_000, holding: false }, { inRecovery: true });
  expect(kinds(look(), frozen, ended)).toEqual([]);
  expect(told(look(), frozen, ended, again)).toMatchObject([
    { kind: "postgres-back", facts: { tookMs: 2000 } },
  ]);
});

test("what the guard does is told: freeze, thaw with its length, kill", () => {
  const frozen = look({ nowMs: 10_000 }, { process: "frozen" });
  expect(told(look(), frozen)).toMatchObject([{ kind: "postgres-frozen", facts: { epoch: EPOCH } }]);
  expect(told(look(), frozen, { ...frozen, nowMs: 10_200 })).toEqual([]);
  expect(told(look(), frozen, look({ nowMs: 10_700 }))).toMatchObject([
    { kind: "postgres-thawed", facts: { epoch: EPOCH, tookMs: 700 } },
  ]);
  const dead = look({ lastExit: KILLED }, { process: "none", epoch: null });
  expect(told(look(), frozen, dead)).toMatchObject([
    { kind: "postgres-killed", facts: { epoch: EPOCH }, at: "2025-12-31T23:59:59.000Z" },
  ]);
});

test("a kill while no agent ran is told by the next one, once, and as soon as it knows the records", () => {
  const found = { lastExit: KILLED, holding: false };
  const view = { process: "none", epoch: null } as const;
  const early = look({ ...found, joined: false }, view);
  const joined = look({ ...found, dcs: cluster({ lock: lock({ lastHolder: "a" }) }) }, view);
  expect(kinds(early, early)).toEqual([]);
  expect(kinds(early, joined)).toEqual(["postgres-killed"]);
  expect(kinds(early, joined, joined)).toEqual([]);
  const known: ClusterEvent = { ...GRANTED, kind: "postgres-killed", at: "2025-12-31T23:59:59.300Z" };
  expect(kinds(early, { ...joined, dcs: cluster({ events: [known] }) })).toEqual([]);
  expect(kinds(early, { ...joined, nowMs: 9_000_000 })).toEqual([]);
});

test("a promotion is told at its first write, with the time since the grant, and once for an epoch", () => {
  const wrote = look({ nowMs: 1190 }, { wroteUnder: EPOCH, timeline: 2, walLsn: 83886408 });
  expect(told(look(), wrote)).toEqual([{
    kind: "promoted",
    member: "a",
    at: "2026-01-01T00:00:00.000Z",
    text: "its first write as the primary, 0.19 s after the grant",
    facts: { epoch: EPOCH, timeline: 2, lsn: 83886408, tookMs: 190 },
  }]);
  expect(told(look(), wrote, wrote)).toEqual([]);
  // A former start of the agent has told it, or its grant is so long ago that it is not kept any more.
  const promoted = { ...GRANTED, kind: "promoted" };
  expect(told(look(), { ...wrote, dcs: cluster({ events: [GRANTED, promoted] }) })).toEqual([]);
  expect(told(look(), { ...wrote, dcs: cluster({ events: [] }) })).toEqual([]);
});

test("a holder that lets go says why, once", () => {
  const leadFailure = { at: "t1", why: "promote failed: no space", times: 3, sitsOut: true };
  const dcs = cluster({ lock: lock({ lastHolder: "a" }) });
  expect(told(look(), look({ leadFailure, dcs }))).toMatchObject([
    {
      kind: "cannot-lead",
      text: "it lets the lock go, and sits out for a while: promote failed: no space",
      facts: { epoch: EPOCH },
    },
  ]);
  expect(told(look(), look({ leadFailure }), look({ leadFailure }))).toEqual([]);
  expect(told(look(), look({ leadFailure: { ...leadFailure, sitsOut: false } }))).toEqual([]);
});

test("whatever a program has said, the log takes the event", () => {
  for (const why of ["\n".repeat(5000), "x\ud800".repeat(600), "é".repeat(600), ""]) {
    const leadFailure = { at: "t1", why, times: 1, sitsOut: true };
    const events = told(look(), look({ leadFailure }));
    const command = encodeCommand({ op: "addEvents", events, by: "a", at: "2026-01-01T00:00:00.000Z" });
    expect(commandRefusal(command, COMMAND_VERSION)).toBeNull();
    expect(events[0]!.text).not.toContain("\n");
  }
});

test("rewinds, copies and restarts are told when they are done, and not when they fail", () => {
  const done = (kind: "rewind" | "clone" | "restart", ok: boolean) =>
    look({}, { last: { [kind]: { kind, ok, atMs: 9000, detail: "", failures: ok ? 0 : 1, from: "b" } } });
  expect(told(look(), done("rewind", true))).toMatchObject([{ kind: "rewound", facts: { epoch: EPOCH } }]);
  const leader = { ...done("rewind", true), dcs: cluster({ lock: lock({ holder: "a" }) }) };
  expect(told(look(), leader).find(({ kind }) => kind === "rewound")).toMatchObject({
    text: "rewound to the history of the remote primary",
  });
  expect(told(look(), done("clone", true))).toMatchObject([
    { kind: "cloned", text: "copied from b", facts: { other: "b" } },
  ]);
  expect(kinds(look(), done("restart", true))).toEqual(["postgres-restarted"]);
  for (const kind of ["rewind", "clone", "restart"] as const) {
    expect(kinds(look(), done(kind, false))).toEqual([]);
    expect(kinds(look(), done(kind, true), done(kind, true))).toEqual([]);
  }
});

test("WAL that a rejoin removes is told with its figures, at the time of the finding, and once", () => {
  const lost = {
    atMs: 9000,
    stretches: [{ timeline: 1, from: 100, to: 150 }, { timeline: 2, from: 150, to: 170 }],
    transactions: 3,
    kept: "/data.lost-wal-20260101000000",
    notKept: null,
  };
  const seen = look({}, { lost });
  const events = told(look(), seen);
  expect(events).toEqual([{
    kind: "wal-lost",
    member: "a",
    at: new Date(WALL - 1000).toISOString(),
    text: describeLoss(lost),
    facts: { epoch: EPOCH, timeline: 1, lsn: 100, end: 170, bytes: 70, transactions: 3, kept: lost.kept },
  }]);
  expect(told(look(), seen, seen)).toEqual([]);
  const unknown = { ...lost, transactions: "no pg_waldump", kept: null, notKept: "the disk is full" };
  const [event] = told(look(), look({}, { lost: unknown }));
  expect(event!.facts).toEqual({ epoch: EPOCH, timeline: 1, lsn: 100, end: 170, bytes: 70 });
  const nowhere = told(
    look(),
    look({}, { lost: { ...unknown, stretches: null, kept: `/${"x".repeat(600)}` } }),
  );
  expect(nowhere[0]!.facts).toEqual({ epoch: EPOCH });
  const far = told(look(), look({}, { lost: { ...lost, kept: `/${"x".repeat(3000)}` } }));
  const command = encodeCommand({ op: "addEvents", events: far, by: "a", at: "2026-01-01T00:00:00.000Z" });
  expect(commandRefusal(command, COMMAND_VERSION)).toBeNull();
});

test("a member that waits for a reinit, and an agent that is told to stop, say so once", () => {
  const waits = look({ needsReinit: "its history differs" });
  expect(told(look(), waits)).toMatchObject([
    { kind: "needs-reinit", text: "it comes back by a reinit only: its history differs" },
  ]);
  expect(told(look(), waits, look({ needsReinit: "its history differs by more" }))).toEqual([]);
  expect(told(look(), look({ stopping: true }))).toMatchObject([{
    kind: "agent-stopping",
    facts: { epoch: EPOCH },
  }]);
  expect(told(look(), look({ stopping: true }), look({ stopping: true }))).toEqual([]);
});

test("an ailment begins, grows worse, and ends; its figures alone are no news", () => {
  const sick = (severity: "warning" | "critical", detail = "2 GB left") =>
    look({ ailments: [{ cause: "data-space", severity, detail }] });
  const facts = { epoch: EPOCH, cause: "data-space" };
  expect(told(look(), sick("warning"))).toMatchObject([
    { kind: "ailment-began", text: "data-space (warning): 2 GB left", facts },
  ]);
  expect(told(look(), sick("warning"), sick("warning", "1.9 GB left"))).toEqual([]);
  expect(kinds(look(), sick("warning"), sick("critical"))).toEqual(["ailment-began"]);
  expect(kinds(look(), sick("critical"), sick("warning"))).toEqual([]);
  expect(told(look(), sick("critical"), look())).toMatchObject([{ kind: "ailment-ended", facts }]);
});

test("a trouble of synchronous replication begins and ends; other words for it are no news", () => {
  const blocked = (detail: string) => look({ syncTroubles: [{ kind: "writes-blocked", detail }] });
  const facts = { epoch: EPOCH, cause: "writes-blocked" };
  expect(told(look(), blocked("b is gone"))).toMatchObject([
    { kind: "sync-trouble-began", text: "writes-blocked: b is gone", facts },
  ]);
  expect(told(look(), blocked("b is gone"), blocked("b is back"))).toEqual([]);
  expect(told(look(), blocked("b is gone"), look())).toMatchObject([{ kind: "sync-trouble-ended", facts }]);
});
