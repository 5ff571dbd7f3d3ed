/**
 * A process that cannot run and that nobody can wake: the freezer of control groups (version 2). Needs root.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/lib/process_table.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { isRoot } from "./environment.ts";

function mountPoint(): string | null {
  const mount = readFileSync("/proc/mounts", "utf8").split("\n").map((line) => line.split(" ")).find((
    fields,
  ) => fields[2] === "cgroup2");
  return mount?.[1] ?? null;
}

/** Why it cannot be done here; null when it can. */
export function whyNoFreezer(): string | null {
  if (!isRoot) return "freezing a process needs root";
  return mountPoint() === null ? "there are no control groups of version 2" : null;
}

export class Freezer {
  readonly #directory: string;
  readonly #before: string;
  readonly #pid: number;

  /** Frozen from here on. */
  constructor(pid: number) {
    const root = mountPoint()!;
    const own = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n").find((line) =>
      line.startsWith("0::")
    );
    this.#pid = pid;
    this.#before = join(root, own?.slice("0::".length) ?? "/");
    this.#directory = join(root, `agent-test-${pid}`);
    mkdirSync(this.#directory);
    writeFileSync(join(this.#directory, "cgroup.freeze"), "1");
    writeFileSync(join(this.#directory, "cgroup.procs"), String(pid));
  }

  /** It runs again, unless it was killed meanwhile. */
  async thaw(): Promise<void> {
    writeFileSync(join(this.#directory, "cgroup.freeze"), "0");
    if (isAlive(this.#pid) && existsSync(this.#before)) {
      writeFileSync(join(this.#before, "cgroup.procs"), String(this.#pid));
    }
    await waitFor("an empty control group", 10_000, () => {
      const left = readFileSync(join(this.#directory, "cgroup.procs"), "utf8");
      return left === "";
    });
    rmdirSync(this.#directory);
  }
}
