/**
 * What a simulated host keeps outside of its data directory, in production's shape (data_mark.ts): by which
 * names its data is known. It goes with the raft directory.
 */
import type { Lsn } from "../model/lsn.ts";
import { type KnownData, withData } from "../postgres/data_mark.ts";

export class ModelNotes {
  known: KnownData = [];

  note(dataId: string, checkpointLsn: Lsn, inProduction: boolean): void {
    this.known = withData(this.known, { dataId, checkpointLsn, inProduction }) ?? this.known;
  }
}
