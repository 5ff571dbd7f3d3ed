/**
 * A primary that dies in the first second after its promotion: before standbys attach to it, while they do,
 * and after. Whatever was acknowledged until then is on every later primary, and there is one primary.
 */
import { expect, test } from "bun:test";
import { Violation, World } from "../../raft/sim/mod.ts";
import type { BrokenRule } from "../dcs/broken_rules.ts";
import { cutPair } from "./faults/ambush_tools.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";
import { SURVIVE } from "./surviving_commits.ts";

const LIMIT_MS = 600_000;
const MOST_SEEDS = 30;
/** From the moment on at which its promotion has begun. */
const DIES_AFTER_MS = [0, 40, 150, 400, 900];

const DEATHS = {
  "its host": (one: SimMember) => one.killHost(),
  "its PostgreSQL": (one: SimMember) => one.server.killed(),
  "its agent": (one: SimMember) => one.killAgent(false),
} as const;
type Death = keyof typeof DEATHS;

interface Course {
  readonly mode: "on" | "quorum";
  readonly strict: boolean;
  /** With 2 the other standby may take over in its turn; with 1 the dead one has to come back. */
  readonly count: 1 | 2;
  readonly death: Death;
  readonly afterMs: number;
  /** No standby can attach to the new primary. */
  readonly alone: boolean;
}

function courses(mode: Course["mode"], strict: boolean): readonly Course[] {
  const deaths = Object.keys(DEATHS) as Death[];
  return DIES_AFTER_MS.flatMap((afterMs, at) =>
    ([1, 2] as const).map((count) => ({
      mode,
      strict,
      count,
      death: deaths[(at + count) % deaths.length]!,
      afterMs,
      alone: (at + count) % 2 === 0,
    }))
  );
}

function cluster(seed: number, { mode, strict, count }: Course, broken: readonly BrokenRule[]): SimCluster {
  const world = new World(seed);
  const modes = { synchronous_mode: mode, synchronous_mode_strict: strict, synchronous_node_count: count };
  const made = new SimCluster(world, new Set(broken), { ttl: 3, loop_wait: 1, ...modes });
  for (const member of made.members) member.startAgent();
  expect(world.runUntilHolds(40_000, 50, () => made.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  return made;
}

/** The end of the primary, then of its successor. Everything is on again, and healthy, when it returns. */
function plays(made: SimCluster, { count, death, afterMs, alone }: Course): void {
  const { world, members } = made;
  const old = members.find(({ server }) => server.canAcknowledge)!;
  old.killHost();
  // With two votes the former primary is back first, and may not be chosen; else the successor is.
  const [oldBackMs, nextBackMs] = count === 2 ? [4000, 15_000] : [20_000, 6000];
  world.after(oldBackMs, () => old.boot());
  const promoted = () =>
    members.find((one) => one !== old && one.server.epoch !== null && one.server.answers);
  expect(world.runUntilHolds(world.now() + 30_000, 1, () => promoted() !== undefined)).toBe(true);
  const next = promoted()!;
  if (alone) { for (const one of members) if (one !== next) cutPair(made, next, one, afterMs + 500); }
  world.runUntil(world.now() + afterMs);
  DEATHS[death](next);
  world.after(nextBackMs, () => next.boot());
  const before = made.surviving.counts.acknowledged;
  expect(world.runUntilHolds(world.now() + 90_000, 50, () => made.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 2000);
  expect(made.surviving.counts.acknowledged).toBeGreaterThan(before);
}

for (const mode of ["on", "quorum"] as const) {
  for (const strict of [false, true]) {
    test(
      `${mode}, ${
        strict ? "strict" : "not strict"
      }: a new primary dies in its first second, and nothing is lost`,
      () => {
        for (const [at, course] of courses(mode, strict).entries()) {
          const made = cluster(at + 1, course, []);
          try {
            plays(made, course);
          } catch (error) {
            console.error(course, made.world.log.tail(60).join("\n"));
            throw error;
          }
        }
      },
      LIMIT_MS,
    );
  }
}

test("without the setting before the promotion such a course loses something", () => {
  const course: Course = {
    mode: "on",
    strict: false,
    count: 2,
    death: "its host",
    afterMs: 500,
    alone: true,
  };
  for (let seed = 1; seed <= MOST_SEEDS; seed++) {
    try {
      plays(cluster(seed, course, ["sync-promote-bare"]), course);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      expect(error.invariant).toBe(SURVIVE);
      return;
    }
  }
  expect.unreachable("nothing was lost");
}, LIMIT_MS);
