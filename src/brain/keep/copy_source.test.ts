/** Which member a node without data copies from, and why. */
import { expect, test } from "bun:test";
import { beginCopy } from "../../model/copy_status.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { cluster, DYNAMIC, node, postgres, primaryStatus, seen, status, STOPPED } from "../testing.ts";
import { MAX_SOURCE_LAG } from "./copy_source.ts";
import { keep } from "./rules.ts";
import { clone } from "./testing.ts";
import type { NodeView } from "./view.ts";

const EMPTY = { ...STOPPED, directory: { kind: "empty" }, systemId: null } as const;
const LSN = 2 ** 30;
const PRIMARY = primaryStatus("a", { walLsn: LSN });

const members = (...names: string[]) =>
  cluster({
    members: Object.fromEntries(
      names.map((
        name,
      ) => [name, { ...cluster().members.a!, name, connUrl: `postgres://${name}:5432/postgres` }]),
    ),
  });

function tagged(name: string, change: Partial<MemberStatus> = {}): MemberStatus {
  return status(name, {
    tags: { clonefrom: true },
    receivedLsn: LSN,
    replayedLsn: LSN,
    lookAgeMs: 0,
    ...change,
  });
}

/** b has no data; a is the primary. */
function empty(
  others: readonly MemberStatus[],
  change: Partial<NodeView> = {},
  last: PostgresView["last"] = {},
): NodeView {
  return node({
    dcs: members("a", "b", "c", "d", "e"),
    postgres: postgres({ ...EMPTY, last }),
    statuses: [seen(PRIMARY), seen(tagged("b", { running: false })), ...others.map((one) => seen(one))],
    ...change,
  });
}

const failedFrom = (from: string | undefined, failures = 1) => ({
  clone: {
    kind: "clone",
    ok: false,
    atMs: 0,
    detail: "broken",
    failures,
    ...(from === undefined ? {} : { from }),
  },
} as const);

const FROM_LEADER = "trying to bootstrap from leader 'a'";
const FROM_C = "trying to bootstrap from replica 'c', which has the tag clonefrom";
const notC = (why: string) => `${FROM_LEADER} although others have the tag clonefrom: c ${why}`;

/** Name, view, source, reason. */
const CASES: readonly (readonly [string, NodeView, string, string])[] = [
  ["without a tag anywhere it is the leader", empty([status("c")]), "a", FROM_LEADER],
  ["a standby with the tag goes before the leader", empty([tagged("c"), status("d")]), "c", FROM_C],
  ["a tag that says no is none", empty([tagged("c", { tags: { clonefrom: "off" } })]), "a", FROM_LEADER],
  [
    "a text that is no boolean counts as set",
    empty([tagged("c", { tags: { clonefrom: "sure" } })]),
    "c",
    FROM_C,
  ],
  [
    "the leader's own tag changes nothing",
    empty([], { statuses: [seen({ ...PRIMARY, tags: { clonefrom: true } })] }),
    "a",
    FROM_LEADER,
  ],
  [
    "the leader is copied where that is asked for",
    empty([tagged("c")], { reinitializing: { fromLeader: true } }),
    "a",
    `${FROM_LEADER}, as asked for`,
  ],
  [
    "a reinitialize as such asks for nobody",
    empty([tagged("c")], { reinitializing: { fromLeader: false } }),
    "c",
    FROM_C,
  ],
  [
    "after a failed copy from a standby the leader is copied",
    empty([tagged("c"), tagged("d")], {}, failedFrom("c")),
    "a",
    `${FROM_LEADER}: the copy from c failed: broken`,
  ],
  [
    "after a failed copy from the leader the tag counts again",
    empty([tagged("c")], {}, failedFrom("a", 2)),
    "c",
    FROM_C,
  ],
  [
    "a copy that was cancelled says nothing against its source",
    empty([tagged("c")], {}, failedFrom(undefined)),
    "c",
    FROM_C,
  ],
  [
    "a copy that failed long ago and then succeeded is forgotten",
    empty([tagged("c")], {}, {
      clone: { kind: "clone", ok: true, atMs: 0, detail: "", failures: 0, from: "d" },
    }),
    "c",
    FROM_C,
  ],
  [
    "the next one by name is taken, so that not all take the same",
    empty([tagged("c"), tagged("d"), tagged("e")]),
    "c",
    FROM_C,
  ],
  [
    "the first one by name follows the last one",
    empty([tagged("c"), tagged("d")], { name: "e" }),
    "c",
    FROM_C,
  ],
  [
    "one that fewer members copy from goes first",
    empty([tagged("c"), tagged("d"), status("e", { copy: beginCopy("c", true) })]),
    "d",
    FROM_C.replace("'c'", "'d'"),
  ],
  ["one without a record cannot be reached", empty([tagged("f"), tagged("c")]), "c", FROM_C],
  [
    "one that is not heard of is not copied from",
    empty([], { statuses: [seen(PRIMARY), seen(tagged("c"), 1200)] }),
    "a",
    notC("is not heard of"),
  ],
  [
    "nor one whose server does not run",
    empty([tagged("c", { running: false, state: "stopped" })]),
    "a",
    notC("does not run"),
  ],
  [
    "nor one that is being copied itself",
    empty([tagged("c", { state: "creating replica" })]),
    "a",
    notC("does not run"),
  ],
  ["nor one whose server hangs", empty([tagged("c", { lookAgeMs: 3001 })]), "a", notC("does not answer")],
  [
    "nor one that is to end",
    empty([tagged("c", { shuttingDown: true })]),
    "a",
    notC("is no standby that stays"),
  ],
  ["nor one that writes", empty([tagged("c", { writable: true })]), "a", notC("is no standby that stays")],
  [
    "nor one of another cluster",
    empty([tagged("c", { systemId: "1" })]),
    "a",
    notC("belongs to another cluster"),
  ],
  ["nor one on an older timeline", empty([tagged("c", { timeline: 0 })]), "a", notC("is on timeline 0")],
  [
    "nor one that does not stream",
    empty([tagged("c", { replicationState: null })]),
    "a",
    notC("does not stream"),
  ],
  [
    "nor one that reads its WAL from an archive",
    empty([tagged("c", { replicationState: "in archive recovery" })]),
    "a",
    notC("does not stream"),
  ],
  [
    "nor a former primary that has not rejoined",
    empty([tagged("c", { primaryDirectory: true })]),
    "a",
    notC("does not stream"),
  ],
  [
    "a lag within the limit is taken",
    empty([tagged("c", { replayedLsn: LSN - MAX_SOURCE_LAG })]),
    "c",
    FROM_C,
  ],
  [
    "a larger one is not",
    empty([tagged("c", { replayedLsn: LSN - MAX_SOURCE_LAG - 1 })]),
    "a",
    notC("is 257 MiB behind"),
  ],
  [
    "a cluster that calls such a lag usual has it",
    empty([tagged("c", { replayedLsn: LSN - MAX_SOURCE_LAG - 1 })], {
      dynamic: { ...DYNAMIC, maximumLagOnFailoverBytes: MAX_SOURCE_LAG + 1 },
    }),
    "c",
    FROM_C,
  ],
  [
    "a small maximum_lag_on_failover does not make it smaller",
    empty([tagged("c", { replayedLsn: LSN - MAX_SOURCE_LAG })], {
      dynamic: { ...DYNAMIC, maximumLagOnFailoverBytes: 0 },
    }),
    "c",
    FROM_C,
  ],
  [
    "each reason is said",
    empty([tagged("c", { timeline: 2 }), tagged("d", { replicationState: null })]),
    "a",
    `${notC("is on timeline 2")}, d does not stream`,
  ],
];

for (const [name, view, source, reason] of CASES) {
  const asked = view.reinitializing?.fromLeader ? { basebackupOnly: true } : {};
  test(
    name,
    () =>
      expect<unknown>(keep(view)).toEqual({
        rule: "copy",
        actions: [{ ...clone(source), ...asked }],
        reason,
      }),
  );
}

test("nothing is copied while there is no primary, although a standby with the tag is there", () => {
  const view = empty([], { statuses: [seen(PRIMARY, 5000), seen(tagged("c"))] });
  expect(keep(view)).toEqual({
    rule: "copy",
    actions: [],
    reason: "waiting for a to be a running primary, to copy its data",
  });
});
