/** A guard without a controller: when it lets go of the data directory, and when it ends. */
import type { Clock } from "../../raft/mod.ts";
import type { Guard } from "./guard.ts";
import { fencesNothing } from "./may_control.ts";

const LOOK_MS = 10_000;
/**
 * Without a controller and without PostgreSQL it ends after this time: until then it remembers what has
 * ended. Where it remembers nothing, it ends with its next look.
 */
const LONELY_MS = 600_000;

export interface LonelyGuardParts {
  readonly clock: Clock;
  readonly guard: Pick<Guard, "isIdle" | "view">;
  isControlled(): boolean;
  /** Looks at the disk: only for a guard that has nothing to watch. */
  isSocketThere(): boolean;
  /** Lets go of the data directory. */
  release(): void;
  quit(): void;
}

export class LonelyGuard {
  readonly #parts: LonelyGuardParts;
  /** Without one: the agent that started this process ended before it connected, and no other knows of it. */
  #hadController: boolean;
  #sinceMs = 0;

  constructor(parts: LonelyGuardParts, hadController: boolean) {
    this.#parts = parts;
    this.#hadController = hadController;
  }

  controlled(): void {
    this.#hadController = true;
  }

  /** From now on nobody controls it. */
  alone(): void {
    this.#sinceMs = this.#parts.clock.now();
    this.#look();
  }

  /** Without an agent and without PostgreSQL the data directory is unused: another agent may take it. */
  letGo(): void {
    if (!this.#parts.isControlled() && this.#parts.guard.isIdle()) this.#parts.release();
  }

  /** Nothing is left to fence; or a server runs that was never declared, and its agent may leave it. */
  get isUnneeded(): boolean {
    return this.#parts.guard.isIdle() || fencesNothing(this.#parts.guard.view());
  }

  #look(): void {
    this.#parts.clock.after(LOOK_MS, () => {
      if (this.#parts.isControlled()) return;
      this.letGo();
      if (this.isUnneeded && this.#isForgotten()) this.#parts.quit();
      else this.#look();
    });
  }

  #isForgotten(): boolean {
    return !this.#parts.isSocketThere() || !this.#hadController || this.#remembersNothing() ||
      this.#parts.clock.now() - this.#sinceMs > LONELY_MS;
  }

  /** Its agent may have ended before it could say so, and would leave it with the directory's lock. */
  #remembersNothing(): boolean {
    const { armed, endedEpoch, lastExit } = this.#parts.guard.view();
    return armed === null && endedEpoch === 0 && lastExit === null;
  }
}
