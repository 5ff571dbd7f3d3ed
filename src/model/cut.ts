/**
 * A member's word that it acknowledges nothing to the holder of `epoch` any more, and how far the valid WAL
 * on its disk goes, read after that (src/sync/DESIGN.md).
 */
import type { Lsn } from "./lsn.ts";

export interface Cut {
  readonly epoch: number;
  readonly timeline: number;
  readonly lsn: Lsn;
}
