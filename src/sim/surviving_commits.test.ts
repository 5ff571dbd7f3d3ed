/** The oracle of synchronous modes can fail, and an operator's wish alone ends a promise. */
import { expect, test } from "bun:test";
import { Violation, World } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import { cluster, lock } from "../brain/testing.ts";
import { ASYNCHRONOUS, recordOf } from "../sync/record.ts";
import type { ModelServer } from "./model_server.ts";
import { SurvivingCommits } from "./surviving_commits.ts";
import { Branch } from "./wal.ts";

const ON = { synchronous_mode: "on" };
const STANDBY = { ...ON, standby_cluster: { host: "10.0.0.9" } };
const PROMISE = recordOf("a", null, { b: "data-b" }, 0);

/** Records as they follow each other, and servers that write. */
class Course {
  readonly oracle: SurvivingCommits;
  #revision = 1;

  constructor(countsUnpromised = false) {
    this.oracle = new SurvivingCommits(new World(1), countsUnpromised);
  }

  records(epoch: number, config: JsonObject, sync: typeof PROMISE, isInitialized = true): void {
    const revision = ++this.#revision;
    this.oracle.onRecords(cluster({
      revision,
      ...(isInitialized ? {} : { initialize: null }),
      lock: lock({ epoch }),
      config: { value: config, revision },
      sync: { ...sync, revision },
    }));
  }
}

function server(name: string, epoch: number, branch: Branch): ModelServer {
  return { name, epoch, directory: { position: { branch, lsn: branch.endLsn } } } as unknown as ModelServer;
}

/** A primary of that epoch acknowledges its first commit. */
function acknowledges({ oracle }: Course, name: string, epoch: number): Branch {
  const branch = new Branch(epoch, "system", null, name);
  oracle.onWriter(server(name, epoch, branch));
  branch.endLsn += 100;
  branch.ackedLsn = branch.endLsn;
  oracle.onAcknowledged(server(name, epoch, branch));
  return branch;
}

/** In a synchronous mode since before epoch 2, whose primary has acknowledged something. */
function promised(): Course {
  const course = new Course();
  course.records(1, ON, ASYNCHRONOUS);
  course.records(2, ON, PROMISE);
  acknowledges(course, "a", 2);
  return course;
}

test("a primary without what was acknowledged is a violation, under a later epoch and under the same one", () => {
  for (const epoch of [2, 3]) {
    const course = promised();
    expect(() => course.oracle.onWriter(server("b", epoch, new Branch(9, "system", null, "b")))).toThrow(
      Violation,
    );
  }
});

test("what was acknowledged before the cluster was to follow another one may be given up, and after it counts again", () => {
  const course = promised();
  course.records(2, STANDBY, PROMISE);
  course.records(2, STANDBY, ASYNCHRONOUS);
  expect(course.oracle.counts).toMatchObject({ acknowledged: 1, ended: 1 });
  course.records(2, ON, ASYNCHRONOUS);
  course.records(2, ON, PROMISE);
  acknowledges(course, "a", 2);
  expect(course.oracle.counts.acknowledged).toBe(2);
  expect(() => course.oracle.onWriter(server("b", 3, new Branch(9, "system", null, "b")))).toThrow(Violation);
});

test("a wish that is taken back has given up what was acknowledged until then, and nothing after it", () => {
  const course = promised();
  course.records(2, STANDBY, PROMISE);
  acknowledges(course, "a", 2);
  course.records(2, ON, PROMISE);
  course.oracle.onWriter(server("a", 2, new Branch(8, "system", null, "a")));
  acknowledges(course, "a", 2);
  expect(() => course.oracle.onWriter(server("b", 3, new Branch(9, "system", null, "b")))).toThrow(Violation);
});

test("a promise that ends though no operator has asked for it is a violation", () => {
  expect(() => promised().records(2, ON, ASYNCHRONOUS)).toThrow("a promise ends as an operator has asked");
  promised().records(2, { synchronous_mode: "off" }, ASYNCHRONOUS);
});

test("a commit that the records do not promise is a violation, where the mode was on when its epoch began", () => {
  const course = promised();
  course.records(2, STANDBY, ASYNCHRONOUS);
  course.records(2, ON, ASYNCHRONOUS);
  expect(() => acknowledges(course, "a", 2)).toThrow("is promised");
  const off = new Course();
  off.records(1, {}, ASYNCHRONOUS);
  off.records(2, ON, ASYNCHRONOUS);
  acknowledges(off, "a", 2);
});

test("a cluster that has followed another one from its beginning has no other first commit either", () => {
  const course = new Course();
  course.records(1, STANDBY, ASYNCHRONOUS, false);
  course.records(1, STANDBY, ASYNCHRONOUS);
  course.records(1, ON, ASYNCHRONOUS);
  expect(() => acknowledges(course, "a", 1)).toThrow("is promised");
});

test("without the rule of the first promise, what no record has promised is a violation once it is lost", () => {
  const course = new Course(true);
  course.records(1, ON, ASYNCHRONOUS);
  course.records(2, ON, ASYNCHRONOUS);
  acknowledges(course, "a", 2);
  expect(() => course.oracle.onWriter(server("b", 3, new Branch(9, "system", null, "b")))).toThrow(Violation);
});
