/**
 * Gives back the pages of the executable that only the start needed: its instructions and constants, which
 * the kernel maps generously. The kernel keeps them in its cache of files, and maps what runs later from
 * there, so nothing is lost: a process holds what it uses (docs/benchmark.md has how much that is).
 */
import { readFileSync } from "node:fs";
import { discardPages, readLink } from "./ffi.ts";

/** The start is over by then. */
const FIRST_MS = 20_000;
/** A failover or a copy runs other code than the time between them. */
const EVERY_MS = 3_600_000;

export interface Pages {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Where `smaps` (the text of /proc/PID/smaps) says that the file's own bytes lie and nothing else. A page
 * that was written to, or that was and is in swap now, is in no file: without it the program would end.
 */
export function untouchedPages(smaps: string, file: string): Pages[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((mapping) => {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(.*)$/m.exec(mapping);
    if (head === null || head[3] !== file) return [];
    if (!/^Anonymous: +0 kB$/m.test(mapping) || !/^Swap: +0 kB$/m.test(mapping)) return [];
    const address = parseInt(head[1]!, 16);
    return [{ address, bytes: parseInt(head[2]!, 16) - address }];
  });
}

/** null: done; else why not. Locked memory stays, which is what it was locked for. */
export function letGoOfCode(): string | null {
  const file = readLink("/proc/self/exe");
  if (file === null) return "/proc/self/exe cannot be read";
  let smaps: string;
  try {
    smaps = readFileSync("/proc/self/smaps", "latin1");
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  for (const pages of untouchedPages(smaps, file)) {
    const discarded = discardPages(pages.address, pages.bytes);
    if (!discarded.ok && discarded.name !== "EINVAL") return `madvise: ${discarded.name}`;
  }
  return null;
}

/** From now on, in a process that stays. `refused` is told why it cannot be done, once. */
export function keepCodeLight(refused: (why: string) => void): void {
  let every: ReturnType<typeof setInterval> | null = null;
  const look = () => {
    const why = letGoOfCode();
    if (why === null) return;
    if (every !== null) clearInterval(every);
    refused(why);
  };
  setTimeout(() => {
    every = setInterval(look, EVERY_MS);
    every.unref();
    look();
  }, FIRST_MS).unref();
}
