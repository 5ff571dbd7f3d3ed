/**
 * The agent acts itself when its guard cannot: the guard is stopped or too slow (freeze at the deadline, thaw
 * or kill later), it has not said anything to this agent yet (freeze at once: the server may be a primary,
 * and its deadline is not known), or it is gone (kill everything). The agent acts on its requests to the
 * guard and on the guard's last message; as soon as the guard answers again, its state counts.
 */
import type { Clock, Timer } from "../../raft/mod.ts";
import type { Log } from "../lib/log.ts";
import { isStopped } from "../lib/process_table.ts";
import { MAX_FROZEN_MS, STOP_BUDGET_MS } from "../lease/stop_budget.ts";
import { REFREEZE_MS } from "./fence.ts";
import { isUndeclared, type Postmaster } from "../model/guard_view.ts";
import { type ProcessGroup } from "./process_group.ts";
import { identify, type ProcessId } from "./process_id.ts";
import type { WireView } from "./protocol.ts";

/**
 * The guard's turn comes first, and a freeze on a busy host takes 100 ms; the agent's is within the stop
 * budget still.
 */
const GRACE_MS = 200;
/** As in the guard: timers stand still while the host is suspended. */
const MAX_SLEEP_MS = 250;
const KILL_PASS_MS = 10;
const SECOND_LOOK_MS = 5;
const ENDING_MS = 1000;

export interface LocalFenceParts {
  readonly clock: Clock;
  readonly group: Pick<ProcessGroup, "follow" | "freeze" | "thaw" | "kill" | "members" | "resolve">;
  readonly log: Log;
  readonly killAfterMs: () => number;
  /**
   * The records say that this machine's epoch is unfenced (pause): it does not end, whether or not the guard
   * is silent.
   */
  readonly unfenced: () => boolean;
  /**
   * When the agent was started, no agent had written the configuration of the server in the directory. That
   * is written before the records of a cluster name its data (brain/keep/bootstrap.ts), so no other member
   * can be the primary of that data yet: the server is left alone until the guard knows its role. @default
   * false
   */
  readonly unmanaged?: boolean;
  /**
   * Everything of the data directory is dead, by the agent's hand; `fenced`: because the lease had run out.
   */
  onKilled(fenced: boolean): void;
}

export type LocalPhase = "watching" | "frozen" | "killing";

export class LocalFence {
  readonly #parts: LocalFenceParts;
  #deadlineMs: number | null = null;
  /** The guard's last report of the postmaster, and its process. */
  #postmaster: Postmaster | null = null;
  #process: ProcessId | null = null;
  /** A start or promotion is under way without an answer yet: the server may be a primary. */
  #maybePrimary = false;
  #state: LocalPhase = "watching";
  #frozenAtMs = 0;
  /** This agent, or an earlier one, has stopped its processes, and they are not known to go on. */
  #stopped = false;
  /** A guard has spoken to this agent. */
  #heard = false;
  #saidAtMs = 0;
  #suspicious = false;
  #fenced = false;
  /** Frozen without a word from any guard. */
  #unheard = false;
  #timer: Timer | null = null;
  /** Until the guard is told the role of a server. */
  #unmanaged: boolean;

  constructor(parts: LocalFenceParts) {
    this.#parts = parts;
    this.#unmanaged = parts.unmanaged ?? false;
  }

  /** The lease as the agent knows it; null: unfenced, or none. */
  armed(deadlineMs: number | null): void {
    this.#deadlineMs = deadlineMs;
    this.#look();
  }

  primaryRequested(pending: boolean): void {
    this.#maybePrimary = pending;
    this.#look();
  }

  guardSays(view: WireView): void {
    this.#saidAtMs = this.#parts.clock.now();
    this.#postmaster = view.postmaster;
    if (view.postmaster !== null && !isUndeclared(view.postmaster)) this.#unmanaged = false;
    if (view.postmaster === null) this.#process = null;
    else if (this.#process?.pid !== view.postmaster.pid) {
      this.#process = identify(view.postmaster.pid);
      this.#parts.group.resolve();
    }
    if (this.#state !== "killing") this.#parts.group.follow(this.#process);
    // An agent that froze the server, and ended before a guard answered, did not report it: the guard
    // believes that the server runs.
    if (!this.#heard && this.#parts.group.members().some(isStopped)) this.#stopped = true;
    this.#heard = true;
    if (this.#state === "frozen" || this.#stopped) this.#handBack(view);
    if (this.#state !== "frozen") this.#unheard = false;
    this.#look();
  }

  /**
   * No guard has answered this agent, and a silent guard may be unable to fence: stopped, or starved. An
   * earlier agent may have had a primary started under a deadline that only the guard knows, and that may be
   * over. So the server is frozen until a guard answers. Does nothing where no server runs.
   */
  guardUnheard(): void {
    const { group, clock, log, unfenced } = this.#parts;
    if (this.#state !== "watching" || unfenced() || this.#unmanaged) return;
    group.resolve();
    const count = group.members().length;
    if (count === 0) return;
    this.#state = "frozen";
    this.#unheard = true;
    this.#frozenAtMs = clock.now();
    log.error(
      "guard",
      `no guard answers, and ${count} processes of PostgreSQL run: they are frozen, since their lease may be over`,
    );
    this.#look();
  }

  /** Everything of the data directory dies; onKilled when nothing is left. */
  killAll(why: string): void {
    if (this.#state !== "killing") this.#kill(why, false);
  }

  phase(): LocalPhase {
    return this.#state;
  }

  isKilling(): boolean {
    return this.#state === "killing";
  }

  close(): void {
    this.#timer?.cancel();
  }

  /**
   * The guard's report counts, with one exception that it cannot know of: the agent's last SIGSTOP may have
   * come after the guard made PostgreSQL go on, while the guard's message lay unread here. So when the guard
   * says that PostgreSQL runs, the agent makes it go on, too.
   */
  #handBack(view: WireView): void {
    if (this.#state === "killing") return;
    const { postmaster, armed } = view;
    const { clock, group, log } = this.#parts;
    if (postmaster === null || postmaster.phase !== "running") {
      this.#state = "watching"; // the guard has it frozen, is killing it, or it is gone
      if (postmaster === null) this.#stopped = false;
    } else if (
      !postmaster.writable ||
      (armed !== null && (armed.unfenced || armed.deadlineMs >= clock.now() + STOP_BUDGET_MS))
    ) {
      this.#state = "watching";
      this.#stopped = false;
      group.thaw(this.#process);
      log.warning("guard", "PostgreSQL runs again: the guard answers and the lease was renewed");
    }
  }

  #isDue(nowMs: number): boolean {
    const postmaster = this.#postmaster;
    if (this.#deadlineMs === null || nowMs < this.#deadlineMs + GRACE_MS) return false;
    if (postmaster === null || !postmaster.writable || this.#unmanaged) return this.#maybePrimary;
    // While it shuts down it may still acknowledge; but the guard may just as well be killing it.
    return postmaster.phase === "running" ||
      (postmaster.phase === "ending" && nowMs - this.#saidAtMs > ENDING_MS);
  }

  #look(): void {
    if (this.#state === "killing") return;
    const { clock, group, log } = this.#parts;
    const nowMs = clock.now();
    const due = this.#state === "watching" && this.#isDue(nowMs);
    if (due && !this.#suspicious) {
      // The agent's own loop may have been late: the guard's messages from that time are read first.
      this.#suspicious = true;
      this.#timer?.cancel();
      this.#timer = clock.after(SECOND_LOOK_MS, () => this.#look());
      return;
    }
    this.#suspicious = false;
    if (due) {
      this.#state = "frozen";
      this.#frozenAtMs = nowMs;
      log.error(
        "guard",
        "the guard does not answer and the lease has run out: PostgreSQL is frozen by the agent",
      );
    }
    if (this.#state === "frozen") {
      const limitMs = this.#unheard ? MAX_FROZEN_MS : Math.min(this.#parts.killAfterMs(), MAX_FROZEN_MS);
      if (this.#unheard && this.#parts.unfenced()) return this.#thawUnheard();
      if (nowMs >= this.#frozenAtMs + limitMs) {
        return this.#kill("the lease has run out and the guard does not answer", true);
      }
      this.#stopped = true;
      group.freeze(this.#process);
    }
    this.#sleep(nowMs);
  }

  /** The records were not known when it was frozen. */
  #thawUnheard(): void {
    this.#state = "watching";
    this.#unheard = false;
    this.#stopped = false;
    this.#parts.group.thaw(this.#process);
    this.#parts.log.warning("guard", "PostgreSQL runs again: the cluster is in maintenance mode");
    this.#sleep(this.#parts.clock.now());
  }

  #sleep(nowMs: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    const writable = this.#maybePrimary || this.#postmaster?.writable === true;
    if (this.#state !== "frozen" && (!writable || this.#deadlineMs === null)) return;
    const leftMs = this.#state === "frozen" ? REFREEZE_MS : (this.#deadlineMs ?? 0) + GRACE_MS - nowMs;
    // A look that is no deadline may be early; it reads the clock.
    const earlyMs = leftMs > MAX_SLEEP_MS ? MAX_SLEEP_MS / 2 : 0;
    const waitMs = Math.min(Math.max(leftMs, 10), MAX_SLEEP_MS);
    this.#timer = this.#parts.clock.after(waitMs, () => this.#look(), earlyMs);
  }

  #kill(why: string, fenced: boolean): void {
    this.#state = "killing";
    this.#stopped = false;
    this.#fenced = fenced;
    this.#unheard = false;
    this.#timer?.cancel();
    this.#parts.log.error("guard", `killing every process of PostgreSQL: ${why}`);
    this.#parts.group.resolve();
    this.#killPass();
  }

  #killPass(): void {
    if (!this.#parts.group.kill(this.#process)) {
      this.#timer = this.#parts.clock.after(KILL_PASS_MS, () => this.#killPass());
      return;
    }
    this.#state = "watching";
    this.#postmaster = null;
    this.#process = null;
    this.#parts.group.follow(null);
    this.#parts.onKilled(this.#fenced);
  }
}
