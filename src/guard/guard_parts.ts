/** The parts of a Guard (guard.ts). */
import type { Clock } from "../../raft/mod.ts";
import type { Claim, Purpose } from "./directory_owner.ts";
import type { StartSpec } from "./port.ts";
import type { ProcessGroup } from "./process_group.ts";
import type { Notice, WireView } from "./protocol.ts";

export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface GuardParts {
  readonly clock: Clock;
  /** The wall clock: for noticing jumps, and for nothing else. */
  wallMs(): number;
  readonly group: ProcessGroup;
  readonly killAfterMs: number;
  /**
   * Takes the lock of the data directory that is there now; "use": the agent is about to change the content;
   * "lend": a command of the agent's is.
   */
  claim(purpose: Purpose): Claim;
  /** Starts PostgreSQL as a child of this process and returns its pid; throws when that fails. */
  launch(spec: StartSpec, onExit: (exit: ChildExit) => void): number;
  /** How a child has ended that the program before this one started; null while it lives. */
  reap(pid: number): ChildExit | null;
  onView(view: WireView): void;
  onNotice(notice: Notice): void;
}
