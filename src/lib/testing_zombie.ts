/** Processes that have ended and are never reaped, or whose first thread alone has ended; for tests. */
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
 * The child ends only after its parent has become a program that never waits for children: the shell itself
 * might reap it.
 */
export async function startZombie(): Promise<Zombie> {
  const child = 'while read -r name < /proc/$$/comm && [ "$name" != sleep ]; do :; done';
  const parent = Bun.spawn(["sh", "-c", `(${child}) & echo $!; exec sleep 600`], { stdout: "pipe" });
  const { value } = await parent.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(value));
  await isZombie(pid);
  return {
    pid,
    end: async () => {
      parent.kill("SIGKILL");
      await parent.exited;
    },
  };
}

/**
 * A process whose first thread has ended while others run on: the kernel shows it in state Z, with no working
 * directory.
 */
export async function startHeadless(directory: string): Promise<Zombie> {
  const exit = { x64: 60, arm64: 93 }[process.arch as "x64" | "arm64"];
  const program = `
    const { symbols } = require("bun:ffi").dlopen("libc.so.6", { syscall: { args: ["i64", "i64"], returns: "i64" } });
    new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 1000); postMessage('runs')"]))).onmessage =
      () => symbols.syscall(${exit}, 0);
  `;
  const child = Bun.spawn([process.execPath, "-e", program], { cwd: directory, stderr: "inherit" });
  await isZombie(child.pid);
  return {
    pid: child.pid,
    end: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function isZombie(pid: number): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (readProcess(pid)?.state !== "Z") {
    if (performance.now() > deadlineMs) throw new Error(`process ${pid} did not become a zombie`);
    await Bun.sleep(LOOK_MS);
  }
}
