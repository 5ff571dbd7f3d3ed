/**
 * The state that a guard hands to the program that it becomes (upgrade_self.ts): all its knowledge, as text.
 * Pure.
 *
 * A change to the meaning of a field raises STATE_VERSION: the two may be of different releases, in either
 * order. The agent asks for an upgrade only when it reads what the guard writes, and the guard checks that
 * once more, since there is no way back: a state that cannot be read ends the process, and PostgreSQL with
 * it.
 */
import type { HeldDirectory } from "./held_directory.ts";
import { fencedUnder, type FenceState } from "./fence_state.ts";
import type { ExitReport } from "../model/guard_view.ts";
import type { SeenPlaces } from "./process_group.ts";
import type { ProcessId } from "./process_id.ts";

export const STATE_VERSION = 1;

/**
 * A primary needs this much of its lease ahead. Measured: 73 to 107 ms from the last look at the clock in the
 * old program to the first one in the new, on two cores with a load of 16. With ttl 2 and a renewal each 250
 * ms, 1290 ms are ahead. A program that takes longer (its file on a slow disk) makes the agent freeze
 * PostgreSQL in the guard's place.
 */
export const UPGRADE_ROOM_MS = 1000;

/** The knowledge of the Guard (guard.ts). */
export interface GuardState {
  readonly fence: FenceState;
  /** The postmaster as the kernel knows it. */
  readonly process: ProcessId | null;
  readonly lastExit: ExitReport | null;
  /** Missing: of an earlier release. */
  readonly seen?: SeenPlaces;
}

/** The open descriptors of its process. */
export interface HandedOver {
  readonly version: number;
  readonly guard: GuardState;
  /** The release of the guard that has handed over. */
  readonly release: string;
  /** Token of the guard process (protocol.ts, Hello): it is the same process, and remembers everything. */
  readonly token: string;
  readonly dataDir: string;
  readonly controllerPid: number;
  /** The value that PostgreSQL is started with: the guard's own has changed meanwhile. */
  readonly oomScoreAdj: string;
  /** The open file whose lock keeps other guards away. */
  readonly lockFd: number;
  /** The lock of the data directory. Missing: from an earlier release, which took none. */
  readonly directory?: HeldDirectory | null;
  /** Clock.now() when it was written. */
  readonly atMs: number;
}

/** Why this is not the moment to become another program; null when it is. */
export function whyNotNow(fence: FenceState, nowMs: number): string | null {
  const { postmaster, armed } = fence;
  if (fence.sweeping) return "processes of PostgreSQL are being killed";
  if (postmaster === null) return null;
  if (postmaster.killing || postmaster.ending) return "PostgreSQL is ending";
  if (postmaster.frozenAtMs !== null) return "PostgreSQL is frozen";
  if (fencedUnder(postmaster) === null || armed === null || armed.unfenced) return null;
  const leftMs = armed.deadlineMs - nowMs;
  return leftMs < UPGRADE_ROOM_MS
    ? `the lease has ${Math.max(0, Math.floor(leftMs))} ms left, less than ${UPGRADE_ROOM_MS}`
    : null;
}

export function writeState(state: HandedOver): string {
  return JSON.stringify(state);
}

/** Throws when the text is no state of a version that this program knows. */
export function readState(text: string): HandedOver {
  const state = JSON.parse(text) as HandedOver;
  if (state.version !== STATE_VERSION) {
    throw new Error(
      `the guard before this one (release ${state.release}) handed over version ${state.version}`,
    );
  }
  return state;
}
