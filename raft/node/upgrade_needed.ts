import { UnreadableSnapshotError } from "./unreadable_snapshot.ts";

/** Whether an error ends a member with a message for people, and is no fault of this process. */
export function isUnreadable(error: unknown): error is UpgradeNeededError | UnreadableSnapshotError {
  return error instanceof UpgradeNeededError || error instanceof UnreadableSnapshotError;
}

/**
 * The log or a snapshot holds what only a later version of this program can read: this program must not go on
 * as if it did not.
 */
export class UpgradeNeededError extends Error {
  override readonly name = "UpgradeNeededError";

  /** `what`: the unreadable thing, as the beginning of a sentence. */
  constructor(what: string) {
    super(
      `${what}: upgrade this member. It has stopped, so that its state does not differ from the others'`,
    );
  }
}
