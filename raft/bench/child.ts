/** Process of the benchmark that answers lines with lines, in order. */
import { type ChildProcess, spawn } from "node:child_process";

export class Child {
  readonly #process: ChildProcess;
  #waiting: ((line: string) => void)[] = [];
  #lines: string[] = [];
  #ended: Promise<void>;

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#ended = new Promise((resolve) => this.#process.once("close", () => resolve()));
    // A killed process reads no more.
    this.#process.stdin!.on("error", () => {});
    let rest = "";
    this.#process.stdout!.on("data", (chunk) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop()!;
      for (const line of parts) this.#take(line);
    });
  }

  /** Waits for the next line that it prints. */
  line(): Promise<string> {
    const line = this.#lines.shift();
    return line !== undefined ? Promise.resolve(line) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(text: string): Promise<string> {
    this.#process.stdin!.write(`${text}\n`);
    return this.line();
  }

  /** Kills the process with SIGKILL. */
  kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    return this.#ended;
  }

  #take(line: string): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(line);
    else this.#lines.push(line);
  }
}
