/**
 * Processes as /proc shows them. Reads only files that the kernel answers from memory: a hung disk never
 * blocks a reading here, neither does a process that holds its own memory map (so never cmdline or environ).
 */
import { readdirSync, readFileSync } from "node:fs";
import { ENOENT, readLink, readLinkOrErrno } from "./ffi.ts";

export interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  /** One letter as in proc(5): R S D T t Z X ... */
  readonly state: string;
  readonly parentPid: number;
  /** Device number of the controlling terminal; 0: none. */
  readonly terminal: number;
  /** Clock ticks after boot: with the pid, an identity that is not reused. */
  readonly startTicks: number;
  /** Clock ticks that it has computed for, in user and kernel mode. */
  readonly cpuTicks: number;
  /** Threads that have not ended, the first one included for as long as the process exists. */
  readonly threads: number;
}

/** null when there is no such process (any more). */
export function readProcess(pid: number): ProcessStat | null {
  let line: string;
  try {
    line = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null; // gone, or never there: the same answer
  }
  // The name may contain spaces and parentheses: it ends at the last one.
  const open = line.indexOf("(");
  const close = line.lastIndexOf(")");
  const fields = line.slice(close + 2).split(" ");
  return {
    pid,
    name: line.slice(open + 1, close),
    state: fields[0] ?? "X",
    parentPid: Number(fields[1]),
    terminal: Number(fields[4]),
    startTicks: Number(fields[19]),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
    threads: Number(fields[17]),
  };
}

/**
 * A zombie is dead: it runs nothing any more, only its parent is late. The state is the first thread's alone:
 * where that one has ended before the others, they run on, write on, and keep files and ports open (a thread
 * that waits for a hung disk does so for as long as the disk hangs, SIGKILL or not).
 */
export function isDead(process: ProcessStat | null): boolean {
  if (process === null) return true;
  return (process.state === "Z" || process.state === "X") && process.threads <= 1;
}

/** Stopped by a signal or by a debugger. */
export function isStopped(process: ProcessStat): boolean {
  return process.state === "T" || process.state === "t";
}

export function isAlive(pid: number): boolean {
  return !isDead(readProcess(pid));
}

export function listPids(): number[] {
  const pids: number[] = [];
  for (const name of readdirSync("/proc")) {
    const first = name.charCodeAt(0);
    if (first >= 48 && first <= 57) pids.push(Number(name));
  }
  return pids;
}

/**
 * Children of the process's main thread, as far as the kernel lists them: one may be missing while others
 * end.
 */
export function listChildren(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // gone, or a kernel without CONFIG_PROC_CHILDREN
  }
}

/** Working directory; null for a kernel thread, a zombie, or a process that this user may not look at. */
export function workingDirectory(pid: number): string | null {
  return readLinkOf(pid, "cwd");
}

/** Path of the running program; null as for workingDirectory. */
export function executable(pid: number): string | null {
  return readLinkOf(pid, "exe");
}

function readLinkOf(pid: number, name: string): string | null {
  const target = readLinkOrErrno(`/proc/${pid}/${name}`);
  if (typeof target === "string") return target;
  // What may not be looked at is refused in another way.
  return target === ENOENT ? readLinkOfThreads(pid, name) : null;
}

/** Where the first thread has ended and others run on, they alone have it still. */
function readLinkOfThreads(pid: number, name: string): string | null {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return null; // gone
  }
  for (const thread of threads) {
    const target = readLink(`/proc/${pid}/task/${thread}/${name}`);
    if (target !== null) return target;
  }
  return null;
}

/** The user that it acts as; null when there is no such process. */
export function effectiveUser(pid: number): number | null {
  try {
    const uid = /^Uid:\s*\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return uid === undefined ? null : Number(uid);
  } catch {
    return null; // gone
  }
}

/** Which tree of mounts the process sees: equal text, same tree. */
export function mountNamespace(pid: number): string | null {
  return readLinkOf(pid, "ns/mnt");
}

const SIGKILL_BIT = 1n << 8n;
const SIGSTOP_BIT = 1n << 18n;

/**
 * Stopped, or certain to stop before it runs another instruction of its own: SIGSTOP is queued and cannot be
 * blocked.
 */
export function isStoppedOrWill(process: ProcessStat): boolean {
  return isStopped(process) || isQueued(process.pid, SIGSTOP_BIT);
}

/**
 * SIGKILL is queued, which nothing blocks: it dies before it runs another instruction of its own. True when
 * it is gone.
 */
export function isDoomed(process: ProcessStat): boolean {
  return isDead(process) || isQueued(process.pid, SIGKILL_BIT);
}

/** True also when the process is gone. */
function isQueued(pid: number, bit: bigint): boolean {
  return hasSignal(pid, "SigPnd|ShdPnd", bit) ?? true;
}

/**
 * It has a handler for the signal of that number, or ignores it: a program that has only just begun has
 * neither, and the signal would end it. null: it is gone.
 */
export function takesSignal(pid: number, signal: number): boolean | null {
  return hasSignal(pid, "SigCgt|SigIgn", 1n << BigInt(signal - 1));
}

/** One of these masks in /proc/PID/status has the bit; null: the process is gone. */
function hasSignal(pid: number, masks: string, bit: bigint): boolean | null {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return null; // gone
  }
  for (const match of status.matchAll(new RegExp(`^(?:${masks}):\\s*([0-9a-f]+)$`, "gm"))) {
    if ((BigInt(`0x${match[1]}`) & bit) !== 0n) return true;
  }
  return false;
}

/**
 * Random, one for each boot: knowledge of processes is void after the next boot. "" where the kernel does not
 * tell.
 */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return ""; // a container that hides it
  }
}
