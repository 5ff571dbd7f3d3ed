/**
 * The raft directory of this host, locked, so that it can be set aside. Nothing is deleted: the directory
 * gets another name, and its old name back brings the records back.
 */
import { SurvivingLog } from "../../raft/mod.ts";
import { reading, stateOf } from "./local_records.ts";
import { renameDirectory } from "./local_file.ts";
import type { DcsState } from "../../src/model/records.ts";

export interface LockedRecords {
  readonly state: DcsState;
  /** Returns the new name. Throws CtlError. */
  setAside(stamp: string): string;
  close(): void;
}

/** Throws CtlError while the agent of this host runs, and where there is no log that can be read. */
export function lockRecords(directory: string): LockedRecords {
  const log = reading(directory, () => SurvivingLog.open(directory));
  try {
    return {
      state: stateOf(directory, log),
      setAside: (stamp) => {
        const aside = `${directory.replace(/\/+$/, "")}.removed-${stamp}`;
        renameDirectory(directory, aside);
        return aside;
      },
      close: () => log.close(),
    };
  } catch (error) {
    log.close();
    throw error;
  }
}
