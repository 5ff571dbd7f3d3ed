/**
 * Makes the memory allocator of the runtime look for pages to give back every 10 s instead of with every
 * wake-up. Its thread woke 15 times a second in an agent at rest and took a sixth of all its processor time.
 * The allocator reads its settings from the environment, before any code of this program runs. So the program
 * starts itself once more with the setting, in the same process (docs/benchmark.md has what that costs and
 * gains). The guard inherits it from the agent, and PostgreSQL does not.
 */
import { readdirSync } from "node:fs";
import { blockSignals, execv, keepOverExec, readLink, setVariable } from "./ffi.ts";
import { calledPath, isCompiled } from "./self_command.ts";

/** Least time between two passes that give back unused pages, ms. */
export const MEMORY_VARIABLE = "MIMALLOC_PURGE_HOLES_MIN_INTERVAL";
const EVERY_MS = "10000";

/** Their default action would end the program that starts anew. They wait until it has handlers. */
const HELD_BACK = [1, 2, 15]; // SIGHUP, SIGINT, SIGTERM

/** Those of the runtime, which opens its own anew. */
const RUNTIMES = /^anon_inode:\[event(?:poll|fd)\]$/;

/** Whether the allocator has its default. A setting of the user's own stays. */
export function isRestless(environment: { readonly [name: string]: string | undefined }): boolean {
  return isCompiled() && environment[MEMORY_VARIABLE] === undefined;
}

/**
 * Starts this program anew in the same process; returns only when that failed, with the reason. Then it goes
 * on as it is. To be called before there are handlers of signals: one that has come would be forgotten.
 */
export function startQuiet(argv: readonly string[]): string {
  const set = setVariable(MEMORY_VARIABLE, EVERY_MS);
  if (!set.ok) return set.name;
  const path = calledPath(argv[0]!);
  const handedOver = inheritedDescriptors();
  for (const fd of handedOver) keepOverExec(fd, true);
  // Last: other threads hold nothing back, and until the execv a signal ends the program as it did before.
  blockSignals(HELD_BACK, true);
  const failed = execv(path, argv);
  blockSignals(HELD_BACK, false);
  for (const fd of handedOver) keepOverExec(fd, false);
  return failed.ok ? "it returned" : failed.name;
}

/**
 * What the starter has handed over: a configuration by /dev/fd, the lock of a script. The runtime marks each
 * descriptor as one that no other program gets, and so the program itself would be without them.
 */
function inheritedDescriptors(): number[] {
  return readdirSync("/proc/self/fd").map(Number).filter((fd) => {
    const target = fd > 2 ? readLink(`/proc/self/fd/${fd}`) : null;
    return target !== null && !RUNTIMES.test(target);
  });
}

/** Once there are handlers. */
export function letSignalsIn(): void {
  blockSignals(HELD_BACK, false);
}
