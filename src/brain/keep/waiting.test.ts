/** The lock is free. */
import { cluster, FREE, lock, node, postgres, PRIMARY_DIRECTORY, STOPPED } from "../testing.ts";
import { WAITING } from "./waiting.ts";
import { type Case, decides, from } from "./testing.ts";

const CASES: readonly Case[] = [
  [
    "while the lock is free a stopped standby is started, to report its WAL",
    node({ dcs: cluster({ lock: lock(FREE) }), postgres: postgres(STOPPED) }),
    "start-to-report",
    { "kind": "start-standby", "follow": from("a") },
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
];

decides(WAITING, CASES);
