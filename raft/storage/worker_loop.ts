/** What the thread that writes the log does with the messages it gets; apart from the thread, so that it can be tested. */
import type { Disk } from "./disk.ts";
import { DiskFullError, WalWriter } from "./wal_writer.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

/** Handles one message after another. A failure is answered once; then only "close" is heard. */
export function workerLoop(
  openDisk: (directory: string) => Disk,
  answer: (message: FromWorker) => void,
): (message: ToWorker) => void {
  let writer: WalWriter | null = null;
  let failed = false;

  const handle = (message: ToWorker): void => {
    switch (message.kind) {
      case "start":
        writer = new WalWriter(
          openDisk(message.directory),
          message.state,
          (text) => answer({ kind: "warning", text }),
        );
        writer.resume();
        return;
      case "job":
        if (!writer) throw new Error("the log's worker was not started");
        writer.write(message.job);
        if (message.job.sync) writer.sync();
        answer({ kind: "done" });
        writer.tidy();
        return;
      case "close":
        writer?.close();
        answer({ kind: "closed" });
        return;
    }
  };

  return (message) => {
    if (failed && message.kind !== "close") return;
    try {
      handle(message);
    } catch (cause) {
      failed = true;
      const text = cause instanceof Error ? cause.message : String(cause);
      answer({ kind: "failed", message: text, diskFull: cause instanceof DiskFullError });
    }
  };
}
