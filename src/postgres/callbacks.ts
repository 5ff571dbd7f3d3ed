/**
 * The user's callbacks (docs/compatibility.md section 9): they are notified, never asked. One runs at a time;
 * a running one is ended with its children when the next arrives, except that on_reload replaces on_reload
 * only.
 */
import type { Log } from "../lib/log.ts";
import { errorText } from "./error_text.ts";
import type { Hooks } from "./hooks.ts";

export type CallbackEvent = "on_start" | "on_stop" | "on_restart" | "on_reload" | "on_role_change";
export type CallbackRole = "primary" | "replica" | "standby_leader" | "demoted";

export interface CallbackFacts {
  readonly oldRole: CallbackRole | null;
  readonly timeline: number | null;
  readonly leader: string | null;
}

export interface CallbacksOptions {
  /** The commands as configured now. */
  readonly commands: () => { readonly [hook: string]: string };
  /** The time that each may take, as configured now; 0: until the next one comes. */
  readonly timeoutS: () => number;
  readonly hooks: Hooks;
  readonly scope: string;
  readonly log: Log;
}

export class Callbacks {
  #running: { readonly main: AbortController | null; readonly reload: AbortController | null } = {
    main: null,
    reload: null,
  };

  readonly #options: CallbacksOptions;

  constructor(options: CallbacksOptions) {
    this.#options = options;
  }

  /** Returns at once; the outcome goes to the log. */
  call(event: CallbackEvent, role: CallbackRole, facts: CallbackFacts): void {
    const { commands, scope, log } = this.#options;
    const command = commands()[event];
    if (command === undefined || command === "") return;
    const lane = event === "on_reload" ? "reload" : "main";
    this.#running[lane]?.abort();
    const controller = new AbortController();
    this.#running = { ...this.#running, [lane]: controller };
    const args = [event, role, scope];
    this.#run(event, command, args, environment(event, role, facts), controller.signal)
      .catch((error: unknown) => log.error("callback_failed", `callback ${event}: ${errorText(error)}`));
  }

  async #run(
    event: CallbackEvent,
    command: string,
    args: readonly string[],
    env: { readonly [name: string]: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { hooks, timeoutS, log } = this.#options;
    const limitS = timeoutS();
    const limit = limitS === 0 ? {} : { timeoutMs: 1000 * limitS };
    const failed = await hooks.run(event, command, { args, env, signal, ...limit });
    if (failed === null) return;
    const text = `callback ${event}: ${failed.text}`;
    if (failed.replaced) log.info("callback_replaced", text);
    else log.warning("callback_failed", text);
  }
}

function environment(
  event: CallbackEvent,
  role: CallbackRole,
  facts: CallbackFacts,
): { [name: string]: string } {
  return {
    AGENT_EVENT: event,
    AGENT_OLD_ROLE: facts.oldRole ?? "",
    AGENT_NEW_ROLE: role,
    AGENT_TIMELINE: facts.timeline === null ? "" : String(facts.timeline),
    AGENT_LEADER: facts.leader ?? "",
  };
}
