/** `agent witness FILE`: a voter without PostgreSQL, in the foreground. */
import { startWitness } from "../src/agent/compose/start_witness.ts";
import type { HeldSignals } from "../src/lib/held_signals.ts";
import { becomeUser, runService } from "./service.ts";

/** Runs until a signal ends it; ends the process itself. `user`: the user to become when started as root. */
export function witnessCommand(file: string | null, user: string | undefined, signals: HeldSignals): void {
  if (user !== undefined) becomeUser("witness", user);
  runService("witness", file, startWitness, signals);
}
