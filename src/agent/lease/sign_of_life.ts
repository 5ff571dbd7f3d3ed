/**
 * The guard's sign of life, without which no renewal goes out: a guard that is stopped, or starved, must not
 * have its lease prolonged. After each renewal the guard has to answer something, whatever it is: any answer
 * that it has given after the renewal shows that it ran.
 *
 * While renewals are acknowledged, the guard is armed in a moment, and its confirmation is that answer; a
 * question besides would wake both processes once more, twice a second. When none comes within SIGN_MS the
 * guard is asked after all, well before the next renewal, and with later ones at once.
 */
import type { Clock, Timer } from "../../../raft/mod.ts";
import type { GuardPort } from "../../guard/port.ts";

/** Less than the time between two renewals at the shortest ttl (250 ms at 2 s). */
const SIGN_MS = 150;

export class SignOfLife {
  readonly #guard: GuardPort;
  readonly #clock: Clock;
  /** The guard has to answer after this. */
  #askedMs = -Infinity;
  /** It has confirmed a deadline since. */
  #confirmed = false;
  #later: Timer | null = null;

  constructor(guard: GuardPort, clock: Clock) {
    this.#guard = guard;
    this.#clock = clock;
  }

  get wasAsked(): boolean {
    return this.#askedMs > -Infinity;
  }

  /** The guard has answered since it was last asked. */
  get answers(): boolean {
    const { state, lastAnswerMs } = this.#guard.view();
    return state !== "none" && lastAnswerMs !== null && lastAnswerMs >= this.#askedMs;
  }

  /** An answer that the guard gives from now on is needed. */
  ask(): void {
    this.#askedMs = this.#clock.now();
    this.#later?.cancel();
    const ping = () => this.#guard.ping(() => {});
    this.#later = this.#confirmed ? this.#clock.after(SIGN_MS, ping) : null;
    if (!this.#confirmed) ping();
    this.#confirmed = false;
  }

  /** The guard has confirmed a deadline. */
  confirmed(): void {
    this.#confirmed = true;
    // It may be the answer to something from before the last renewal.
    if (this.answers) this.#later?.cancel();
  }
}
