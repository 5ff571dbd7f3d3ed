/**
 * `npm run mutate`: breaks the product in every way that mutations.ts lists, one at a time, and shows that a
 * test notices. Fails when a mutation survives, does not apply any more, or cannot be loaded.
 *
 *     npm run mutate -- [--only PART-OF-NAME,...] [--jobs N] [--list]
 */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Mutation } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";
import { type Verdict, Workspace } from "./workspace.ts";

interface Options {
  /** Parts of names; what contains any of them is chosen. */
  readonly only: readonly string[];
  readonly jobs: number;
  readonly list: boolean;
}

function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { only: { type: "string" }, jobs: { type: "string" }, list: { type: "boolean" } },
  });
  const jobs = Number(values.jobs ?? Math.min(4, availableParallelism()));
  if (!Number.isSafeInteger(jobs) || jobs < 1) throw new Error("--jobs is a positive number");
  return { only: values.only?.split(",") ?? [""], jobs, list: values.list ?? false };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function describe({ name, file }: Mutation, verdict: Verdict, seconds: number): string {
  const what = `${name} (${file}, ${seconds.toFixed(1)} s)`;
  switch (verdict.kind) {
    case "caught":
      return `caught    ${what}: ${verdict.by}`;
    case "survived":
      return `SURVIVED  ${what}: no test noticed`;
    case "stale":
      return `STALE     ${what}: the text to be replaced is not there, or there twice`;
    case "broken":
      return `BROKEN    ${what}: no test could run\n${verdict.output}`;
  }
}

/** True when all mutations were caught. */
async function run(options: Options): Promise<boolean> {
  const chosen = MUTATIONS.filter(({ name, file }) =>
    options.only.some((part) => `${file} ${name}`.includes(part))
  );
  if (options.list) {
    for (const { name, file } of chosen) print(`${file}: ${name}`);
    return true;
  }
  const project = resolve(".");
  const begin = performance.now();
  const waiting = [...chosen];
  const uncaught: string[] = [];
  const workspaces = Array.from(
    { length: Math.min(options.jobs, chosen.length) },
    () => new Workspace(project),
  );
  const removeAll = () => workspaces.forEach((workspace) => workspace.remove());
  process.once("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const tests = [...new Set(chosen.flatMap((mutation) => mutation.tests))];
  const problem = await workspaces[0]?.check(tests) ?? null;
  if (problem !== null) {
    print(`The tests must pass before they can prove anything:\n${problem}`);
    return false;
  }
  await Promise.all(workspaces.map(async (workspace) => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const since = performance.now();
      const verdict = await workspace.try(next);
      if (verdict.kind !== "caught") uncaught.push(next.name);
      print(describe(next, verdict, (performance.now() - since) / 1000));
    }
  }));
  const caught = chosen.length - uncaught.length;
  const seconds = Math.round((performance.now() - begin) / 1000);
  const rest = uncaught.length === 0 ? "" : `; not caught: ${uncaught.join(", ")}`;
  print(`mutations: ${caught} of ${chosen.length} caught in ${seconds} s${rest}`);
  return uncaught.length === 0 && chosen.length > 0;
}

run(optionsOf(process.argv.slice(2))).then(
  (allCaught) => process.exit(allCaught ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  },
);
