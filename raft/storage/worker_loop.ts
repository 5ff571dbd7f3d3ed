/**
 * Handles the messages to the thread that writes the log; apart from the thread, so that it can be tested.
 */
import type { Disk } from "./disk.ts";
import { WalWriter, type WriteJob } from "./wal_writer.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

/** Handles one message after another. A failure is answered once; after it only "close" is heard. */
export function workerLoop(
  openDisk: (directory: string) => Disk,
  answer: (message: FromWorker) => void,
): (message: ToWorker) => void {
  let writer: WalWriter | null = null;
  let blocked: WriteJob | null = null;
  let failed = false;

  const finish = (log: WalWriter, job: WriteJob): void => {
    if (job.sync) log.sync();
    answer("done");
    log.tidy();
  };

  const handle = (message: ToWorker): void => {
    if (message.kind === "start") {
      writer = new WalWriter(openDisk(message.directory), message.state);
      return writer.resume();
    }
    if (message.kind === "close") {
      writer?.close();
      return answer({ kind: "closed" });
    }
    if (!writer) throw new Error("the log's worker was not started");
    if (message.kind === "job") {
      if (writer.write(message.job)) return finish(writer, message.job);
      blocked = message.job;
      return;
    }
    const job = blocked;
    if (job && writer.retry()) {
      blocked = null;
      finish(writer, job);
    }
    answer({ kind: "space", shortage: writer.checkSpace() });
  };

  return (message) => {
    if (failed && message.kind !== "close") return;
    try {
      handle(message);
    } catch (cause) {
      failed = true;
      answer({ kind: "failed", message: cause instanceof Error ? cause.message : String(cause) });
    }
  };
}
