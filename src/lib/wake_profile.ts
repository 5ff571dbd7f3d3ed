/**
 * Counts the wake-ups of the main thread by kind, and the processor time of each. Off unless a file is named
 * at the start: then every function here returns what it was given, so nothing is wrapped and nothing costs.
 * Kinds are exclusive: work within other work counts once, for the inner kind.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Clock } from "../../raft/mod.ts";
import { CLOCK_THREAD_CPUTIME, clockMs } from "./ffi.ts";

/** The file is written anew so often. */
const WRITE_MS = 5000;

/** Since the start of the process. */
export interface WakeReport {
  /** Processor time of the main thread, ms. */
  readonly mainCpuMs: number;
  /** How often the main thread has gone to sleep. */
  readonly sleeps: number;
  readonly kinds: { readonly [kind: string]: { readonly count: number; readonly cpuMs: number } };
}

class WakeProfile {
  readonly #kinds = new Map<string, { count: number; cpuMs: number }>();
  /** Kinds of the work under way, the innermost last. */
  readonly #under: { count: number; cpuMs: number }[] = [];
  #markMs = 0;

  run<T>(kind: string, work: () => T): T {
    let row = this.#kinds.get(kind);
    if (row === undefined) this.#kinds.set(kind, row = { count: 0, cpuMs: 0 });
    this.#split();
    row.count++;
    this.#under.push(row);
    try {
      return work();
    } finally {
      this.#split();
      this.#under.pop();
    }
  }

  /** The time since the last split belongs to the innermost work. */
  #split(): void {
    const nowMs = clockMs(CLOCK_THREAD_CPUTIME);
    const row = this.#under.at(-1);
    if (row !== undefined) row.cpuMs += nowMs - this.#markMs;
    this.#markMs = nowMs;
  }

  report(): WakeReport {
    const status = readFileSync(`/proc/self/task/${process.pid}/status`, "latin1");
    const sleeps = Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0);
    return { mainCpuMs: clockMs(CLOCK_THREAD_CPUTIME), sleeps, kinds: Object.fromEntries(this.#kinds) };
  }
}

let profile: WakeProfile | null = null;
let writing: ReturnType<typeof setInterval> | undefined;

/** Begins to count. To be called before anything is composed; the main thread's timers write the file. */
export function openWakeProfile(file: string): void {
  const opened = new WakeProfile();
  profile = opened;
  writing = setInterval(() => {
    writeFileSync(`${file}.new`, JSON.stringify(opened.report()));
    renameSync(`${file}.new`, file);
  }, WRITE_MS).unref();
}

export function countsWakes(): boolean {
  return profile !== null;
}

/** `call`, counted as `kind`. */
export function timed<Args extends readonly unknown[], T>(
  kind: string | ((...args: Args) => string),
  call: (...args: Args) => T,
): (...args: Args) => T {
  const opened = profile;
  if (opened === null) return call;
  return (...args) => opened.run(typeof kind === "string" ? kind : kind(...args), () => call(...args));
}

/** A clock whose timers count as `kind`. */
export function timedClock(kind: string, clock: Clock): Clock {
  if (profile === null) return clock;
  return {
    now: () => clock.now(),
    after: (delayMs, fire, earlyMs) => clock.after(delayMs, timed(kind, fire), earlyMs),
    soon: (fire) => clock.soon(timed(kind, fire)),
    // The timers that come count as what they are.
    awake: () => clock.awake?.(),
  };
}

/** For tests: nothing is counted any more. Returns what was. */
export function closeWakeProfile(): WakeReport | null {
  const report = profile?.report() ?? null;
  profile = null;
  clearInterval(writing);
  return report;
}
