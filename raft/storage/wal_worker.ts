/**
 * The thread that writes the log, so that a slow fdatasync delays no timer. Started by worker_backend.ts; in the
 * compiled program it is an entry of its own. Uses synchronous file operations only.
 */
import { realDisk } from "./real_disk.ts";
import { DiskFullError, WalWriter } from "./wal_writer.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

declare const self: Worker;

let writer: WalWriter | null = null;
let failed = false;

function answer(message: FromWorker): void {
  self.postMessage(message);
}

function handle(message: ToWorker): void {
  switch (message.kind) {
    case "start":
      writer = new WalWriter(
        realDisk(message.directory),
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
}

self.onmessage = (event: MessageEvent<ToWorker>) => {
  if (failed && event.data.kind !== "close") return;
  try {
    handle(event.data);
  } catch (cause) {
    failed = true;
    const message = cause instanceof Error ? cause.message : String(cause);
    answer({ kind: "failed", message, diskFull: cause instanceof DiskFullError });
  }
};
