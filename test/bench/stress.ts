/**
 * A host under load: CPU hogs, a disk that is always at fsync, little memory left. Ends with stop(), whatever
 * happens.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const HOGS = 4;
const WRITERS = 4;
const LEFT_BYTES = 2 * 1024 ** 3;

export class Stress {
  readonly #children: ChildProcess[] = [];
  readonly #writers: Counted[];
  readonly #memory: Counted;
  readonly #beginMs = performance.now();
  readonly #stalledUs = memoryStalledUs();
  readonly #atExit = () => this.stop();
  #most = 0;

  /** `directory`: on the disk that the cluster uses. */
  constructor(directory: string) {
    process.on("exit", this.#atExit);
    for (let i = 0; i < HOGS; i++) this.#start("sh", ["-c", "while :; do :; done"]);
    this.#writers = Array.from(
      { length: WRITERS },
      (_, i) => this.#counted("fsync", join(directory, `storm-${i}`)),
    );
    this.#memory = this.#counted("memory", String(LEFT_BYTES));
  }

  stop(): void {
    process.off("exit", this.#atExit);
    for (const child of this.#children) child.kill("SIGKILL");
  }

  /** What it did so far, as a sentence. */
  text(): string {
    const seconds = (performance.now() - this.#beginMs) / 1000;
    const fsyncs = this.#writers.reduce((sum, { value }) => sum + value, 0);
    this.#most = Math.max(this.#most, this.#memory.value);
    const stalledS = (memoryStalledUs() - this.#stalledUs) / 1e6;
    return `${HOGS} hogs, ${(fsyncs / seconds).toFixed(0)} fsyncs/s, ${
      (this.#most / 1024 ** 3).toFixed(1)
    } GiB taken to leave ` +
      `${LEFT_BYTES / 1024 ** 3} GiB (${stalledS.toFixed(1)} s of stalls for memory)`;
  }

  #counted(...args: string[]): Counted {
    const counted = { value: 0 };
    const child = this.#start(process.execPath, [join(import.meta.dir, "stress_process.ts"), ...args]);
    child.stdout!.on("data", (chunk: Buffer) => {
      counted.value = Number(chunk.toString().trim().split("\n").at(-1));
    });
    return counted;
  }

  #start(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    child.on("error", (error) => {
      throw new Error(`${program} did not start: ${error.message}`);
    });
    this.#children.push(child);
    return child;
  }
}

interface Counted {
  value: number;
}

/** Time in which some process of this machine waited for memory; 0 where the kernel does not say. */
function memoryStalledUs(): number {
  try {
    const text = readFileSync("/proc/pressure/memory", "latin1");
    return Number(/^some .*total=(\d+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return 0; // a kernel without pressure stall information
  }
}
