import { expect, test } from "bun:test";
import { Prng } from "../../raft/sim/mod.ts";
import type { SyncRecord } from "../model/records.ts";
import { mixtures, nextStep, type PlanView, type SyncTarget } from "./plan.ts";
import { ASYNCHRONOUS, covers, isSound, recordOf, votersOf } from "./record.ts";
import { awaitMissing, isSameSetting, NO_SYNC, settingFor, type SyncSetting } from "./setting.ts";

const voters = (...names: string[]) => Object.fromEntries(names.map((name) => [name, `data-${name}`]));
const record = (names: string, quorum: number) => recordOf("p", "data-p", voters(...names), quorum);
const any = (count: number, names: string) => settingFor([...names], count, true);
const target = (names: string, count: number, change: Partial<NonNullable<SyncTarget>> = {}): SyncTarget => ({
  quorum: true,
  standbys: voters(...names),
  count,
  strict: false,
  ...change,
});

function view(change: Partial<PlanView>): PlanView {
  return {
    self: "p",
    token: "data-p",
    record: record("ab", 1),
    setting: any(1, "ab"),
    acknowledges: true,
    flushed: [],
    streaming: ["a", "b"],
    target: target("ab", 1),
    frozen: false,
    ...change,
  };
}

const logs = (names: string, quorum: number, flushed: string[] = []) => ({
  kind: "record" as const,
  record: record(names, quorum),
  flushed,
});
const sets = (setting: SyncSetting) => ({ kind: "setting" as const, setting });
const waits = { kind: "wait" as const, why: expect.any(String) };

const CASES: readonly [string, Partial<PlanView>, unknown][] = [
  ["all is as it is to be", {}, null],
  ["a setting that the server may not go by yet is not changed again", {
    flushed: null,
    target: target("a", 1),
  }, waits],
  ["quorum: a standby that comes is logged first", { target: target("abc", 1) }, logs("abc", 2)],
  ["then set", { record: record("abc", 2), target: target("abc", 1) }, sets(any(1, "abc"))],
  ["quorum: one that goes leaves the setting first", { target: target("a", 1) }, sets(any(1, "a"))],
  ["and the record when the others have flushed", { setting: any(1, "a"), target: target("a", 1) }, waits],
  ["which they have", { setting: any(1, "a"), target: target("a", 1), flushed: ["a"] }, logs("a", 0, ["a"])],
  ["more acknowledgements: set first", { target: target("ab", 2) }, sets(any(2, "ab"))],
  ["logged when all have flushed", {
    setting: any(2, "ab"),
    target: target("ab", 2),
    flushed: ["a", "b"],
  }, logs("ab", 0, ["a", "b"])],
  ["fewer acknowledgements: logged first", {
    record: record("ab", 0),
    setting: any(2, "ab"),
  }, logs("ab", 1)],
  ["on: a standby that comes is set first", {
    record: record("a", 0),
    setting: settingFor(["a"], 1, false),
    target: target("ab", 2, { quorum: false }),
  }, sets(settingFor(["a", "b"], 2, false))],
  ["on: one that goes is logged first", {
    record: record("ab", 0),
    setting: settingFor(["a", "b"], 2, false),
    target: target("a", 1, { quorum: false }),
  }, logs("a", 0)],
  ["on: one is replaced by another", {
    record: record("a", 0),
    setting: settingFor(["a"], 1, false),
    target: target("b", 1, { quorum: false }),
  }, logs("", 0)],
  ["quorum: names and number change at once: the record covers any mixture of both first", {
    record: record("a", 0),
    setting: any(2, "ab"),
    target: target("a", 1),
  }, logs("", 0)],
  ["a standby that is still a voter may be one of the mixture", {
    record: record("ab", 0),
    setting: any(2, "ab"),
    target: target("a", 1),
  }, logs("ab", 1)],
  ["on: a third one that comes might take the place of the second one for a moment: both have to vote", {
    record: record("ab", 0),
    setting: settingFor(["a", "b"], 2, false),
    target: target("abc", 3, { quorum: false }),
  }, logs("ab", 1)],
  ["then all are set", {
    record: record("ab", 1),
    setting: settingFor(["a", "b"], 2, false),
    target: target("abc", 3, { quorum: false }),
  }, sets(settingFor(["a", "b", "c"], 3, false))],
  ["and logged when they have flushed", {
    record: record("ab", 1),
    setting: settingFor(["a", "b", "c"], 3, false),
    target: target("abc", 3, { quorum: false }),
    flushed: ["a", "b", "c"],
  }, logs("abc", 0, ["a", "b", "c"])],
  ["no standby is left: the record says so first", { target: target("", 0) }, logs("", 0)],
  ["then nobody is waited for", { record: record("", 0), target: target("", 0) }, sets(NO_SYNC)],
  [
    "strict: a standby that is missing is waited for",
    { record: record("", 0), target: target("", 0, { strict: true }) },
    sets(
      awaitMissing(true),
    ),
  ],
  ["the promise begins when a standby has flushed all", {
    record: ASYNCHRONOUS,
    target: target("ab", 1),
    flushed: ["b"],
  }, logs("ab", 1, ["b"])],
  ["and not before", { record: ASYNCHRONOUS, target: target("ab", 1) }, waits],
  ["switched off: the promise ends first", { target: null }, {
    kind: "record",
    record: ASYNCHRONOUS,
    flushed: [],
  }],
  ["switched off: then the setting", { record: ASYNCHRONOUS, target: null }, sets(NO_SYNC)],
  ["before the promotion: the setting", {
    acknowledges: false,
    flushed: null,
    record: record("b", 1),
    setting: NO_SYNC,
    target: target("b", 1),
  }, sets(any(1, "b"))],
  ["before the promotion nobody is logged as having what is not written", {
    acknowledges: false,
    flushed: null,
    record: record("b", 1),
    setting: any(1, "b"),
    target: target("b", 1),
  }, null],
  ["a record that may yet be applied: the same one again, before anything is set", {
    frozen: true,
    target: target("a", 1),
  }, logs("ab", 1)],
  ["the first promise that may yet be applied: asynchronous once more, before others are waited for", {
    frozen: true,
    record: ASYNCHRONOUS,
    setting: any(1, "a"),
    target: target("b", 1),
  }, { kind: "record", record: { ...ASYNCHRONOUS, data: {} }, flushed: [] }],
  ["before the promotion: nobody is waited for, and the record knows", {
    acknowledges: false,
    flushed: null,
    record: record("b", 0),
    setting: NO_SYNC,
    target: target("", 0),
  }, logs("", 0)],
  ["also before the promotion", { frozen: true, acknowledges: false, flushed: null }, logs("ab", 1)],
  ["nothing is promised before the promotion: those that stream from here are logged at once", {
    acknowledges: false,
    flushed: null,
    record: ASYNCHRONOUS,
    setting: any(1, "ab"),
  }, logs("ab", 1, ["a", "b"])],
  ["on: the one that is to be synchronous", {
    acknowledges: false,
    flushed: null,
    record: ASYNCHRONOUS,
    target: target("a", 1, { quorum: false }),
  }, logs("a", 0, ["a"])],
  ["one that does not stream may have another history: nobody else may be chosen until it does", {
    acknowledges: false,
    flushed: null,
    record: ASYNCHRONOUS,
    streaming: ["a"],
  }, logs("", 0)],
  ["then the setting", {
    acknowledges: false,
    flushed: null,
    setting: NO_SYNC,
    streaming: ["a"],
    record: record("", 0),
  }, sets(any(1, "ab"))],
  ["new data under an old name is no voter", {
    target: { ...target("ab", 1)!, standbys: { ...voters("a"), b: "anew" } },
  }, waits],
];

for (const [name, change, step] of CASES) {
  test(name, () => {
    expect(nextStep(view(change))).toEqual(step as never);
  });
}

/** All ways to be in V, in the setting or in the target, up to the members' names. */
function* situations(members: number) {
  const counts = [0, 0, 0, 0, 0, 0, 0];
  function* fill(at: number, left: number): Generator<readonly number[]> {
    if (at === counts.length) return yield counts;
    for (let n = 0; n <= left; n++) {
      counts[at] = n;
      yield* fill(at + 1, left - n);
    }
    counts[at] = 0;
  }
  for (const classes of fill(0, members)) {
    const sets: string[][] = [[], [], []];
    let next = 0;
    classes.forEach((n, at) => {
      for (let i = 0; i < n; i++) {
        const name = String.fromCharCode(97 + next++);
        for (let set = 0; set < 3; set++) if ((at + 1) & (1 << set)) sets[set]!.push(name);
      }
    });
    yield { inV: sets[0]!, inS: sets[1]!, wanted: sets[2]! };
  }
}

/** Every record, setting and target with up to 7 standbys, up to their names. */
/** All of it is computing: what takes ten seconds alone takes a minute on a machine that others use. */
const LIMIT_MS = 300_000;

test("no step breaks an invariant, and the steps come to an end, whatever is found", () => {
  let steps = 0;
  for (const { inV, inS, wanted } of situations(7)) {
    const all = new Set([...inV, ...inS]).size;
    for (let count = inS.length === 0 ? 0 : 1; count <= inS.length; count++) {
      const setting = settingFor(inS, count, true);
      for (let quorum = inV.length === 0 ? 0 : all - count; quorum <= inV.length; quorum++) {
        for (let k = Math.min(1, wanted.length); k <= wanted.length; k++) {
          for (const mode of ["on", "quorum"] as const) {
            if (mode === "on" && k < wanted.length) continue;
            const goal = { quorum: mode === "quorum", standbys: voters(...wanted), count: k, strict: false };
            const before = recordOf("p", "data-p", voters(...inV), quorum);
            steps += walk(view({ record: before, setting, target: goal }));
          }
        }
      }
    }
  }
  expect(steps).toBeGreaterThan(100_000);
}, LIMIT_MS);

test(
  "while standbys come, in on mode one by one, one of those that have everything may be chosen at each step",
  () => {
    for (const { inV, wanted } of situations(7)) {
      const isGrowth = inV.length > 0 && wanted.length > inV.length &&
        inV.every((name) => wanted.includes(name));
      if (!isGrowth) continue;
      for (const quorum of [true, false]) {
        for (let k = 1; k <= inV.length; k++) {
          // In on mode two at once could be half of those that are counted.
          if (!quorum && (k < inV.length || wanted.length > k + 1)) continue;
          const setting = settingFor(inV, k, quorum);
          const before = recordOf("p", "data-p", voters(...inV), inV.length - k);
          const goal = {
            quorum,
            standbys: voters(...wanted),
            count: quorum ? k : wanted.length,
            strict: false,
          };
          walk(view({ record: before, setting, target: goal }), ({ syncStandby, quorum: votes }) => {
            expect([inV, wanted, k, syncStandby.length > votes]).toEqual([inV, wanted, k, true]);
          });
        }
      }
    }
  },
  LIMIT_MS,
);

/** Goes on to the end; the standbys that are wanted flush once nothing else is left to do. */
function walk(start: PlanView, logged: (record: SyncRecord) => void = () => undefined): number {
  let now = start;
  for (let steps = 0; steps < 8; steps++) {
    const step = nextStep(now);
    if (step === null) return steps;
    if (step.kind === "wait") {
      const flushed = Object.keys(now.target!.standbys);
      if (now.flushed!.length === flushed.length) throw new Error(`waits for ever: ${JSON.stringify(now)}`);
      now = { ...now, flushed };
    } else if (step.kind === "setting") {
      const ok = mixtures(now.setting, step.setting).every((each) => covers(now.record, each));
      if (!ok) throw new Error(`set too early: ${JSON.stringify([now, step])}`);
      now = { ...now, setting: step.setting, flushed: [] };
    } else {
      const ok = covers(step.record, now.setting) && isSound(now.record, step.record, step.flushed);
      if (!ok) throw new Error(`logged too early: ${JSON.stringify([now, step])}`);
      logged(step.record);
      now = { ...now, record: step.record };
    }
  }
  throw new Error(`does not end: ${JSON.stringify(start)}`);
}

/**
 * The promise itself, without the invariants that it is proved by: commits, the sets that hold them, and
 * every choice that the record allows. Processes go by a former setting until the server is known not to.
 */
class Cluster {
  readonly #random: Prng;
  readonly #names: readonly string[];
  record: SyncRecord = ASYNCHRONOUS;
  setting: SyncSetting = NO_SYNC;
  /** Other settings that a process may go by. */
  #former: SyncSetting[] = [];
  flushed: string[] | null = [];
  /** The sets that hold an acknowledged commit. */
  commits: Set<string>[] = [];
  records = 0;

  constructor(random: Prng, members: number) {
    this.#random = random;
    this.#names = [..."abcdefg"].slice(0, members);
  }

  /** By as few as the number of one setting, of all that are synchronous by any of them: see `mixtures`. */
  commit(): void {
    const settings = [this.setting, ...this.#former];
    const { method, count, names: own } = this.#random.pick(settings);
    const isOwn = method === "FIRST" && count === 1;
    const names = isOwn ? own : [...new Set(settings.flatMap((each) => each.names))];
    const holders = new Set<string>();
    while (holders.size < count) holders.add(this.#random.pick(names));
    this.commits.push(holders);
  }

  flush(): void {
    const name = this.#random.pick(this.#names);
    for (const holders of this.commits) holders.add(name);
    if (this.flushed !== null && !this.flushed.includes(name)) this.flushed = [...this.flushed, name];
  }

  settle(): void {
    this.#former = [];
    this.flushed ??= [];
  }

  take(target: SyncTarget): void {
    const { record, setting, flushed } = this;
    const step = nextStep({
      self: "p",
      token: "data-p",
      record,
      setting,
      acknowledges: true,
      flushed,
      streaming: [],
      target,
      frozen: false,
    });
    if (step?.kind === "setting") {
      this.#former.push(setting);
      this.setting = step.setting;
      this.flushed = null;
    }
    if (step?.kind !== "record") return;
    this.record = step.record;
    this.records++;
    if (step.record.leader === null) this.commits = [];
  }

  draw(): SyncTarget {
    const random = this.#random;
    if (random.chance(0.05)) return null;
    const able = this.#names.filter(() => random.chance(0.7));
    const quorum = random.chance(0.5);
    const count = Math.min(able.length, 1 + random.below(3));
    const chosen = quorum ? able : able.slice(0, count);
    return { quorum, standbys: voters(...chosen), count, strict: false };
  }

  /** Q + 1 members of V that lack a commit together would elect one of them. */
  lost(): Set<string> | undefined {
    const { leader, syncStandby, quorum } = this.record;
    if (leader === null) return undefined;
    return this.commits.find((holders) => syncStandby.filter((name) => !holders.has(name)).length > quorum);
  }
}

test("no choice that the record allows loses a commit, over random sequences of up to 7 standbys", () => {
  let records = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Prng(seed);
    const cluster = new Cluster(random, 1 + (seed % 7));
    let target = cluster.draw();
    for (let at = 0; at < 300; at++) {
      const what = random.weighted({ commit: 4, flush: 3, settle: 2, take: 4, draw: 0.7 });
      if (what === "draw") target = cluster.draw();
      else if (what === "take") cluster.take(target);
      else cluster[what]();
      expect([seed, at, cluster.lost()]).toEqual([seed, at, undefined]);
    }
    records += cluster.records;
  }
  expect(records).toBeGreaterThan(1500);
});

test("a voter whose data was made anew counts as one that comes", () => {
  const before = record("ab", 1);
  const anew = { ...voters("a"), b: "anew" };
  expect(isSound(before, recordOf("p", "data-p", anew, 1), [])).toBe(false);
  expect(isSound(before, recordOf("p", "data-p", anew, 2), [])).toBe(true);
  expect(votersOf(before)).toEqual(voters("a", "b"));
  expect(isSameSetting(NO_SYNC, settingFor([], 0, true))).toBe(true);
});
