/** The lock is free. */
import {
  cluster,
  FREE,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  seen,
  STANDBY_DIRECTORY,
  status,
  STOPPED,
  SYSTEM_ID,
  withMethod,
} from "../testing.ts";
import { recordOf } from "../../sync/record.ts";
import type { NodeView } from "./view.ts";
import { WAITING } from "./waiting.ts";
import { type Case, decides, failed, from } from "./testing.ts";

/** Without data, while nobody is the primary, and with a method that needs none. */
const restorable = (change: Partial<NodeView> = {}) =>
  node({
    dcs: cluster({ lock: lock(FREE) }),
    postgres: postgres({ ...STOPPED, directory: { kind: "empty" }, systemId: null }),
    dynamic: withMethod({ noLeader: true }),
    statuses: [],
    ...change,
  });

const PROMISED = { ...recordOf("a", "data-a", { b: "data-b" }, 0), revision: 1 };

const CASES: readonly Case[] = [
  [
    "while the lock is free a stopped standby is started, to report its WAL",
    node({ dcs: cluster({ lock: lock(FREE) }), postgres: postgres({ ...STOPPED, following: "a" }) }),
    "start-to-report",
    { "kind": "start-standby", "follow": from("a") },
  ],
  [
    "one that is not known to have followed the last holder follows nobody before it was compared",
    node({ dcs: cluster({ lock: lock(FREE) }), postgres: postgres({ ...STOPPED, following: "c" }) }),
    "start-to-report",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "one of an earlier founding of the cluster follows nobody before it was compared",
    node({
      dcs: cluster({ lock: lock(FREE) }),
      postgres: postgres({
        ...STOPPED,
        following: "a",
        directory: { ...STANDBY_DIRECTORY, founding: null },
      }),
    }),
    "start-to-report",
    { "kind": "start-standby", "follow": null },
  ],
  [
    "while something is promised, a stopped standby is started as one of nobody",
    node({ dcs: cluster({ lock: lock(FREE), sync: PROMISED }), postgres: postgres(STOPPED) }),
    "start-to-report",
    { kind: "start-standby", follow: null },
  ],
  [
    "while something is promised, a standby is cut off from the last holder",
    node({ dcs: cluster({ lock: lock(FREE), sync: PROMISED }) }),
    "cut",
    { kind: "follow", follow: null },
  ],
  [
    "and from an upstream that is about to be set",
    node({
      dcs: cluster({ lock: lock(FREE), sync: PROMISED }),
      postgres: postgres({ following: null, cutOff: false }),
    }),
    "cut",
    { kind: "follow", follow: null },
  ],
  [
    "one that is cut off stays so",
    node({ dcs: cluster({ lock: lock(FREE), sync: PROMISED }), postgres: postgres({ following: null }) }),
    "idle",
  ],
  [
    "where nothing is promised, a standby goes on streaming",
    node({ dcs: cluster({ lock: lock(FREE) }) }),
    "idle",
  ],
  [
    "while the lock is free a stopped former primary stays stopped",
    node({
      dcs: cluster({ lock: lock(FREE) }),
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
    }),
    "await-choice",
  ],
  [
    "while the lock is free an empty member waits",
    node({
      dcs: cluster({ lock: lock(FREE) }),
      postgres: postgres({ ...STOPPED, directory: { kind: "empty" } }),
    }),
    "await-leader",
  ],
  [
    "with a method that needs no leader, an empty member restores a backup",
    restorable(),
    "await-leader",
    { kind: "restore", systemId: SYSTEM_ID },
  ],
  [
    "it waits where the methods need a leader",
    restorable({ dynamic: withMethod({}) }),
    "await-leader",
  ],
  [
    "it waits where another member has data: a primary is on its way",
    restorable({ statuses: [seen(status("c", { running: false }))] }),
    "await-leader",
  ],
  [
    "a member with data that is not heard any more is not waited for",
    restorable({ statuses: [seen(status("c"), 60_000)] }),
    "await-leader",
    { kind: "restore", systemId: SYSTEM_ID },
  ],
  [
    "nothing is restored into a cluster that is not initialized",
    restorable({ dcs: cluster({ lock: lock(FREE), initialize: { systemId: "", by: "c", incarnation: 9 } }) }),
    "await-bootstrap",
  ],
  [
    "a failed restore is not repeated at once",
    restorable({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "empty" },
        systemId: null,
        last: failed("clone", 1, 99_000),
      }),
    }),
    "await-leader",
  ],
];

decides(WAITING, CASES);
