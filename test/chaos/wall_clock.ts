/**
 * The wall clocks of nodes that can be set, each by itself: Debian's libfaketime, which the agent inherits.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../src/lib/process_table.ts";

const LIBRARIES = "/usr/lib";
const SHARED_MEMORY = "/dev/shm";

/** The library's path; null: it is not installed. */
export function findFaketime(): string | null {
  const folders = readdirSync(LIBRARIES).filter((name) => name.endsWith("-linux-gnu"));
  const paths = folders.map((name) => join(LIBRARIES, name, "faketime", "libfaketime.so.1"));
  return paths.find((path) => existsSync(path)) ?? null;
}

const clockFile = (directory: string) => join(directory, "clock");

/** Put before a command: its wall clock can be set. Durations go by other clocks, which stay as they are. */
export function withClock(library: string, directory: string): string[] {
  return [
    "env",
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${clockFile(directory)}`,
    "FAKETIME_CACHE_DURATION=1",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
  ];
}

/** Every process of the node takes note within a second or so. */
export function setClock(directory: string, offsetS: number): void {
  writeFileSync(clockFile(directory), `${offsetS < 0 ? "" : "+"}${offsetS}\n`, { mode: 0o644 });
}

/** The library leaves shared memory of every process that was killed. */
export function forgetClocks(): void {
  for (const name of readdirSync(SHARED_MEMORY)) {
    const pid = /^(?:sem\.faketime_sem|faketime_shm)_(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(SHARED_MEMORY, name), { force: true });
  }
}
