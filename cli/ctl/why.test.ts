import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ClusterEvent } from "../../src/model/event.ts";
import { StubCluster } from "./testing.ts";

const made = (id: number, kind: string, member: string, epoch: number): ClusterEvent => ({
  index: id,
  id,
  at: `2026-01-31T12:00:0${id}.000Z`,
  member,
  kind,
  text: `${kind} it was`,
  facts: { epoch },
});

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
  const { epoch } = cluster.port.view().dcs!.lock;
  cluster.port.changeDcs({
    events: [
      made(1, "member-lost", "node2", epoch - 1),
      made(2, "lock-expired", "node2", epoch - 1),
      made(3, "lock-granted", "node1", epoch),
      made(4, "promoted", "node1", epoch),
    ],
  });
});
afterEach(() => cluster.stop());

test("why says who leads and how that came, back to the first cause", async () => {
  const { code, out } = await cluster.ctl(["why"]);
  expect(code).toBe(0);
  const lines = out.split("\n");
  expect(lines[0]).toMatch(/^node1 holds the lock under epoch \d+ since 2026-01-31T12:00:03.000\+00:00: /);
  expect(lines).toContain("It is the primary, and takes writes.");
  const chain = lines.slice(lines.indexOf("How it came:") + 1);
  expect(chain.map((line) => /^ {2}#(\d) \S+ (\S+) (\S+):/.exec(line)?.slice(1).join(" "))).toEqual([
    "1 node2 member-lost",
    "2 node2 lock-expired",
    "3 node1 lock-granted",
    "4 node1 promoted",
  ]);
  expect((await cluster.ctl(["why", "node1"])).out).toBe(out);
});

test("while nobody leads, it says what the raft leader waits for, and which members could not take over", async () => {
  const { lock } = cluster.port.view().dcs!;
  cluster.port.changeDcs({
    lock: {
      ...lock,
      holder: null,
      ended: { how: "expired", lsn: null, timeline: null },
      reason: "it was silent",
    },
  });
  cluster.port.changeMember("node3", { nofailover: true });
  cluster.port.decisions = () => [
    { at: "", rule: "grant", reason: "nobody can be promoted", actions: [] },
    { at: "", rule: "idle", reason: "no action", actions: [] },
  ];
  const { out } = await cluster.ctl(["why"]);
  expect(out).toContain("Nobody holds the lock; node1's epoch");
  expect(out).toContain("node1, which leads the raft group, waits: nobody can be promoted.");
  expect(out).toContain("Members that could not take over:\n");
  expect(out).toContain("\n  node3: not allowed to promote (nofailover)");
});

test("why of a member says its state, the decision of its agent, and whether it could take over", async () => {
  const { code, out } = await cluster.ctl(["why", "node2"]);
  expect(code).toBe(0);
  expect(out).toContain("node2 is a replica: its PostgreSQL is running");
  expect(out).toContain("It could take over the lock, with the WAL up to 0/5000000.");
  expect(out).toContain("#1 2026-01-31T12:00:01.000+00:00 node2 member-lost: member-lost it was");
  expect((await cluster.ctl(["why", "demo", "node2"])).out).toBe(out);
});

test("programs get JSON and YAML", async () => {
  const answer = JSON.parse((await cluster.ctl(["why", "-f", "json"])).out);
  expect(answer).toMatchObject({
    member: null,
    holder: "node1",
    answered_by: "node1",
    fresh: true,
    raft_leader: "node1",
    chain: [{ id: 1, because: [] }, { id: 2, because: [1] }, { id: 3, because: [2] }, {
      id: 4,
      because: [3],
    }],
  });
  expect((await cluster.ctl(["why", "-f", "yaml"])).out).toContain("holder: node1");
  expect((await cluster.ctl(["why", "-f", "tsv"])).code).toBe(2);
});

test("a member that is none, and one that is cut off, are told", async () => {
  const { code, err } = await cluster.ctl(["why", "node9"]);
  expect([code, err]).toEqual([1, "Error: node9 is not a member of the cluster"]);
  cluster.port.change({ dcsAgeMs: 60_000 });
  expect((await cluster.ctl(["why"])).out).toContain("Stale: node1 has no contact with a majority");
  cluster.port.change({ dcs: null });
  expect((await cluster.ctl(["why"])).err).toContain("the cluster's records are not known yet");
});
