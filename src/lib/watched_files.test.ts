import { expect, test } from "bun:test";
import { UnusableFiles, WatchedFiles } from "./watched_files.ts";

function watch() {
  const world = { state: "a", fault: null as Error | null };
  const taken: string[] = [];
  const said: string[] = [];
  const files = new WatchedFiles({
    state: () => world.state,
    take: (why) => {
      taken.push(`${world.state}: ${why}`);
      if (world.fault !== null) throw world.fault;
    },
    failed: (reason) => said.push(reason),
  });
  return { world, taken, said, files };
}

test("files are taken when they have changed, and once", () => {
  const { world, taken, files } = watch();
  files.look();
  expect(taken).toEqual([]);
  world.state = "b";
  files.look();
  files.look();
  expect(taken).toEqual(["b: they have changed on the disk"]);
  files.takeNow("SIGHUP");
  expect(taken.at(-1)).toBe("b: SIGHUP");
});

test("a failure is said once and tried again at each look, another one is said", () => {
  const { world, taken, said, files } = watch();
  [world.state, world.fault] = ["b", new Error("EMFILE")];
  for (let i = 0; i < 3; i++) files.look();
  expect([taken.length, said]).toEqual([3, ["EMFILE"]]);
  world.fault = new Error("EIO");
  files.look();
  expect(said).toEqual(["EMFILE", "EIO"]);
  world.fault = null;
  files.look();
  files.look();
  expect([taken.length, said.length]).toEqual([5, 2]);
});

test("the same failure of other files, or of files that are to be taken now, is said again", () => {
  const { world, said, files } = watch();
  world.fault = new Error("no pair");
  for (const state of ["b", "c"]) {
    world.state = state;
    files.look();
  }
  files.takeNow("SIGHUP");
  expect(said).toEqual(["no pair", "no pair", "no pair"]);
});

test("files that are at fault themselves are not tried again before they change", () => {
  const { world, taken, said, files } = watch();
  [world.state, world.fault] = ["b", new UnusableFiles("no pair")];
  for (let i = 0; i < 3; i++) files.look();
  expect([taken.length, said]).toEqual([1, ["no pair"]]);
  [world.state, world.fault] = ["c", null];
  files.look();
  files.look();
  expect(taken).toHaveLength(2);
});

test("files that were put in force in another way are not taken once more, and their failure is over", () => {
  const { world, taken, said, files } = watch();
  [world.state, world.fault] = ["b", new Error("EIO")];
  files.look();
  world.fault = null;
  files.inForce("b");
  files.look();
  expect([taken.length, said]).toEqual([1, ["EIO"]]);
  files.tryAgain();
  files.look();
  files.look();
  expect(taken).toHaveLength(2);
});

test("a change while the files are read is seen by the next look", () => {
  let state = "a";
  const taken: string[] = [];
  const files = new WatchedFiles({
    state: () => state,
    take: () => {
      taken.push(state);
      state = "c";
    },
    failed: (reason) => expect.unreachable(reason),
  });
  state = "b";
  for (let i = 0; i < 3; i++) files.look();
  expect(taken).toEqual(["b", "c"]);
});
