/**
 * Runs the seeds of a simulator in several processes of the same script; each prints its results as lines.
 */

const WORKERS = 2;

/**
 * A worker's share of the seeds: every `stride`-th from `offset` on. Its option is `--worker OFFSET/STRIDE`.
 */
export interface Share {
  readonly offset: number;
  readonly stride: number;
}

export function shareOf(text: string): Share {
  const [offset = 0, stride = 1] = text.split("/").map(Number);
  return { offset, stride };
}

/**
 * Runs the workers. `script`: a file that runs its share when called with `args` and `--worker`. `onResult`
 * gets each line of output, parsed, and returns true when the others need not go on. Returns the code of a
 * failed worker; null: none failed.
 */
export async function overWorkers(
  script: string,
  args: readonly string[],
  seeds: number,
  onResult: (result: unknown) => boolean,
): Promise<number | null> {
  const children = Array.from(
    { length: Math.min(WORKERS, seeds) },
    (_, k) =>
      Bun.spawn([process.execPath, script, ...args, "--worker", `${k}/${WORKERS}`], {
        stdout: "pipe",
        stderr: "inherit",
      }),
  );
  let enough = false;
  let failed: number | null = null;
  await Promise.all(children.map(async (child) => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) enough = onResult(JSON.parse(line)) || enough;
      if (enough) { for (const each of children) each.kill(); }
    }
    const code = await child.exited;
    if (code !== 0 && !enough) failed = code;
  }));
  return failed;
}
