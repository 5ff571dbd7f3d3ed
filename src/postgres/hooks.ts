/**
 * Runs the user's own commands: callbacks, pre_promote, before_stop, post_bootstrap. The last part of the
 * output of each goes to the log, whether it succeeded or not, and its end is counted.
 */
import type { Log } from "../lib/log.ts";
import type { HookExit } from "../model/hook_exit.ts";
import { shellSplit } from "../model/shell_split.ts";
import { describeFailure, type ProgramResult, runProgram, succeeded } from "./run_program.ts";

/** Characters of each stream that are kept, counted from the end. */
export const MAX_HOOK_OUTPUT = 4096;

/** A command that cannot be ended (`sudo ...`, a dead NFS server) holds up neither a promotion nor a stop. */
const LEAVE_AFTER_MS = 2000;

export interface HookOptions {
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export class Hooks {
  readonly #log: Log;
  /** By hook and code. */
  readonly #exits = new Map<string, HookExit>();

  constructor(log: Log) {
    this.#log = log;
  }

  exits(): readonly HookExit[] {
    return [...this.#exits.values()];
  }

  /** `command`: the value of the key `hook`. Resolves to null when it succeeded, else to what went wrong. */
  async run(hook: string, command: string, options: HookOptions = {}): Promise<HookFailure | null> {
    const words = shellSplit(command);
    const program = words?.[0];
    if (words === null || program === undefined) {
      this.#count(hook, "not started");
      return { text: `${command}: not a command`, replaced: false };
    }
    const { args = [], ...rest } = options;
    const result = await runProgram(program, [...words.slice(1), ...args], {
      environment: "server",
      keep: MAX_HOOK_OUTPUT,
      leaveAfterMs: LEAVE_AFTER_MS,
      ...rest,
    });
    this.#count(hook, codeOf(result));
    const said = [result.stdout, result.stderr].map(shown).filter((text) => text !== "").join("\n");
    if (said !== "") this.#log.info("hook_output", `${hook}: ${said}`);
    if (succeeded(result)) return null;
    return { text: describeFailure(program, result), replaced: result.failure === "aborted" };
  }

  #count(hook: string, code: string): void {
    const key = `${hook} ${code}`;
    this.#exits.set(key, { hook, code, count: (this.#exits.get(key)?.count ?? 0) + 1 });
  }
}

export interface HookFailure {
  readonly text: string;
  /** The agent has ended it, since something else was to come. */
  readonly replaced: boolean;
}

function shown(output: string): string {
  const text = output.trim();
  return output.length < MAX_HOOK_OUTPUT ? text : `... ${text}`;
}

function codeOf({ code, signal, failure }: ProgramResult): string {
  if (failure === "aborted") return "replaced";
  return failure ?? signal ?? String(code);
}
