/**
 * The thread that writes the log, so that a slow fdatasync delays no timer. Started by worker_backend.ts; in the
 * compiled program it is an entry of its own. Uses synchronous file operations only.
 */
import { realDisk } from "./real_disk.ts";
import { workerLoop } from "./worker_loop.ts";
import type { FromWorker, ToWorker } from "./worker_protocol.ts";

declare const self: Worker;

const handle = workerLoop(realDisk, (message: FromWorker) => self.postMessage(message));

self.onmessage = (event: MessageEvent<ToWorker>) => handle(event.data);
