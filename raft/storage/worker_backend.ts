/** Writes in a Worker: the loop that runs the timers never waits for a disk. */
import { JobSlot } from "./job_slot.ts";
import type { WriteBackend } from "./wal_storage.ts";
import type { Shortage } from "./space.ts";
import type { WriterState } from "./wal_writer.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

/** Path by which `bun build --compile cli/main.ts raft/storage/wal_worker.ts` embeds the worker. */
const EMBEDDED_WORKER = "./raft/storage/wal_worker.ts";

/**
 * Starts the worker. The compiled program finds it by its path among the entries, whatever the working
 * directory is. From source it lies beside this file; `import.meta` would put the build host's paths into the
 * program, or not compile.
 */
function openWorker(): Worker {
  const compiled = Bun.main.startsWith("/$bunfs/");
  const location = compiled ? EMBEDDED_WORKER : require.resolve("./wal_worker.ts");
  return new Worker(location, { ref: false, smol: true, name: "raft log" });
}

/** Makes a backend. `state` is that of a closed writer; `directory` holds its files. */
export function workerBackend(directory: string, state: WriterState): WriteBackend {
  const worker = openWorker();
  const slot = new JobSlot();
  let waiting: ((error: Error | null) => void) | null = null;
  let failed: Error | null = null;
  let asking: ((found: Shortage | Error | null) => void) | null = null;
  let closing: (() => void) | null = null;

  const tell = (message: ToWorker, transfer: ArrayBuffer[] = []) => {
    worker.postMessage(message, transfer);
    slot.announceMessage();
  };
  const finish = (error: Error | null) => {
    const done = waiting;
    waiting = null;
    done?.(error);
  };
  const fail = (message: string) => {
    failed ??= new Error(`the raft log in ${directory} cannot be written: ${message}`);
    const asked = asking;
    asking = null;
    asked?.(failed);
    finish(failed);
  };
  const closed = () => {
    const done = closing;
    closing = null;
    done?.();
  };

  worker.onmessage = (event: MessageEvent<FromWorker>) => {
    const message = event.data;
    if (message === "done") finish(null);
    else if (message.kind === "failed") fail(message.message);
    else if (message.kind === "space") asking?.(message.shortage);
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
  tell({ kind: "start", directory, state, slot: slot.memory });

  return {
    submit(job, done): void {
      if (failed) return done(failed);
      waiting = done;
      if (!slot.put(job)) tell({ kind: "job", job }, [job.records.buffer as ArrayBuffer]);
    },
    checkSpace(told): void {
      if (failed) return told(failed);
      asking = told;
      tell({ kind: "checkSpace" });
    },
    close(whenClosed): void {
      waiting = null;
      asking = null;
      closing = whenClosed;
      tell({ kind: "close" });
    },
  };
}
