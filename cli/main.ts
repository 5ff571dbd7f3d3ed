/**
 * The program. Finds out its task and loads only the code for it: a guard must run within milliseconds, and
 * `agent ctl` must not pay for a server. The first import installs the crash handlers, before anything else
 * can fail.
 */
import "../src/lib/crash.ts";
import { HeldSignals } from "../src/lib/held_signals.ts";
import { expectShortLife } from "../src/lib/short_life.ts";
import { wordsOf } from "./program_name.ts";

/** Commands that this program starts itself are told apart before anything is loaded. */
function main(argv: readonly string[]): Promise<void> {
  switch (argv[0]) {
    case "guard":
      return import("./guard.ts").then(({ guardCommand }) => guardCommand(argv.slice(1)));
    case "__postgres":
      return import("./guard.ts").then(({ postgresShimCommand }) => postgresShimCommand(argv.slice(1)));
    case "__probe":
      return import("../src/agent/health/probe_process.ts").then(({ runProbe }) => runProbe(argv[1]!));
    case "__sync_probe":
      return import("../src/agent/health/sync_probe_process.ts").then(({ runSyncProbe }) =>
        runSyncProbe(argv[1]!)
      );
    case "__client":
      return import("../src/demo/client_process.ts").then(({ runClient }) => runClient(argv[1]!));
    case "__complete":
      expectShortLife();
      return import("./ctl_process.ts").then(({ runComplete }) => runComplete(argv.slice(1)));
    case "ctl":
      expectShortLife();
      return import("./ctl_process.ts").then(({ runCtl }) => runCtl(argv.slice(1)));
    case "run":
    case "witness":
      return import("../src/lib/quiet_memory.ts").then((memory) => {
        if (memory.isRestless(process.env)) {
          const why = memory.startQuiet([process.argv0, ...process.argv.slice(2)]);
          process.stderr.write(`agent: goes on with the allocator's own settings: ${why}\n`);
        }
        // Before anything else of theirs is loaded.
        const signals = new HeldSignals(process);
        memory.letSignalsIn();
        return import("./program_process.ts").then(({ runProgram }) => runProgram(argv, signals));
      });
    default:
      return import("./program_process.ts").then(({ runProgram }) => runProgram(argv));
  }
}

void main(wordsOf(process.argv0, process.argv.slice(2), process.env));
