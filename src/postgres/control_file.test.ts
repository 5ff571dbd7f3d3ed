import { expect, test } from "bun:test";
import { parseControlFile, wasShutDown } from "./control_file.ts";

const OUTPUT = `pg_control version number:            1300
Database system identifier:           7710402067095534841
Database cluster state:               shut down
pg_control last modified:             Fri Nov 20 23:37:56 2026
Latest checkpoint location:           1/1500708
Latest checkpoint's REDO location:    1/1500700
Latest checkpoint's TimeLineID:       3
Minimum recovery ending location:     0/0
Min recovery ending loc's timeline:   0
wal_log_hints setting:                on
max_connections setting:              100
max_worker_processes setting:         8
max_wal_senders setting:              10
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
Bytes per WAL segment:                16777216
Data page checksum version:           0
`;

test("identity, positions and settings are read", () => {
  const control = parseControlFile(OUTPUT)!;
  expect(control).toEqual({
    systemId: "7710402067095534841",
    timeline: 3,
    clusterState: "shut down",
    checkpointLsn: 2 ** 32 + 0x1500708,
    redoLsn: 2 ** 32 + 0x1500700,
    minRecoveryLsn: 0,
    walLogHints: true,
    dataChecksums: false,
    segmentBytes: 16777216,
    settings: {
      max_connections: 100,
      max_worker_processes: 8,
      max_wal_senders: 10,
      max_prepared_transactions: 0,
      max_locks_per_transaction: 64,
    },
  });
  expect(wasShutDown(control)).toBe(true);
});

test("a standby is on the timeline up to which it has replayed", () => {
  const standby = OUTPUT.replace("location:     0/0", "location:     1/2000000").replace(
    "timeline:   0",
    "timeline:   4",
  )
    .replace("state:               shut down", "state:               in archive recovery");
  const control = parseControlFile(standby)!;
  expect(control.timeline).toBe(4);
  expect(wasShutDown(control)).toBe(false);
});

test("without a line that matters there is no answer", () => {
  expect(parseControlFile(OUTPUT.replace(/Latest checkpoint location.*\n/, ""))).toBeNull();
  expect(parseControlFile("")).toBeNull();
});
