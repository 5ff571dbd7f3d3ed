/** A copy of the sources in a temporary directory, in which one mutation at a time is applied and tested. */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Mutation } from "./mutation.ts";
import { mutate } from "./mutations.ts";

/** What the tests of mutated files load. */
const COPIED = [
  "raft",
  "src",
  "cli",
  "package.json",
  "tsconfig.json",
];
/** A mutated program that does not end is ended, and has shown itself. */
const PATIENCE_MS = 120_000;

export type Verdict =
  | { readonly kind: "caught"; readonly by: string }
  | { readonly kind: "survived" }
  /** The text to be replaced is gone. */
  | { readonly kind: "stale" }
  /** No test ran to its end: the mutated file cannot be loaded, which proves nothing. */
  | { readonly kind: "broken"; readonly output: string };

interface TestRun {
  readonly passed: boolean;
  /** The first test that failed. */
  readonly failed: string | null;
  readonly hung: boolean;
  readonly output: string;
}

export class Workspace {
  readonly #root: string;
  #running: ReturnType<typeof spawn> | null = null;

  constructor(project: string) {
    this.#root = mkdtempSync(join(tmpdir(), "agent-mutate-"));
    for (const path of COPIED) {
      mkdirSync(dirname(join(this.#root, path)), { recursive: true });
      cpSync(join(project, path), join(this.#root, path), { recursive: true });
    }
    symlinkSync(join(project, "node_modules"), join(this.#root, "node_modules"));
  }

  remove(): void {
    this.#running?.kill("SIGKILL");
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** Null when the tests pass as they must without any mutation; else what they print. */
  async check(tests: readonly string[]): Promise<string | null> {
    const run = await this.#test(tests);
    return run.passed ? null : run.output;
  }

  async try(mutation: Mutation): Promise<Verdict> {
    const path = join(this.#root, mutation.file);
    const source = readFileSync(path, "utf8");
    const mutated = mutate(source, mutation);
    if (mutated === null) return { kind: "stale" };
    writeFileSync(path, mutated);
    try {
      const run = await this.#test(mutation.tests);
      if (run.passed) return { kind: "survived" };
      if (run.failed !== null) return { kind: "caught", by: run.failed };
      return run.hung
        ? { kind: "caught", by: "the tests do not end" }
        : { kind: "broken", output: run.output };
    } finally {
      writeFileSync(path, source);
    }
  }

  #test(tests: readonly string[]): Promise<TestRun> {
    const paths = tests.map((path) => `./${path}`);
    return new Promise((resolve) => {
      const child = spawn(process.execPath, ["test", "--bail=1", "--timeout", "60000", ...paths], {
        cwd: this.#root,
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1" },
      });
      this.#running = child;
      let output = "";
      let hung = false;
      const patience = setTimeout(() => {
        hung = true;
        child.kill("SIGKILL");
      }, PATIENCE_MS);
      child.stdout.on("data", (chunk) => (output += chunk));
      child.stderr.on("data", (chunk) => (output += chunk));
      child.on("close", (code) => {
        clearTimeout(patience);
        this.#running = null;
        resolve({ passed: code === 0, failed: failedTest(output), hung, output });
      });
    });
  }
}

function failedTest(output: string): string | null {
  // "(unnamed)": the file itself failed to load.
  const names = [...output.matchAll(/^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/gm)].map((match) => match[1]!);
  return names.find((name) => name !== "(unnamed)") ?? null;
}
