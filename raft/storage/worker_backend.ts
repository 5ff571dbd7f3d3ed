/** Writes in a Worker: the loop that runs the timers never waits for a disk. */
import type { WriteBackend } from "./wal_storage.ts";
import { DiskFullError, type WriterState } from "./wal_writer.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

/** The path by which `bun build --compile cli/main.ts raft/storage/wal_worker.ts` embeds the worker. */
const EMBEDDED_WORKER = "./raft/storage/wal_worker.ts";

/**
 * In the compiled program the worker is found by its path among the entries, whatever the working directory is. From
 * source it lies beside this file; `import.meta` would put the build host's paths into the program, or not compile.
 */
function openWorker(): Worker {
  const compiled = Bun.main.startsWith("/$bunfs/");
  const location = compiled ? EMBEDDED_WORKER : require.resolve("./wal_worker.ts");
  return new Worker(location, { ref: false, smol: true, name: "raft log" });
}

/** `state` is that of a writer that was closed; `directory` holds its files. */
export function workerBackend(
  directory: string,
  state: WriterState,
  onWarning: (text: string) => void,
): WriteBackend {
  const worker = openWorker();
  let waiting: ((error: Error | null) => void) | null = null;
  let failed: Error | null = null;
  let closing: (() => void) | null = null;

  const tell = (message: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(message, transfer);
  const finish = (error: Error | null) => {
    const done = waiting;
    waiting = null;
    done?.(error);
  };
  const fail = (message: string, diskFull = false) => {
    const text = `the raft log in ${directory} cannot be written: ${message}`;
    failed ??= diskFull ? new DiskFullError(text) : new Error(text);
    finish(failed);
  };
  const closed = () => {
    const done = closing;
    closing = null;
    done?.();
  };

  worker.onmessage = (event: MessageEvent<FromWorker>) => {
    const message = event.data;
    if (message.kind === "done") finish(null);
    else if (message.kind === "failed") fail(message.message, message.diskFull);
    else if (message.kind === "warning") onWarning(message.text);
    else {
      worker.terminate();
      closed();
    }
  };
  worker.onerror = (event) => fail(event.message || "its worker failed");
  worker.addEventListener("close", () => {
    fail("its worker ended");
    closed();
  });
  tell({ kind: "start", directory, state });

  return {
    submit(job, done): void {
      if (failed) return done(failed);
      waiting = done;
      tell({ kind: "job", job }, [job.records.buffer as ArrayBuffer]);
    },
    close(whenClosed): void {
      waiting = null;
      closing = whenClosed;
      tell({ kind: "close" });
    },
  };
}
