/** Writes on the calling thread: for tests, and for the simulator, which decides when an fdatasync ends. */
import type { WriteBackend } from "./wal_storage.ts";
import type { WalWriter, WriteJob } from "./wal_writer.ts";

/**
 * `defer` is given the second half of every write, the fdatasync; by default it runs at once. Between the halves the
 * data is written but not durable, which is where a simulated crash hurts. A hung disk never runs what it was given.
 */
export function inlineBackend(
  writer: WalWriter,
  defer: (run: () => void) => void = (run) => run(),
): WriteBackend {
  let closed = false;
  let failed: Error | null = null;
  const attempt = (work: () => void): boolean => {
    if (failed) return false;
    try {
      work();
    } catch (cause) {
      failed = cause instanceof Error ? cause : new Error(String(cause));
    }
    return failed === null;
  };
  return {
    submit(job: WriteJob, done: (error: Error | null) => void): void {
      attempt(() => writer.write(job));
      defer(() => {
        if (closed) return;
        attempt(() => {
          if (job.sync) writer.sync();
        });
        done(failed);
        if (!closed) attempt(() => writer.tidy());
      });
    },
    close(whenClosed: () => void): void {
      closed = true;
      writer.close();
      whenClosed();
    },
  };
}
