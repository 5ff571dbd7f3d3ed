/**
 * The floor: what the runtime takes in the place of agent and guard, for as many wake-ups a second with one
 * small message read and written, and for none. Compiled as this program is.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEMORY_VARIABLE } from "../../src/lib/quiet_memory.ts";
import { run } from "../../src/demo/run.ts";

const MESSAGE = Buffer.alloc(64, "x");
const FLAGS = ["--compile", "--minify", "--format=esm", "--splitting", "--bytecode", "--sourcemap"];
const LOADS = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
/** As src/lib/quiet_memory.ts sets it. */
const QUIET_MEMORY = { [MEMORY_VARIABLE]: "10000" };

/** Two processes in the place of one host's agent and guard. */
export interface FloorPair {
  readonly pids: readonly [agent: number, guard: number];
}

export class Floor {
  readonly #directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #servers: Server[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #onExit = () => this.close();

  private constructor(directory: string) {
    this.#directory = directory;
    process.on("exit", this.#onExit);
  }

  static async create(): Promise<Floor> {
    const floor = new Floor(mkdtempSync(join(tmpdir(), "agent-floor-")));
    const source = join(import.meta.dir, "floor_process.ts");
    const build = ["build", ...FLAGS, ...LOADS, source, "--outfile", floor.#program("waking")];
    const { code, output } = await run(process.execPath, build, floor.#directory);
    if (code !== 0) throw new Error(`the program of the floor was not compiled: ${output}`);
    // A file of its own: processes of one file share its pages, and three hosts with one kind have three.
    copyFileSync(floor.#program("waking"), floor.#program("idle"));
    for (const kind of ["waking", "idle"]) chmodSync(floor.#program(kind), 0o755);
    return floor;
  }

  #program(kind: string): string {
    return join(this.#directory, kind);
  }

  /** Nothing wakes them. */
  idle(): FloorPair {
    const one = () => this.#spawn("idle", "nothing");
    return { pids: [one(), one()] };
  }

  /** Each is woken so many times a second by a message. */
  async waking(aSecond: readonly [agent: number, guard: number]): Promise<FloorPair> {
    const [agent, guard] = [await this.#woken(aSecond[0]), await this.#woken(aSecond[1])];
    return { pids: [agent, guard] };
  }

  async #woken(aSecond: number): Promise<number> {
    const server = createServer();
    this.#servers.push(server);
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const pid = this.#spawn("waking", String((server.address() as { port: number }).port));
    const socket = await connected;
    socket.setNoDelay(true);
    socket.on("error", () => undefined).resume();
    this.#timers.push(setInterval(() => socket.write(MESSAGE), 1000 / aSecond));
    return pid;
  }

  #spawn(kind: string, argument: string): number {
    const child = spawn(this.#program(kind), [argument], {
      cwd: this.#directory,
      env: { ...process.env, ...QUIET_MEMORY },
      stdio: ["ignore", "inherit", "inherit"],
    });
    this.#children.push(child);
    if (child.pid === undefined) throw new Error("the program of the floor did not start");
    return child.pid;
  }

  close(): void {
    process.off("exit", this.#onExit);
    for (const timer of this.#timers) clearInterval(timer);
    for (const child of this.#children) child.kill("SIGKILL");
    for (const server of this.#servers) server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
