/** Messages between the main thread and the log's Worker; small jobs go through a JobSlot instead. */
import type { Shortage } from "./space.ts";
import type { WriteJob, WriterState } from "./wal_writer.ts";

export type ToWorker =
  | {
    readonly kind: "start";
    readonly directory: string;
    readonly state: WriterState;
    /** Memory of the JobSlot, at which the thread waits from now on. */
    readonly slot: SharedArrayBuffer;
  }
  | { readonly kind: "job"; readonly job: WriteJob }
  | { readonly kind: "checkSpace" }
  | { readonly kind: "close" };

export type FromWorker =
  /** Answer to each job, in order, and not before there is room for it. A plain string travels fastest. */
  | "done"
  /** Final: the log cannot be written any more. */
  | { readonly kind: "failed"; readonly message: string }
  /** Answer to each `checkSpace`; null: there is enough room. */
  | { readonly kind: "space"; readonly shortage: Shortage | null }
  | { readonly kind: "closed" };
