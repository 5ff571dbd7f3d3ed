/** The chains of events that a cluster leaves behind for what is done to it. */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import { chainOf, linkEvents } from "../brain/cluster/event_causes.ts";
import { checkEvents, EVENTS_INVARIANT } from "./event_checks.ts";
import { askSwitchover } from "./requests.ts";
import { SimCluster } from "./sim_cluster.ts";

const SEEDS = [1, 2, 3];

function healthy(seed: number, withWitness = false): SimCluster {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 5, loop_wait: 1 }, withWitness);
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(15_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  return cluster;
}

const primaryOf = (cluster: SimCluster) => cluster.members.find(({ server }) => server.canAcknowledge)!;
const linkedOf = (cluster: SimCluster) => linkEvents(cluster.latestRecords()!.events);

/** The chain of the last event of that kind, once there is another one than before; "kind member". */
function chainAfter(cluster: SimCluster, kind: string, doIt: () => void): readonly string[] {
  const { world } = cluster;
  const lastOf = () => linkedOf(cluster).findLast((event) => event.kind === kind);
  const before = lastOf()?.id ?? 0;
  doIt();
  const happened = world.runUntilHolds(world.now() + 60_000, 50, () => (lastOf()?.id ?? 0) > before);
  expect([kind, happened]).toEqual([kind, true]);
  world.runUntil(world.now() + 3000);
  checkEvents(cluster.latestRecords()!);
  return chainOf(linkedOf(cluster), lastOf()!).map(({ kind: one, member }) => `${one} ${member}`);
}

for (const withWitness of [false, true]) {
  test(`the host of the primary dies${withWitness ? ", beside a witness" : ""}, and comes back`, () => {
    let rewinds = 0;
    for (const seed of SEEDS) {
      const cluster = healthy(seed, withWitness);
      const old = primaryOf(cluster);
      const chain = chainAfter(cluster, "promoted", () => old.killHost());
      const next = primaryOf(cluster).name;
      expect(chain).toEqual([
        `member-lost ${old.name}`,
        `lock-expired ${old.name}`,
        `lock-granted ${next}`,
        `promoted ${next}`,
      ]);
      expect(chainAfter(cluster, "member-back", () => old.boot())).toEqual([
        `member-lost ${old.name}`,
        `member-back ${old.name}`,
      ]);
      // Where its WAL went no further than the new primary's history, it follows without a rewind.
      const rewound = linkedOf(cluster).findLast(({ kind }) => kind === "rewound");
      if (rewound === undefined) continue;
      rewinds++;
      expect(chainOf(linkedOf(cluster), rewound).length).toBe(chain.length + 1);
    }
    expect(rewinds).toBeGreaterThan(0);
  });
}

test("a switchover leads back to its request, an agent that stops to that", () => {
  for (const seed of SEEDS) {
    const cluster = healthy(seed);
    const old = primaryOf(cluster);
    const other = cluster.members.find((member) => member !== old)!;
    const chain = chainAfter(cluster, "request-done", () => askSwitchover(other, other.name, "r1"));
    expect(chain).toEqual([
      `switchover-requested ${old.name}`,
      `request-accepted ${old.name}`,
      `lock-released ${old.name}`,
      `lock-granted ${other.name}`,
      `promoted ${other.name}`,
      `request-done ${other.name}`,
    ]);
    const stopped = chainAfter(cluster, "promoted", () => other.stopAgent());
    expect(stopped.slice(0, 2)).toEqual([`agent-stopping ${other.name}`, `lock-released ${other.name}`]);
    expect(stopped.length).toBe(4);
  }
});

test("a crash that is mended in place is told, and how long it took", () => {
  const cluster = healthy(1);
  const old = primaryOf(cluster);
  const chain = chainAfter(cluster, "postgres-back", () => old.server.killed());
  expect(chain).toEqual([`postgres-crashed ${old.name}`, `postgres-back ${old.name}`]);
  const back = linkedOf(cluster).findLast(({ kind }) => kind === "postgres-back")!;
  expect(back.facts).toMatchObject({ epoch: cluster.latestRecords()!.lock.epoch });
  expect(back.facts!.tookMs).toBeGreaterThan(0);
});

test("at rest no event comes", () => {
  const cluster = healthy(2);
  const { world } = cluster;
  const before = cluster.latestRecords()!.revision;
  world.runUntil(world.now() + 120_000);
  expect(cluster.latestRecords()!.revision).toBe(before);
});

test("the check finds a cause that is not there, and a primary of whose grant nothing is known", () => {
  const at = "2026-01-01T00:00:00.000Z";
  const made = (id: number, kind: string, epoch: number) => ({
    index: id,
    id,
    at,
    member: "a",
    kind,
    text: "",
    facts: { epoch },
  });
  const good = [made(1, "bootstrap-began", 0), made(2, "lock-granted", 1), made(3, "promoted", 1)];
  expect(() => checkEvents({ events: good })).not.toThrow();
  expect(() => checkEvents({ events: good.slice(1) })).not.toThrow();
  expect(() => checkEvents({ events: [good[0]!, good[2]!] })).toThrow(EVENTS_INVARIANT);
  expect(() => checkEvents({ events: [...good, made(3, "paused", 0)] })).toThrow(EVENTS_INVARIANT);
});
