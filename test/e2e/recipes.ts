/**
 * The configuration files of docs/recipes as the tests run them: with the addresses, ports and paths of a
 * test cluster in the place of the examples', and nothing else changed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

const RECIPES = join(import.meta.dir, "../../docs/recipes");
const DIRECTORIES = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
/** What an example has, and no test cluster. */
const OF_EXAMPLES = /^[^#]*(?:10\.0\.0\.|\/etc\/|\/var\/|CHANGE-ME).*$/m;

/** What a file has as an example, and what is put in its place. */
export interface Values {
  readonly [example: string]: string | number;
}

/** Path of a program of Debian's; null where it is not installed. */
export function programOf(name: string): string | null {
  return DIRECTORIES.map((directory) => join(directory, name)).find((path) => existsSync(path)) ?? null;
}

/**
 * The text of a file with each of `values` in the place of its name. Throws where the file does not have one
 * of them, and where an address or a path of the example is left over.
 */
export function recipe(file: string, values: Values): string {
  const text = readFileSync(join(RECIPES, file), "utf8");
  const missing = new Set(Object.keys(values));
  const names = [...missing].sort((a, b) => b.length - a.length).map(RegExp.escape);
  const filled = text.replace(new RegExp(`(?<![\\w.])(?:${names.join("|")})(?!\\w)`, "g"), (example) => {
    missing.delete(example);
    return String(values[example]);
  });
  if (missing.size > 0) throw new Error(`docs/recipes/${file} does not have ${[...missing].join(", ")}`);
  const left = OF_EXAMPLES.exec(filled);
  if (left !== null) throw new Error(`docs/recipes/${file}: left as it was: ${left[0].trim()}`);
  return filled;
}

/** Commands of a page, in their order: lines of its examples that begin with `agent ctl`. */
export function commandsOf(page: string): string[][] {
  const text = readFileSync(join(RECIPES, page), "utf8");
  return [...text.matchAll(/^ *agent ctl ([^#\n]+)/gm)].map(([, args]) => args!.trim().split(/\s+/));
}

/** A program beside the cluster that runs all the time; started again when it has ended, as by systemd. */
export class Service {
  #process: ChildProcess | null = null;
  readonly #command: readonly string[];
  readonly #directory: string;
  readonly name: string;

  /** `directory`: where it works. Where that is a host's, it ends with the host. */
  constructor(name: string, command: readonly string[], directory: string) {
    this.name = name;
    this.#command = command;
    this.#directory = directory;
  }

  get runs(): boolean {
    return this.#process !== null && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The user that the program has gone on as. */
  get uid(): number {
    const status = readFileSync(`/proc/${this.#process!.pid}/status`, "utf8");
    return Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)![1]);
  }

  ensure(): void {
    if (this.runs) return;
    const log = openSync(join(this.#directory, `${this.name}.log`), "a");
    const [program, ...args] = this.#command;
    this.#process = spawn(program!, args, { cwd: this.#directory, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#process.on("error", (error) => {
      throw new Error(`${this.name} did not start: ${error.message}`);
    });
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#process?.kill(signal);
  }
}
