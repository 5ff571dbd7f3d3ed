/** --dry-run: what would happen, why not, and what would be lost. Nothing is asked for. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(async () => {
  expect(cluster.port.calls).toEqual([]);
  await cluster.stop();
});

/** Below the table of the members, and without the last line, which is always the same. */
async function said(...words: string[]): Promise<{ code: number; lines: string[] }> {
  const { code, out, err } = await cluster.ctl([...words, "--dry-run"]);
  expect(err).toBe("");
  const lines = out.split("\n").filter((line) => !/^[+|]|^ \S/.test(line));
  expect([lines[0], lines.at(-1)]).toEqual(["Current cluster topology", "Nothing was changed (--dry-run)."]);
  return { code, lines: lines.slice(1, -1) };
}

test("a switchover says its steps, and that nothing is lost", async () => {
  cluster.port.changeMember("node2", { receivedLsn: 83886080 - 4096, replayedLsn: 83886080 - 4096 });
  expect(await said("switchover", "--candidate", "node2")).toEqual({
    code: 0,
    lines: [
      "Possible now: switchover of demo from node1 to node2.",
      "  1. node1 writes a checkpoint and stops PostgreSQL: its sessions end, and nothing is written any more.",
      "  2. node2 receives the end of the WAL (4096 bytes behind now).",
      "  3. node2 gets the lock and is promoted, to timeline 4.",
      "  4. node3 follows node2.",
      "  5. node1 comes back as a standby.",
      "Loss to expect: none. node2 gets the lock only when it has all that node1 wrote.",
    ],
  });
});

test("without a candidate the one with most WAL is named, and why others could not take over", async () => {
  cluster.port.changeMember("node2", { receivedLsn: 83886080 - 4096, replayedLsn: 83886080 - 4096 });
  const { lines } = await said("switchover");
  expect(lines[0]).toBe("Possible now: switchover of demo from node1 to node3.");
  expect(lines[1]).toBe("  The raft leader chooses then; at present this member has most of the WAL.");
  cluster.port.changeMember("node3", { nofailover: true });
  const other = await said("switchover", "--scheduled", "2096-01-01T10:00Z");
  expect(other.lines[0]).toBe(
    "Possible now: switchover of demo from node1 to node2. It would be carried out at 2096-01-01T10:00:00+00:00, " +
      "if it is then.",
  );
  expect(other.lines.slice(-2)).toEqual([
    "Could not take over:",
    "  node3: not allowed to promote (nofailover)",
  ]);
});

test("what keeps every candidate from it is said, with exit code 1", async () => {
  cluster.port.changeMember("node2", { replicationState: null });
  cluster.port.changeMember("node3", { shuttingDown: true });
  expect(await said("switchover")).toEqual({
    code: 1,
    lines: [
      "Not possible now: switchover of demo from node1 to another member: no member could take over",
      "  node2: does not stream from node1 (running)",
      "  node3: is shutting down",
    ],
  });
});

test("in synchronous mode only a synchronous standby can take over by a switchover", async () => {
  cluster.port.changeDynamic({ synchronousMode: "on" });
  cluster.port.changeDcs({
    sync: { leader: "node1", syncStandby: ["node2"], quorum: 0, revision: 1 },
    config: { value: { synchronous_mode: true }, revision: 1 },
  });
  const { code, lines } = await said("switchover", "--candidate", "node3");
  expect([code, lines.at(-1)]).toEqual([1, "  node3: is no synchronous standby"]);
  expect((await said("switchover", "--candidate", "node2")).code).toBe(0);
});

test("nothing is possible without a majority, and nothing without a candidate in pause", async () => {
  cluster.port.changeDynamic({ pause: true });
  // In the words of the member, which has judged it.
  expect((await said("switchover")).lines[0]).toEndWith(
    ": Switchover is possible only to a specific candidate in a paused state",
  );
  const { raft } = cluster.port.view();
  cluster.port.change({ raft: { ...raft!, leader: null } });
  const { out } = await cluster.ctl(["switchover", "--candidate", "node2", "--dry-run"]);
  expect(out).toContain(": no majority of the voters is in contact, and nothing can be changed without one");
});

test("what a member would refuse is not possible, whatever the members' states look like", async () => {
  cluster.port.changeDcs({ initialize: null });
  const { code, lines } = await said("failover", "--candidate", "node2");
  expect([code, lines[0]]).toEqual([
    1,
    "Not possible now: failover of demo to node2: failover is not possible: the cluster is not initialized",
  ]);
});

test("a member that answers neither yes nor no is an error", async () => {
  cluster.port.changeRestapi({ authentication: { username: "a", password: "b" } });
  const { code, err } = await cluster.ctl(["switchover", "--candidate", "node2", "--dry-run"]);
  expect([code, err]).toEqual([
    1,
    "Error: whether the switchover is possible is not known: a member answers 401, no auth header received",
  ]);
});

test("a failover says how much it may lose", async () => {
  cluster.port.changeMember("node2", { receivedLsn: 83886080 - 4096, replayedLsn: 83886080 - 4096 });
  const loss = "4096 bytes of WAL, by the last position of the primary that is known.";
  expect((await said("failover", "--candidate", "node2")).lines.at(-1)).toBe(
    `Loss to expect: none if node1 stops in order and node2 streams from it; else up to ${loss}`,
  );
  const { lock } = cluster.port.view().dcs!;
  cluster.port.changeDcs({ lock: { ...lock, holder: null } });
  const { code, lines } = await said("failover", "--candidate", "node2");
  expect([code, lines[0], lines.at(-1)]).toEqual([
    0,
    "Possible now: failover of demo to node2.",
    `Loss to expect: up to ${loss}`,
  ]);
});

test("in a standby cluster the lock moves, and nothing can be lost", async () => {
  cluster.port.changeDynamic({ standbyCluster: { host: "192.0.2.1" } });
  expect((await said("switchover", "--candidate", "node2")).lines.slice(1)).toEqual([
    "  1. The lock passes to node2, which follows the remote primary. PostgreSQL runs on.",
    "Loss to expect: none: nothing is written in a standby cluster.",
  ]);
});
