import { expect, test } from "bun:test";
import { BREAKABLE, parseOptions, USAGE } from "./options.ts";

function options(...args: string[]) {
  const parsed = parseOptions(args);
  if (parsed.kind !== "options") throw new Error(parsed.kind === "error" ? parsed.message : "help");
  return parsed.options;
}

test("defaults: a hundred seeds; one when only a seed is named; no end with a limit of time", () => {
  expect(options()).toMatchObject({ seeds: 100, seed: 1, hours: Infinity, seconds: Infinity, trace: false });
  expect(options("--seed", "7")).toMatchObject({ seeds: 1, seed: 7 });
  expect(options("--seed=7", "--seeds=3")).toMatchObject({ seeds: 3, seed: 7 });
  expect(options("--seconds", "10").seeds).toBe(Number.MAX_SAFE_INTEGER);
});

test("what makes no sense is refused with a sentence", () => {
  for (
    const args of [
      ["--sedes", "1"],
      ["--seeds"],
      ["--seeds", "x"],
      ["--seeds", "1.5"],
      ["--seeds", "0"],
      [
        "--hours",
        "-1",
      ],
      [
        "--break",
        "nothing",
      ],
      ["--only", "nothing"],
      ["3"],
    ]
  ) {
    expect(parseOptions(args)).toMatchObject({ kind: "error", message: expect.stringContaining(args[0]!) });
  }
});

test("the help names every rule that can be broken", () => {
  expect(parseOptions(["--seeds", "3", "--help"])).toEqual({ kind: "help" });
  for (const name of Object.keys(BREAKABLE)) expect(USAGE).toContain(name);
});
