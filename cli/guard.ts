/** `agent guard` and `agent __postgres`: processes that the agent and its guard start, not people. */
import { keepCodeLight } from "../src/lib/idle_code.ts";
import { parseGuardArguments } from "../src/guard/guard_arguments.ts";
import { runPostgresShim } from "../src/guard/postgres_shim.ts";
import { runGuard } from "../src/guard/server.ts";
import { pinnedSelfCommand } from "../src/lib/self_command.ts";

export const SHIM_COMMAND = "__postgres";

/**
 * Arguments after `guard`: --socket PATH --data-dir DIR [--state-fd N]. Runs until there is nothing left to
 * guard.
 */
export function guardCommand(argv: readonly string[]): void {
  const options = parseGuardArguments(argv);
  if (options === null) {
    process.stderr.write("usage: agent guard --socket PATH --data-dir DIR (started by agent run)\n");
    process.exit(2);
  }
  runGuard({ ...options, shimCommand: [...pinnedSelfCommand(), SHIM_COMMAND] });
  // A guard writes nothing, and needs none of it: where it is refused, the pages stay.
  keepCodeLight(() => {});
}

/** Arguments after `__postgres`. */
export function postgresShimCommand(argv: readonly string[]): never {
  return runPostgresShim(argv);
}
