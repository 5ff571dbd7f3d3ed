/**
 * The records of the cluster as the raft log of this host holds them, for `agent ctl` when no member answers.
 * Only reads: the agent may be running. The log may hold entries that no majority has confirmed, and lacks
 * those that this host has not received: what it says is old, and is shown as such.
 */
import { type ReadLog, readLog, replayLog, StorageError, UpgradeNeededError } from "../../raft/mod.ts";
import { COMMAND_VERSION } from "../../src/dcs/commands.ts";
import { DcsStateMachine } from "../../src/dcs/state_machine.ts";
import { withOffset } from "../../src/model/iso_time.ts";
import type { DcsState } from "../../src/model/records.ts";
import { CtlError } from "./errors.ts";
import { newestFile } from "./local_file.ts";

export interface LocalRecords {
  readonly state: DcsState;
  /** Says where they come from, and of when they are. */
  readonly origin: string;
}

/** `directory`: raft.data_dir. Throws CtlError where it holds no log that this version can read. */
export function readLocalRecords(directory: string): LocalRecords {
  const read = reading(directory, () => readLog(directory));
  return { state: stateOf(directory, read), origin: originOf(directory, read) };
}

/** The records at the end of a log. */
export function stateOf(directory: string, { stored }: Pick<ReadLog, "stored">): DcsState {
  const dcs = new DcsStateMachine();
  reading(directory, () =>
    replayLog(stored, {
      apply: (command, index, _, version) => dcs.apply(command, index, version),
      snapshot: () => dcs.snapshot(),
      restore: (data) => dcs.restore(data),
    }, COMMAND_VERSION));
  return dcs.state;
}

function originOf(directory: string, { identity }: ReadLog): string {
  const at = newestFile(`${directory}/${identity.log}`);
  return `the raft log of this host, ${directory}${at === null ? "" : `, last written ${withOffset(at)}`}`;
}

/** Throws CtlError for what is wrong with the directory. */
export function reading<T>(directory: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const isExpected = error instanceof StorageError || error instanceof UpgradeNeededError ||
      (error instanceof Error && "code" in error);
    if (!isExpected) throw error;
    throw new CtlError(`the raft log of this host (${directory}) cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}
