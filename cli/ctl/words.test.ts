/** Any command line ends with an exit code and a message, and changes nothing by mistake. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { OptionSpec } from "./command.ts";
import { GROUP_OPTIONS } from "./help.ts";
import { COMMANDS } from "./registry.ts";
import { runCtl, StubCluster } from "./testing.ts";

let cluster: StubCluster;
const specs = new Map<string, readonly OptionSpec[]>();
beforeAll(async () => {
  cluster = new StubCluster();
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    specs.set(name, [...(await load()).options, ...GROUP_OPTIONS]);
  }
});
afterAll(() => cluster.stop());

/** Options that repeat for ever, or read what this host has and this test does not know. */
const LEFT_OUT = ["watch", "W", "file", "apply", "replace", "config-file", "dir", "dcs-url"];
const VALUES = [
  "",
  "0",
  "-1",
  "1e400",
  "json",
  "2026-13-45T99:99",
  "a=b",
  "a.b.c=[",
  "ttl=\u0000",
  "../..",
  "🐘".repeat(300),
  "\u202e\u001b[2J",
  "x".repeat(10_000),
];

/** The spelling of an option of the command, or any text in its place. */
function optionOf(name: string, pick: number, value: string): string[] {
  const options = specs.get(name)!.filter(({ names }) => !LEFT_OUT.includes(names[0]!));
  const option = options[pick % options.length]!;
  return option.value === undefined ? [`--${option.names[0]}`] : [`--${option.names[0]}`, value];
}

const anyText = fc.oneof(fc.constantFrom(...VALUES), fc.string({ unit: "binary", maxLength: 40 }));
const anyWord = anyText.filter((word) =>
  !/^-+(W|w|f|c|d)|^--?(watch|file|apply|replace|conf|dir|dcs)/.test(word)
);

test("any words of a command line end with 0, 1 or 2, and without --force nothing is changed", async () => {
  // The live view goes on until a key ends it.
  const names = Object.keys(COMMANDS).filter((name) => name !== "watch");
  const lines = fc.tuple(
    fc.constantFrom(...names),
    fc.array(fc.tuple(fc.nat(50), anyText), { maxLength: 3 }),
    fc.array(anyWord, { maxLength: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(lines, async ([name, options, words]) => {
      const own = options.flatMap(([pick, value]) => optionOf(name, pick, value)).filter((word) =>
        word !== "--force"
      );
      const { code, err } = await runCtl(["-d", cluster.address, name, ...own, ...words], []);
      expect([0, 1, 2]).toContain(code);
      if (code === 2) expect(err).toContain("Error: ");
      expect(err).not.toMatch(/^ +at .*[:(]/m);
    }),
    { numRuns: 300 },
  );
  // pause and resume ask for nothing, as those of patronictl.
  const unasked = cluster.port.calls.filter((call) => !call.startsWith('patchConfig {"pause":'));
  expect(unasked).toEqual([]);
});
