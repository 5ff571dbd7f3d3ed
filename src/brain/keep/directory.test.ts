/** Data directories that are moved, foreign, half-written, or of another cluster. */
import { cluster, holder, lock, node, postgres, RUNNING_PRIMARY, STOPPED } from "../testing.ts";
import { DIRECTORY, OTHER_CLUSTER } from "./directory.ts";
import { type Case, decides, displaced, failed, FAST, IMMEDIATE, KILL, LET_GO, PAUSED } from "./testing.ts";

const CASES: readonly Case[] = [
  [
    "a bootstrap of a former start of the agent is moved aside",
    node({
      dcs: cluster({
        initialize: { systemId: "", by: "b", incarnation: 0 },
        lock: lock({ epoch: 0, holder: null }),
      }),
      postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    "half-written",
    { "kind": "set-aside", "why": "bootstrap did not finish" },
  ],
  [
    "once the records name it, the directory is no longer half-written",
    holder({
      postgres: postgres({ ...RUNNING_PRIMARY, directory: { kind: "half-written", what: "bootstrap" } }),
    }),
    "seal-bootstrap",
    { "kind": "seal-bootstrap" },
  ],
  [
    "a bootstrap of this machine that the records name is this one, whatever the member is called by now",
    node({
      dcs: cluster({ initialize: { systemId: "7", by: "b", incarnation: 5 } }),
      postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "bootstrap", by: 5 } }),
    }),
    "seal-bootstrap",
    { "kind": "seal-bootstrap" },
  ],
  [
    "one that another machine of this name has completed is not this one",
    holder({
      postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "bootstrap", by: 5 } }),
      tenure: "none",
    }),
    "half-written",
    { "kind": "set-aside", "why": "bootstrap did not finish" },
  ],
  [
    "a directory that cannot be set aside is tried again after a pause, too",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "half-written", what: "rewind" },
        last: failed("set-aside", 1, 99_000),
      }),
    }),
    "half-written",
  ],
  [
    "a primary whose data directory was moved away is stopped",
    holder({ postgres: displaced(false) }),
    "displaced",
    FAST,
  ],
  ["in pause it is left to run", holder({ ...PAUSED, postgres: displaced(false) }), "displaced"],
  [
    "another system identifier ends the agent, nothing is touched",
    node({ postgres: postgres({ systemId: "1" }) }),
    "other-cluster",
    {
      "kind": "exit",
      "message":
        "system ID mismatch, node b belongs to a different cluster: 7300000000000000001 != 1. Its data directory was not touched: move it away to copy this member anew, or correct scope and data_dir",
    },
  ],
  [
    "a clone that did not finish is moved aside",
    node({ postgres: postgres({ ...STOPPED, directory: { kind: "half-written", what: "clone" } }) }),
    "half-written",
    { "kind": "set-aside", "why": "clone did not finish" },
  ],
  [
    "a foreign directory is left alone",
    node({
      postgres: postgres({
        ...STOPPED,
        directory: { kind: "foreign", reason: "no PG_VERSION" },
        systemId: null,
      }),
    }),
    "foreign-directory",
  ],
  [
    "one whose directory was removed cannot shut down in order",
    holder({ postgres: displaced(true) }),
    "displaced",
    IMMEDIATE,
  ],
  [
    "a half-made server is ended before its directory is moved",
    node({ postgres: postgres({ directory: { kind: "half-written", what: "rewind" } }) }),
    "half-written",
    KILL,
  ],
  [
    "a holder whose directory cannot be used gives the lock up",
    holder({ postgres: postgres({ ...STOPPED, directory: { kind: "foreign", reason: "not empty" } }) }),
    "foreign-directory",
    LET_GO,
  ],
];

decides([...DIRECTORY, OTHER_CLUSTER], CASES);
