/**
 * Ends a member whose replication slot belongs to another one that joined before it. It would never stream,
 * as its slot is always in use. The holder of the lock needs no slot: it is warned, and not ended.
 */
import type { Log } from "../../lib/log.ts";
import { slotName, slotTakenBy } from "../../model/slot_name.ts";
import type { DcsState } from "../../model/records.ts";
import { slotTaken } from "./namesake.ts";

export interface SlotClashOptions {
  readonly name: string;
  readonly state: () => DcsState;
  readonly log: Log;
  /** Ends the process. */
  readonly exit: (code: number, message: string) => void;
}

/** Returns a function to call whenever the records may have changed. */
export function watchSlotClash({ name, state, log, exit }: SlotClashOptions): () => void {
  let said = false;
  return () => {
    const { members, lock } = state();
    const other = said || !Object.hasOwn(members, name) ? null : slotTakenBy(name, Object.keys(members));
    if (other === null) return;
    said = true;
    if (lock.holder === name) {
      const text = `the names ${other} and ${name} give the same replication slot, ${slotName(name)}`;
      log.error("config", `${text}: give one of the two another name`);
    } else {
      exit(
        1,
        `${
          slotTaken(name, other)
        }. Remove this member (agent ctl raft remove ${name}), move its raft.data_dir aside, and ` +
          "start it with another name in its file",
      );
    }
  };
}
