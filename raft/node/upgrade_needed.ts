/** The log or a snapshot says what only a later version of this program can read: it must not go on as if it had not. */
export class UpgradeNeededError extends Error {
  override readonly name = "UpgradeNeededError";

  /** `what`: what was met, as the beginning of a sentence. */
  constructor(what: string) {
    super(
      `${what}: upgrade this member. It has stopped, so that its state does not become another than the others'`,
    );
  }
}
