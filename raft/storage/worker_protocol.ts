/** What the main thread and the log's Worker say to each other. */
import type { WriteJob, WriterState } from "./wal_writer.ts";

export type ToWorker =
  | { readonly kind: "start"; readonly directory: string; readonly state: WriterState }
  | { readonly kind: "job"; readonly job: WriteJob }
  | { readonly kind: "close" };

export type FromWorker =
  /** Answer to each job, in order. */
  | { readonly kind: "done" }
  /** Final: the log cannot be written any more. */
  | { readonly kind: "failed"; readonly message: string; readonly diskFull: boolean }
  | { readonly kind: "warning"; readonly text: string }
  | { readonly kind: "closed" };
