/** The executor's knowledge of WAL that is lost with the rejoin of this member (loss.ts). */
import type { LostWal } from "../../model/lost_wal.ts";
import type { OtherHistory } from "../../postgres/history.ts";

export interface LossMemory {
  /** The history that this member's was found to differ from; null: it was not. */
  other: OtherHistory | null;
  /** Where they part, once what lies behind has been kept. The next try of the rejoin finds more: its own. */
  taken: string | null;
  last: LostWal | null;
}
