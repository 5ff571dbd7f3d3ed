/** Writes on the calling thread, for tests, which decide when an fdatasync ends. */
import type { Shortage } from "./space.ts";
import type { WriteBackend } from "./wal_storage.ts";
import type { WalWriter, WriteJob } from "./wal_writer.ts";

type Done = (error: Error | null) => void;

/**
 * `defer` gets the second half of every write, the fdatasync; by default it runs at once. Between the halves
 * the data is written but not durable: a crash there loses it. A hung disk never runs what it got.
 */
export function inlineBackend(
  writer: WalWriter,
  defer: (run: () => void) => void = (run) => run(),
): WriteBackend {
  let closed = false;
  let failed: Error | null = null;
  let blocked: { readonly job: WriteJob; readonly done: Done } | null = null;
  const attempt = (work: () => void): boolean => {
    if (failed) return false;
    try {
      work();
    } catch (cause) {
      failed = cause instanceof Error ? cause : new Error(String(cause));
    }
    return failed === null;
  };
  const finish = (job: WriteJob, done: Done): void =>
    defer(() => {
      if (closed) return;
      attempt(() => {
        if (job.sync) writer.sync();
      });
      done(failed);
      if (!closed) attempt(() => writer.tidy());
    });
  return {
    submit(job, done): void {
      let written = true;
      attempt(() => written = writer.write(job));
      if (written) finish(job, done);
      else blocked = { job, done };
    },
    checkSpace(told): void {
      const waiting = blocked;
      let shortage: Shortage | null = null;
      attempt(() => {
        if (waiting && writer.retry()) blocked = null;
        shortage = writer.checkSpace();
      });
      told(failed ?? shortage);
      if (failed) return waiting?.done(failed);
      if (waiting && !blocked) finish(waiting.job, waiting.done);
    },
    close(whenClosed: () => void): void {
      closed = true;
      writer.close();
      whenClosed();
    },
  };
}
