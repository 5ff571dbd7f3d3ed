/**
 * Runs PostgreSQL's programs (initdb, pg_basebackup, pg_rewind ...) and the user's hooks: each in a process
 * group of its own, so that ending it ends its children, with its output captured. Never runs the server
 * itself: the guard does. Passwords never travel through arguments or environment.
 */
import { spawn, spawnSync } from "node:child_process";
import { isOwnVariable } from "../lib/own_variables.ts";
import { isAlive, listChildren, readProcess } from "../lib/process_table.ts";
import { withoutCredentials } from "../model/credentials.ts";

export interface ProgramOptions {
  /** Added to the environment. */
  readonly env?: { readonly [name: string]: string };
  /**
   * "server": the user's locale is kept (initdb, hooks). Default: messages in English, which the agent can
   * read.
   */
  readonly environment?: "program" | "server";
  /** Never the data directory: a process that works there counts as PostgreSQL's. @default the agent's own */
  readonly cwd?: string;
  readonly timeoutMs?: number;
  /** Ends the whole process group. */
  readonly signal?: AbortSignal;
  /** Text of standard output and standard error as it comes. */
  readonly onOutput?: (stream: "stdout" | "stderr", text: string) => void;
  /** The program's pid, which is its process group, right after the start. */
  readonly onStart?: (pid: number) => void;
  /** Characters of output that are kept, counted from the end; default 64 Ki. */
  readonly keep?: number;
  /**
   * How long after its end was asked for a program is still waited for, ms. SIGKILL ends neither one that has
   * become another user's (sudo) nor one that hangs in the kernel. Not for programs that write a data
   * directory: those are waited for. @default until it ends
   */
  readonly leaveAfterMs?: number;
}

export interface ProgramResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Set when the agent ended it, or it could not be started. */
  readonly failure: "timeout" | "aborted" | "not started" | null;
  /** It could not be ended, and is waited for no more. */
  readonly left?: true;
}

const KEEP = 64 * 1024;
const OUTPUT_WAIT_MS = 500;
/** What has SIGKILL is gone in a moment, or hangs in the kernel and writes nothing any more. */
const GROUP_GONE_MS = 5000;
const LOOK_MS = 10;

/** Never rejects: a program that cannot be started is a result, too. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const keep = options.keep ?? KEEP;
    let stdout = "";
    let stderr = "";
    let failure: ProgramResult["failure"] = null;
    if (options.signal?.aborted) {
      resolve({ code: null, signal: null, stdout, stderr, failure: "aborted" });
      return;
    }
    const child = spawn(program, [...args], {
      ...surroundings(options),
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let finished = false;
    let leaving: ReturnType<typeof setTimeout> | null = null;
    const end = (why: "timeout" | "aborted") => {
      failure ??= why;
      if (child.pid !== undefined) killTree(child.pid);
      const { leaveAfterMs } = options;
      if (leaveAfterMs === undefined) return;
      leaving ??= setTimeout(() => finish({ code: null, signal: null, left: true }), leaveAfterMs);
    };
    const onAbort = () => end("aborted");
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const timer = options.timeoutMs === undefined
      ? null
      : setTimeout(() => end("timeout"), options.timeoutMs);
    const finish = (result: Pick<ProgramResult, "code" | "signal" | "left">) => {
      if (finished) return;
      finished = true;
      if (timer !== null) clearTimeout(timer);
      if (leaving !== null) clearTimeout(leaving);
      options.signal?.removeEventListener("abort", onAbort);
      resolve({ ...result, stdout, stderr, failure });
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout = (stdout + text).slice(-keep);
      options.onOutput?.("stdout", text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-keep);
      options.onOutput?.("stderr", text);
    });
    child.on("error", (error) => {
      if (child.pid !== undefined) return;
      failure = "not started";
      stderr = `${program}: ${error.message}`;
      finish({ code: null, signal: null });
    });
    // "close" comes after the output has been read to its end. A process that a hook leaves behind may keep
    // it open for ever: then the exit alone has to do.
    child.on("close", (code, signal) => finish({ code, signal }));
    child.on("exit", (code, signal) => void setTimeout(() => finish({ code, signal }), OUTPUT_WAIT_MS));
    if (child.pid !== undefined) options.onStart?.(child.pid);
  });
}

/**
 * Runs a program that writes a data directory, or parts of one. With its end everything in its process group
 * ends: where only the parent is killed, a child goes on writing for a moment (pg_basebackup's receiver of
 * WAL), into what is cleaned for the next try.
 */
export async function runWriter(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  let group: number | null = null;
  const result = await runProgram(program, args, {
    ...options,
    onStart: (pid) => {
      group = pid;
      options.onStart?.(pid);
    },
  });
  if (group === null) return result;
  const end = performance.now() + GROUP_GONE_MS;
  while (signalProcess(-group, "SIGKILL") && performance.now() < end) await Bun.sleep(LOOK_MS);
  return result;
}

function surroundings({ environment, env, cwd }: ProgramOptions) {
  const isServer = environment === "server";
  return {
    env: { ...(isServer ? serverEnvironment() : childEnvironment()), ...env },
    // Hooks of the user inherit the agent's directory; its own programs need none.
    cwd: cwd ?? (isServer ? undefined : "/"),
  };
}

/** For start-up only: blocks until the program has ended. */
export function runProgramNow(program: string, args: readonly string[]): { ok: boolean; output: string } {
  const result = spawnSync(program, [...args], {
    env: childEnvironment(),
    cwd: "/",
    encoding: "utf8",
    timeout: 10_000,
  });
  const error = result.error ? result.error.message : `${result.stderr ?? ""}`.trim();
  return result.status === 0 ? { ok: true, output: result.stdout } : { ok: false, output: error };
}

export function succeeded(result: ProgramResult): boolean {
  return result.code === 0 && result.failure === null;
}

/**
 * One line for logs and views: how it ended, and its last lines of output, without what looks like a
 * credential: the REST interface tells it to everybody.
 */
export function describeFailure(program: string, result: ProgramResult): string {
  const how = result.left
    ? "took too long, and could not be ended: it runs on"
    : result.failure === "timeout"
    ? "took too long and was ended"
    : result.failure === "aborted"
    ? "was cancelled"
    : result.failure === "not started"
    ? "could not be started"
    : result.signal !== null
    ? `was ended by ${result.signal}`
    : `failed with exit code ${result.code}`;
  const lines = `${result.stderr}\n${result.stdout}`.split(/[\r\n]+/).map((line) => line.trim())
    .filter((line) => line !== "" && !/^\d+\/\d+ kB/.test(line));
  const errors = lines.filter((line) => /error|fatal|detail|hint/i.test(line));
  const said = withoutCredentials((errors.length > 0 ? errors : lines).slice(-4).join("; "));
  return said === "" ? `${program} ${how}` : `${program} ${how}: ${said}`;
}

/**
 * Variables for children: the agent's without those that configure it or this runtime, and with messages in
 * English.
 */
export function childEnvironment(): { [name: string]: string } {
  const env: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || isOwnVariable(name) || /^(?:PG|LC_|LANG)/.test(name)) continue;
    env[name] = value;
  }
  return { ...env, LC_ALL: "C" };
}

/** Variables for PostgreSQL itself: locale kept, because the server takes defaults from it. */
export function serverEnvironment(): { [name: string]: string } {
  const env: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || isOwnVariable(name) || /^PG(?!_MALLOC|BACKREST_)/.test(name)) continue;
    env[name] = value;
  }
  const arenas = process.env.PG_MALLOC_ARENA_MAX;
  delete env.PG_MALLOC_ARENA_MAX;
  return arenas === undefined ? env : { ...env, MALLOC_ARENA_MAX: arenas };
}

/** Directories of PATH, and the home directory. */
export function searchPath(): string[] {
  return (process.env.PATH ?? "").split(":").filter((path) => path !== "");
}

/** Identity of a process across agents: its pid alone may be reused. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

export function identify(pid: number): ProcessIdentity | null {
  const found = readProcess(pid);
  return found === null ? null : { pid, startTicks: found.startTicks };
}

/**
 * Ends the process group of a program that an earlier agent started and left behind. True when it was still
 * there.
 */
export function killLeftover(leftover: ProcessIdentity): boolean {
  const found = readProcess(leftover.pid);
  if (found === null || found.startTicks !== leftover.startTicks || !isAlive(leftover.pid)) return false;
  killGroup(leftover.pid, "SIGKILL");
  return true;
}

/** Ends the program's process group, and children of it that have left the group (setsid). */
function killTree(pid: number): void {
  const outside = descendants(pid);
  killGroup(pid, "SIGKILL");
  for (const one of outside) signalProcess(one, "SIGKILL");
}

function descendants(pid: number): number[] {
  return listChildren(pid).flatMap((child) => [child, ...descendants(child)]);
}

/** Signals a process group that the agent made. It may be gone already. */
function killGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  signalProcess(-pid, signal);
}

/** False when there is no such process. */
export function signalProcess(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false; // ESRCH: it has ended by itself; EPERM: it has become another user's (leaveAfterMs)
  }
}
