/**
 * Runs the user's blocking hooks (pre_promote, before_stop, post_bootstrap): the caller waits for their exit
 * code.
 */
import { describeFailure, runProgram, succeeded } from "./run_program.ts";
import { shellSplit } from "../model/shell_split.ts";

export interface HookOptions {
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Resolves to null when it succeeded, else to what went wrong. */
export async function runHook(command: string, options: HookOptions = {}): Promise<string | null> {
  const words = shellSplit(command);
  const program = words?.[0];
  if (words === null || program === undefined) return `${command}: not a command`;
  const result = await runProgram(program, [...words.slice(1), ...options.args ?? []], {
    environment: "server",
    env: options.env,
    signal: options.signal,
    timeoutMs: options.timeoutMs,
  });
  return succeeded(result) ? null : describeFailure(program, result);
}
