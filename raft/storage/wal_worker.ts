/**
 * The thread that writes the log, so that a slow fdatasync delays no timer. worker_backend.ts starts it; in
 * the compiled program it is an entry of its own. Uses synchronous file operations only.
 */
import { JobSlot } from "./job_slot.ts";
import { realDisk } from "./real_disk.ts";
import { workerLoop } from "./worker_loop.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

declare const self: Worker;

const handle = workerLoop(realDisk, (message: FromWorker) => self.postMessage(message));
let slot: JobSlot | null = null;
let handled = 0;

/** Stays at the slot between two messages, and goes back to the event loop only for an announced one. */
self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  handled++;
  handle(data);
  if (data.kind === "start") slot = new JobSlot(data.slot);
  if (data.kind === "close") slot = null;
  for (let job = slot?.take(handled); job; job = slot?.take(handled)) handle({ kind: "job", job });
};
