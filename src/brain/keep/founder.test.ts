/** Whose data a new cluster begins with, when a member that has some is silent. */
import { expect, test } from "bun:test";
import type { MemberStatus } from "../../model/member_status.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import {
  cluster,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
  SYSTEM_ID,
} from "../testing.ts";
import { founding } from "./founder.ts";
import type { NodeView } from "./view.ts";

const LONG_AGO_MS = 3_600_000;
const CLAIM = [{ kind: "claim-initialize" }] as const;

const EMPTY = postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null });
const STOPPED_PRIMARY = postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: 500 });
const PRIMARY = postgres({ ...RUNNING_PRIMARY, walLsn: 500 });

const RUNS_PRIMARY = { running: true, walLsn: 1000, replicationState: null } as const;
const REFUSES_AGENT = { running: false, state: "starting", walLsn: null, replicationState: null } as const;
const HAS_DIRECTORY = {
  running: false,
  primaryDirectory: true,
  walLsn: null,
  replicationState: null,
} as const;
const STANDBY = { running: false, walLsn: null, replicationState: null, receivedLsn: 100 } as const;
/** The same data as here, and further on. */
const LATER = { ...STANDBY, systemId: SYSTEM_ID, timeline: 9 } as const;
const FULLER = { ...STANDBY, systemId: SYSTEM_ID, timeline: 1, receivedLsn: 900 } as const;

/** What node b does, in a cluster without data, about c that said this so long ago. */
function beside(
  server: PostgresView,
  said: Partial<MemberStatus>,
  ageMs: number,
  more: Partial<NodeView> = {},
) {
  const dcs = cluster({ initialize: null, lock: lock({ epoch: 0, holder: null, lastHolder: null }) });
  return founding(node({ dcs, postgres: server, statuses: [seen(status("c", said), ageMs)], ...more }));
}

for (
  const [what, server, said] of [
    ["an empty member waits for a primary that ran", EMPTY, RUNS_PRIMARY],
    ["an empty member waits for a server that did not let its agent in", EMPTY, REFUSES_AGENT],
    ["an empty member waits for a primary's directory", EMPTY, HAS_DIRECTORY],
    ["an empty member waits for a standby's data", EMPTY, STANDBY],
    ["a stopped primary waits for one that ran", STOPPED_PRIMARY, RUNS_PRIMARY],
    ["a stopped primary waits for a server that did not let its agent in", STOPPED_PRIMARY, REFUSES_AGENT],
    ["a stopped primary waits beside a second one", STOPPED_PRIMARY, HAS_DIRECTORY],
    ["a stopped primary waits for a standby of a later timeline", STOPPED_PRIMARY, LATER],
    ["a stopped primary that is an older copy waits", STOPPED_PRIMARY, FULLER],
    ["a running primary waits for a standby of a later timeline", PRIMARY, LATER],
    ["a running primary that is an older copy waits", PRIMARY, FULLER],
  ] as const
) {
  test(`${what}, also when that member is silent, until it has left the raft group`, () => {
    const heard = beside(server, said, 0);
    expect(heard.actions).toEqual([]);
    expect(heard.reason).not.toContain("not heard");
    const silent = beside(server, said, LONG_AGO_MS);
    expect(silent.actions).toEqual([]);
    expect(silent.reason).toContain("start its agent");
    expect(silent.reason).toContain("agent ctl raft remove c");
    expect(beside(server, said, LONG_AGO_MS, { left: ["c"] }).actions).toEqual(CLAIM);
  });
}

test("of two primaries that run, stopping one with its agent chooses the other", () => {
  expect(beside(PRIMARY, RUNS_PRIMARY, 0).actions).toEqual([]);
  expect(beside(PRIMARY, RUNS_PRIMARY, LONG_AGO_MS).actions).toEqual(CLAIM);
});

test("nobody waits for a silent member that had no data, or a bootstrap that it never finished", () => {
  const half = { ...RUNS_PRIMARY, directoryUsable: false };
  expect(beside(EMPTY, half, 0).actions).toEqual([]);
  expect(beside(EMPTY, half, LONG_AGO_MS).actions).toEqual(CLAIM);
  expect(beside(STOPPED_PRIMARY, half, LONG_AGO_MS).actions).toEqual(CLAIM);
});

test("a server that does not let its agent in is not taken for a standby", () => {
  expect(beside(EMPTY, REFUSES_AGENT, 0).reason).toContain("it may be the primary");
});
