/**
 * Processes that cannot run and that nobody can wake: the freezer of control groups (version 2). Needs root.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/lib/process_table.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { isRoot } from "./environment.ts";

const FREEZE_MS = 10_000;

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

let made = 0;

export class Freezer {
  readonly #directory: string;
  /** Where each process was. */
  readonly #before = new Map<number, string>();

  /** Frozen from here on. */
  constructor(...pids: readonly number[]) {
    this.#directory = join(mountPoint()!, `agent-test-${process.pid}-${++made}`);
    mkdirSync(this.#directory);
    writeFileSync(join(this.#directory, "cgroup.freeze"), "1");
    for (const pid of pids) this.add(pid);
  }

  add(pid: number): void {
    const root = mountPoint()!;
    const own = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n").find((line) =>
      line.startsWith("0::")
    );
    this.#before.set(pid, join(root, own?.slice("0::".length) ?? "/"));
    writeFileSync(join(this.#directory, "cgroup.procs"), String(pid));
  }

  /** As add, where the process may end meanwhile. */
  addIfAlive(pid: number): void {
    try {
      this.add(pid);
    } catch (error) {
      if (isAlive(pid)) throw error;
    }
  }

  /** Waits until all of them stand still. */
  async frozen(): Promise<void> {
    await waitFor("frozen processes", FREEZE_MS, () => /^frozen 1$/m.test(this.#read("cgroup.events")));
  }

  pids(): number[] {
    return this.#read("cgroup.procs").split("\n").filter((line) => line !== "").map(Number);
  }

  /** They run again, unless they were killed meanwhile. */
  async thaw(): Promise<void> {
    writeFileSync(join(this.#directory, "cgroup.freeze"), "0");
    await waitFor("an empty control group", FREEZE_MS, () => {
      // Children that were started between two looks are moved, too.
      for (const pid of this.pids()) this.#moveBack(pid);
      return this.pids().length === 0;
    });
    rmdirSync(this.#directory);
  }

  #moveBack(pid: number): void {
    const before = this.#before.get(pid) ?? mountPoint()!;
    const to = existsSync(before) ? before : mountPoint()!;
    try {
      writeFileSync(join(to, "cgroup.procs"), String(pid));
    } catch (error) {
      // ESRCH: it has ended meanwhile.
      if (isAlive(pid)) throw error;
    }
  }

  #read(name: string): string {
    return readFileSync(join(this.#directory, name), "utf8");
  }
}
