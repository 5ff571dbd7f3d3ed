/**
 * The end of a server that an operator, or its service, may restart beside the guard. The server that comes
 * next is left to run where nobody fenced the one before, and takes its place as one that was found:
 * undeclared, until the agent tells its role or ends it.
 *
 * Which those are, and why that lets nobody write who may not. While the next one is waited for, the old one
 * counts as what it was, so that no epoch ends in between; and nothing of the old one acknowledges any more
 * once the next is there: PostgreSQL does not start while a backend holds the shared memory of the one
 * before.
 * - A server whose role was not told yet: the next one is what it was, and fenced as it was (`found` in
 *   fence.ts). Not where it is frozen: its epoch is over then, and would not fence the next one.
 * - A primary of an unfenced epoch (maintenance mode): no leader expires that epoch, so no other member is
 *   granted the lock while the next one runs, and the fence would not have ended the old one. The next one is
 *   fenced with that epoch too. Maintenance mode may end before its role is told, and its agent with it.
 * - A standby: the next is the same as a server that others start in the directory of a stopped one. Its
 *   agent ends it if it takes writes.
 * The successor of a primary under a lease is another matter: it is killed with what is left of that one. One
 * that comes later is found, and fenced while the epoch is in force (`found` in fence.ts).
 */
import type { FenceState } from "./fence_state.ts";
import type { ChildExit } from "./guard_parts.ts";
import type { ProcessGroup } from "./process_group.ts";
import { isSame, type ProcessId } from "./process_id.ts";

/**
 * 2 s, at the pace of the guard's looks. Also where processes are seen: between its first one and its lock
 * file a server looks like what its predecessor has left behind. A standby is not waited for: until then it
 * would pass for one that can be promoted.
 */
const PATIENCE_LOOKS = 10;

type Group = Pick<ProcessGroup, "findPostmaster" | "resolve">;

export class FoundEnd {
  readonly #group: Group;
  readonly #fence: () => FenceState;
  #looks = 0;

  constructor(group: Group, fence: () => FenceState) {
    this.#group = group;
    this.#fence = fence;
  }

  /** Only that it is gone is known of a process that is not the guard's child. null: to be looked at again. */
  of(process: ProcessId): ChildExit | "restarted" | null {
    if (isSame(process)) {
      this.#looks = 0;
      return null;
    }
    const { postmaster } = this.#fence();
    if (postmaster?.killing === false && this.#mayBeRestarted()) {
      if (this.#isReplaced(process)) return "restarted";
      if (postmaster.authority.kind !== "standby" && this.#looks++ < PATIENCE_LOOKS) return null;
    }
    return { code: null, signal: null };
  }

  /** It has ended, its last processes are being killed, and others have started the next one already. */
  isRestarted(process: ProcessId): boolean {
    return this.#mayBeRestarted() && this.#isReplaced(process);
  }

  #mayBeRestarted(): boolean {
    const { postmaster, armed } = this.#fence();
    if (postmaster === null || postmaster.ending || postmaster.fenced) return false;
    if (postmaster.frozenAtMs !== null) return false;
    const { authority } = postmaster;
    return authority.kind !== "primary" || (armed?.epoch === authority.epoch && armed.unfenced);
  }

  /** Reads the disk. */
  #isReplaced({ pid, startTicks }: ProcessId): boolean {
    this.#group.resolve();
    const found = this.#group.findPostmaster();
    return found !== null && !(found.pid === pid && found.startTicks === startTicks);
  }
}
