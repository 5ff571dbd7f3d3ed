/** Runs a program to its end and returns what it printed. */
import { spawn } from "node:child_process";

export interface RunResult {
  /** 128 when a signal ended it. */
  readonly code: number;
  /** Standard output and error, in the order of their arrival. */
  readonly output: string;
}

/** Throws when the program cannot be started. It is killed after `timeoutMs`. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  options: { readonly timeoutMs?: number; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: "SIGKILL",
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 128, output }));
  });
}
