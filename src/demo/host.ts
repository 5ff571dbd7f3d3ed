/**
 * One "host" of a cluster on this machine: a directory, an agent started in it, and every process whose
 * working directory lies there (agent, guard, PostgreSQL and their children). Faults are injected from
 * outside, by signals.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeAddresses } from "./node_config.ts";
import { isAlive } from "../lib/process_table.ts";
import { commandLine, processesIn, signal } from "./processes.ts";
import { type ClientCertificate, rest, type RestReply } from "./rest.ts";
import { SharedMemory } from "./shared_memory.ts";
import { waitFor } from "./wait_for.ts";

/** The time for a kill: the killed process may have to wait for a disk first. */
const KILL_MS = 30_000;

export interface HostSettings {
  readonly binary: string;
  /**
   * Put before the command: another user (setpriv), a network namespace (ip netns exec). Must exec, not fork.
   */
  readonly prefix: readonly string[];
  readonly env: { readonly [name: string]: string | undefined };
  /** @default "run" */
  readonly command?: "run" | "witness";
  /** Its REST API speaks HTTPS, and is shown this. @default plain HTTP */
  readonly clientCertificate?: ClientCertificate;
}

export class Host {
  readonly configFile: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly #sharedMemory = new SharedMemory();
  #child: ChildProcess | null = null;

  readonly directory: string;
  readonly addresses: NodeAddresses;
  readonly settings: HostSettings;

  constructor(
    directory: string,
    addresses: NodeAddresses,
    settings: HostSettings,
  ) {
    this.directory = directory;
    this.addresses = addresses;
    this.settings = settings;
    this.configFile = join(directory, "agent.yml");
    this.dataDir = join(directory, "data");
    this.logFile = join(directory, "agent.log");
  }

  get name(): string {
    return this.addresses.name;
  }

  get restAddress(): string {
    return `${this.addresses.address}:${this.addresses.restPort}`;
  }

  /** Starts the agent; its output goes to logFile. */
  start(...moreArgs: string[]): void {
    if (this.runs()) throw new Error(`the agent of ${this.name} runs already`);
    this.#sharedMemory.forget();
    const log = openSync(this.logFile, "a");
    const [program, ...args] = [
      ...this.settings.prefix,
      this.settings.binary,
      this.settings.command ?? "run",
      this.configFile,
      ...moreArgs,
    ];
    const child = spawn(program!, args, {
      cwd: this.directory,
      env: { ...this.settings.env, HOME: this.directory },
      stdio: ["ignore", log, log],
      // A session of its own: Ctrl-C at the terminal is for the process that drives the cluster, which then
      // ends the hosts.
      detached: true,
    });
    closeSync(log);
    child.on("error", (error) => {
      throw new Error(`the agent of ${this.name} did not start: ${error.message}`);
    });
    child.unref();
    this.#child = child;
  }

  /** What start() started has not ended. */
  runs(): boolean {
    return this.agentPid() !== null;
  }

  /** The agent that start() started, while it lives. */
  agentPid(): number | null {
    const child = this.#child;
    if (child === null || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      return null;
    }
    return isAlive(child.pid) ? child.pid : null;
  }

  guardPid(): number | null {
    return this.processes().find((pid) => commandLine(pid)[1] === "guard") ?? null;
  }

  postmasterPid(): number | null {
    const file = join(this.dataDir, "postmaster.pid");
    if (!existsSync(file)) return null;
    const pid = Number(readFileSync(file, "utf8").split("\n")[0]);
    return pid > 0 && isAlive(pid) && processesIn(this.dataDir).includes(pid) ? pid : null;
  }

  processes(): number[] {
    return processesIn(this.directory);
  }

  /** PostgreSQL's processes: postmaster, backends, walsenders and the rest. */
  postgresProcesses(): number[] {
    return processesIn(this.dataDir);
  }

  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  /** The host loses its power: every process of it is killed, until none is left. */
  async powerOff(): Promise<void> {
    this.#sharedMemory.note(this.postgresProcesses());
    await stopProcessesIn(this.directory);
    // A process that is ending loses its working directory a moment before it is gone.
    await waitFor(`the end of the agent of ${this.name}`, KILL_MS, () => this.agentPid() === null, 2);
  }

  /** powerOff for the end of the program, when nothing can be waited for. */
  powerOffNow(): void {
    this.#sharedMemory.note(this.postgresProcesses());
    for (let round = 0; round < 50; round++) {
      const pids = this.processes();
      if (pids.length === 0) return;
      for (const pid of pids) signal(pid, "SIGKILL");
    }
  }

  /**
   * After its end: removes the remains that a host would lose with its power. Its PostgreSQL must not be
   * started again.
   */
  removeSharedMemory(): void {
    this.#sharedMemory.remove();
  }

  /** Only PostgreSQL dies, all of it at once. */
  async killPostgres(): Promise<void> {
    const postmaster = this.postmasterPid();
    const first = this.postgresProcesses();
    for (const pid of first) signal(pid, "SIGKILL");
    await waitFor(
      `the death of PostgreSQL on ${this.name}`,
      KILL_MS,
      () => first.every((pid) => !isAlive(pid)),
      2,
    );
    if (postmaster === null) throw new Error(`there was no PostgreSQL on ${this.name} to kill`);
  }

  async killAgent(): Promise<void> {
    const pid = this.signalAgent("SIGKILL");
    await waitFor(`the death of the agent of ${this.name}`, KILL_MS, () => !isAlive(pid), 2);
  }

  /** Returns the agent's pid. */
  signalAgent(name: NodeJS.Signals): number {
    const pid = this.agentPid();
    if (pid === null || !signal(pid, name)) throw new Error(`the agent of ${this.name} does not run`);
    return pid;
  }

  /** Asks the agent to end (SIGTERM) and waits until it has. */
  async stopAgent(deadlineMs: number): Promise<void> {
    const pid = this.signalAgent("SIGTERM");
    await waitFor(`the agent of ${this.name} to stop`, deadlineMs, () => !isAlive(pid));
  }

  /** The exit code once the agent has ended by itself. */
  async exitCode(deadlineMs: number): Promise<number> {
    const child = this.#child;
    if (child === null) throw new Error(`the agent of ${this.name} was never started`);
    const code = await waitFor(
      `the agent of ${this.name} to end`,
      deadlineMs,
      () =>
        child.exitCode === null
          ? (child.signalCode === null ? null : { code: 128 })
          : { code: child.exitCode },
    );
    return code.code;
  }

  rest(path: string, options: Parameters<typeof rest>[2] = {}): Promise<RestReply> {
    const tls = this.settings.clientCertificate;
    return rest(this.restAddress, path, tls ? { ...options, tls } : options);
  }

  /**
   * Whether the health check answers 200; false when there is no answer within `timeoutMs`. For callers that
   * ask again: on a loaded machine a single look may wrongly say no.
   */
  async answers(path: string, timeoutMs = 1000): Promise<boolean> {
    try {
      return (await this.rest(path, { timeoutMs })).status === 200;
    } catch {
      // No answer is an answer: not healthy.
      return false;
    }
  }
}

/**
 * SIGKILL to every process that works in a directory, again and again: one may fork while the others are
 * looked at.
 */
export async function stopProcessesIn(directory: string): Promise<void> {
  await stopProcesses(directory, () => processesIn(directory));
}

/** The same for whatever `list` finds; `directory` names them in the failure. */
export async function stopProcesses(directory: string, list: () => readonly number[]): Promise<void> {
  await waitFor(`the end of every process in ${directory}`, KILL_MS, () => {
    const pids = list();
    for (const pid of pids) signal(pid, "SIGKILL");
    return pids.length === 0;
  }, 2);
}
