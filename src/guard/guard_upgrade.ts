/**
 * The agent's side of an upgrade of the guard: a guard of another release, which a restarted agent finds, is
 * asked to become the program of the agent (upgrade_self.ts), older or newer, so that the two that run are
 * always of one release. Refused, it is asked again; meanwhile the old guard does its work.
 */
import { statSync } from "node:fs";
import type { Clock, Timer } from "../../raft/mod.ts";
import type { Log } from "../lib/log.ts";
import { STATE_VERSION } from "./hand_over.ts";
import type { GuardReply } from "./port.ts";
import type { Hello, UpgradeOperation } from "./protocol.ts";

/** An agent that has just started renews its lease first. */
const FIRST_ASK_MS = 1000;
const MAX_PAUSE_MS = 60_000;

export interface GuardUpgradeOptions {
  /** The agent's own release. */
  readonly release: string;
  /** Command line of a guard process, without its options. */
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** The answer, or null when the guard was lost before it came. */
  ask(operation: UpgradeOperation, done: (reply: GuardReply | null) => void): void;
}

export class GuardUpgrade {
  readonly #options: GuardUpgradeOptions;
  #timer: Timer | null = null;
  #pauseMs = FIRST_ASK_MS;
  #said = "";
  #closed = false;

  constructor(options: GuardUpgradeOptions) {
    this.#options = options;
  }

  /** A guard has sent its hello. */
  met(hello: Hello): void {
    const { release, log } = this.#options;
    this.#timer?.cancel();
    if (hello.release === release) {
      this.#pauseMs = FIRST_ASK_MS;
      return;
    }
    if (hello.stateVersion === undefined || hello.stateVersion > STATE_VERSION) {
      log.warning(
        "guard.upgrade",
        `guard ${hello.pid} is of release ${
          hello.release ?? "unknown"
        }, the agent of ${release}; it cannot be upgraded ` +
          "in place, and stays until PostgreSQL is stopped",
      );
      return;
    }
    this.#askLater(hello);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #askLater(hello: Hello): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(this.#pauseMs, () => this.#ask(hello));
    this.#pauseMs = Math.min(2 * this.#pauseMs, MAX_PAUSE_MS);
  }

  #ask(hello: Hello): void {
    const { command, release, log, ask } = this.#options;
    const [program = ""] = command;
    const { dev, ino } = statSync("/proc/self/exe");
    log.info(
      "guard.upgrade",
      `asking guard ${hello.pid} of release ${hello.release} to become release ${release}`,
    );
    const operation = { program, file: `${dev}:${ino}`, command, stateVersion: STATE_VERSION };
    ask({ op: "upgrade", ...operation }, (reply) => {
      if (reply?.ok === false) {
        this.#complain(`guard ${hello.pid} goes on as release ${hello.release}: ${reply.error}`);
      }
      // Also after a yes: it may fail still. A guard that has become this release says so, and then there is
      // nothing to ask.
      if (reply !== null) this.#askLater(hello);
    });
  }

  #complain(text: string): void {
    if (text !== this.#said) this.#options.log.warning("guard.upgrade", text);
    this.#said = text;
  }
}
