import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let directory: string;
beforeAll(() => directory = mkdtempSync(join(tmpdir(), "short-life-")));
afterAll(() => rmSync(directory, { recursive: true }));

const SPY = `
const set = Bun.unsafe.setJITPolicy;
Bun.unsafe.setJITPolicy = (scale) => {
  process.stderr.write("policy " + scale + "\\n");
  set(scale);
};
`;

/** What the command sets, in its own words; its other output is of no interest. */
async function policyOf(...words: string[]): Promise<string[]> {
  const spy = join(directory, "spy.ts");
  writeFileSync(spy, SPY);
  const main = join(import.meta.dir, "../../cli/main.ts");
  const child = Bun.spawn([process.execPath, "--preload", spy, main, ...words], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const text = await new Response(child.stderr).text();
  await child.exited;
  return text.split("\n").filter((line) => line.startsWith("policy "));
}

test("the commands of ctl, which end at once, are hardly compiled; what stays is", async () => {
  expect(await policyOf("ctl", "--help")).toEqual(["policy 64"]);
  expect(await policyOf("__complete", "ctl", "li")).toEqual(["policy 64"]);
  expect(await policyOf("guard")).toEqual([]);
  expect(await policyOf("run", join(directory, "nothing.yml"))).toEqual([]);
});

/** Whether a function that has run 3,000 times was compiled by the optimising compiler. */
const PROGRAM = `
import { numberOfDFGCompiles } from "bun:jsc";
import { expectShortLife } from ${JSON.stringify(join(import.meta.dir, "short_life.ts"))};
if (process.argv[2] === "short") expectShortLife();
function often(x) {
  let sum = 0;
  sum += x * 3;
  if (sum % 7 === 0) sum++;
  return sum;
}
for (let i = 0; i < 3000; i++) often(i);
let rounds = 0;
const look = setInterval(() => {
  often(rounds);
  const compiled = numberOfDFGCompiles(often) > 0;
  // It is compiled by another thread, whenever that gets a processor.
  if (!compiled && (process.argv[2] === "long" || ++rounds < 20)) return;
  clearInterval(look);
  console.log(compiled);
}, 5);
`;

test("the runtime compiles the same function later than usual", () => {
  const program = join(directory, "program.ts");
  writeFileSync(program, PROGRAM);
  const compiled = (life: string) =>
    Bun.spawnSync([process.execPath, program, life], { timeout: 60_000 }).stdout.toString().trim();
  expect(compiled("long")).toBe("true");
  expect(compiled("short")).toBe("false");
});
