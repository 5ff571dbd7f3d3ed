/**
 * Says in the words that Patroni's users search for that this member has become the primary: once it has
 * completed a write, and again each time that it was promoted under a lock which it has kept (after a while
 * without a majority, or when a standby cluster ends).
 */
export interface PromotionLook {
  /** Promotions that were asked for since the start of the agent. */
  readonly asked: number;
  /** It holds the lock, and has completed a write under it since its server was started or promoted. */
  readonly writes: boolean;
  /** This look has found its first write under a lock that it was granted. */
  readonly isNewLock: boolean;
}

export class PromotionLine {
  #told = 0;

  /** null: there is nothing to say. */
  look({ asked, writes, isNewLock }: PromotionLook): string | null {
    if (!isNewLock && (!writes || asked === this.#told)) return null;
    this.#told = asked;
    return isNewLock
      ? "promoted self to leader by acquiring session lock"
      : "promoted self to leader because I had the session lock";
  }
}
