/** A process that has ended and is never reaped, for tests. */
import { readProcess } from "./process_table.ts";

/** Between two looks. */
const LOOK_MS = 5;
const PATIENCE_MS = 20_000;

export interface Zombie {
  readonly pid: number;
  /** Ends its parent, so that it is reaped. */
  end(): Promise<void>;
}

/**
 * The child ends only after its parent has become a program that asks for nobody's status: a shell that still
 * were one might reap it.
 */
export async function startZombie(): Promise<Zombie> {
  const child = 'while read -r name < /proc/$$/comm && [ "$name" != sleep ]; do :; done';
  const parent = Bun.spawn(["sh", "-c", `(${child}) & echo $!; exec sleep 600`], { stdout: "pipe" });
  const { value } = await parent.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (readProcess(pid)?.state !== "Z") {
    if (performance.now() > deadlineMs) throw new Error(`process ${pid} did not become a zombie`);
    await Bun.sleep(LOOK_MS);
  }
  return {
    pid,
    end: async () => {
      parent.kill("SIGKILL");
      await parent.exited;
    },
  };
}
