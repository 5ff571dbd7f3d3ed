/**
 * Takes files from the disk when they have changed, without a signal: certificates that were renewed. A look
 * costs a stat of each. A failure is said once as long as it is the same, and the files are tried again at
 * each look: its cause may lie outside of them (no free file descriptor, a slow disk). Half of a renewed pair
 * is such a failure, too, which the other half mends.
 */

export interface WatchedFilesOptions {
  /** The state of the files, by fileState. */
  readonly state: () => string;
  /**
   * Reads them, and puts them in force. Throws the reason why not; what was in force stays then. `why`: the
   * occasion, for people.
   */
  readonly take: (why: string) => void;
  /** Told why the present files are not in force. */
  readonly failed: (reason: string) => void;
}

/** The files were read, and are at fault themselves: they are not tried again before they change. */
export class UnusableFiles extends Error {
  override readonly name = "UnusableFiles";
}

export class WatchedFiles {
  readonly #options: WatchedFilesOptions;
  /** State of the files that are in force, or were tried last; null: to be tried whatever it is. */
  #seen: string | null;
  /** Why the present files are not in force, and are to be tried again; null: neither. */
  #failure: string | null = null;

  /** The present files are in force. */
  constructor(options: WatchedFilesOptions) {
    this.#options = options;
    this.#seen = options.state();
  }

  /** To be called now and then. Never throws. */
  look(): void {
    const isNew = this.#options.state() !== this.#seen;
    if (isNew || this.#failure !== null) this.#take("they have changed on the disk", isNew);
  }

  /** Takes them, changed or not; a failure is said even if it is the last one's again. Never throws. */
  takeNow(why: string): void {
    this.#take(why, true);
  }

  /** They were put in force in another way. `seen`: their state, noted before they were read. */
  inForce(seen: string): void {
    this.#seen = seen;
    this.#failure = null;
  }

  /** The next look tries them. */
  tryAgain(): void {
    this.#seen = null;
  }

  #take(why: string, isNew: boolean): void {
    const { state, take, failed } = this.#options;
    // Noted before the files are read: a change in between is seen at the next look.
    this.#seen = state();
    const before = this.#failure;
    this.#failure = null;
    try {
      take(why);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof UnusableFiles)) this.#failure = reason;
      if (isNew || reason !== before) failed(reason);
    }
  }
}
