/**
 * The user's callbacks (docs/compatibility.md section 9): they are told what happened, never asked. One runs
 * at a time; a running one is ended with its children when the next arrives, except that on_reload replaces
 * on_reload only.
 */
import type { Log } from "../lib/log.ts";
import { errorText } from "./error_text.ts";
import { describeFailure, runProgram, succeeded } from "./run_program.ts";
import { shellSplit } from "../model/shell_split.ts";

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

  /** Returns at once; whatever comes of it goes to the log. */
  call(event: CallbackEvent, role: CallbackRole, facts: CallbackFacts): void {
    const command = this.#options.commands()[event];
    if (command === undefined || command === "") return;
    const words = shellSplit(command);
    if (words === null || words.length === 0) {
      this.#options.log.error("callback_failed", `callback ${event}: "${command}" is not a command`);
      return;
    }
    const lane = event === "on_reload" ? "reload" : "main";
    this.#running[lane]?.abort();
    const controller = new AbortController();
    this.#running = { ...this.#running, [lane]: controller };
    const args = [...words.slice(1), event, role, this.#options.scope];
    this.#run(event, words[0]!, args, environment(event, role, facts), controller).catch((error: unknown) =>
      this.#options.log.error("callback_failed", `callback ${event}: ${errorText(error)}`)
    );
  }

  async #run(
    event: CallbackEvent,
    program: string,
    args: readonly string[],
    env: { readonly [name: string]: string },
    controller: AbortController,
  ): Promise<void> {
    const { log } = this.#options;
    const result = await runProgram(program, args, { env, environment: "server", signal: controller.signal });
    const said = `${result.stdout}${result.stderr}`.trim();
    if (said !== "") log.info("callback_output", `callback ${event}: ${said}`);
    if (!succeeded(result)) {
      const text = `callback ${describeFailure(`${event} (${program})`, result)}`;
      if (result.failure === "aborted") log.info("callback_replaced", text);
      else log.warning("callback_failed", text);
    }
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
