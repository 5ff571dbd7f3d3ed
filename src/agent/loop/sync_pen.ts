/**
 * Knows whether a proposal to change the record of synchronous replication may still be applied in place of
 * the record as it is now: one of this start of the agent whose outcome is not known, or one of an earlier
 * start under the same epoch. Each names the revision that it replaces, so that all of them are void as soon
 * as the record has changed. Until then `synchronous_standby_names` stays as it is: the late record would not
 * cover another value (src/sync/DESIGN.md).
 */
export class SyncPen {
  /** The revision of which it is known that nothing was proposed in its place. */
  #clean: number | null = null;
  #epoch = 0;
  #revision: number | null = null;

  /**
   * `joined`: the records are not older than this start of the agent. `grantedHere`: the epoch began in this
   * start, so that no earlier one has proposed anything under it.
   */
  look({ epoch, revision, joined, grantedHere }: {
    readonly epoch: number;
    readonly revision: number;
    readonly joined: boolean;
    readonly grantedHere: boolean;
  }): void {
    if (!joined) return;
    const isNewEpoch = grantedHere && epoch !== this.#epoch;
    const hasChanged = this.#revision !== null && revision !== this.#revision;
    if (isNewEpoch || hasChanged) this.#clean = revision;
    if (grantedHere) this.#epoch = epoch;
    this.#revision = revision;
  }

  /** A change of the record at this revision is proposed. */
  proposed(revision: number): void {
    if (this.#clean === revision) this.#clean = null;
  }

  isFrozen(revision: number): boolean {
    return this.#clean !== revision;
  }
}
