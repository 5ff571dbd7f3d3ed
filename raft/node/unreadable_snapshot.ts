/**
 * A snapshot with a valid checksum and content that this program cannot read: nothing can be restored from
 * it.
 */
export class UnreadableSnapshotError extends Error {
  override readonly name = "UnreadableSnapshotError";

  constructor(index: number, cause: unknown) {
    super(
      `the snapshot at ${index} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}. ` +
        "Stop this member, empty its raft directory and start it again: it gets a new one from the leader",
      { cause },
    );
  }
}
