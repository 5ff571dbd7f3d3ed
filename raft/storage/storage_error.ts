/**
 * Reason why a log directory cannot be used. The message tells the operator what happened, and what to do.
 */
export type StorageErrorCode =
  /** Another process uses the directory. */
  | "locked"
  /** The directory belongs to another cluster or member. */
  | "identity"
  /** The data on the disk contradicts itself: it may have lost what this member has acknowledged. */
  | "damaged"
  /** A later version of the program has written it. */
  | "version"
  /** The disk has no room to go on with the log. */
  | "full"
  /** A write has failed since the host was booted: reads may not show what is on the disk. */
  | "poisoned";

/** Thrown by openWal: this member cannot take part before an operator has done what the message says. */
export class StorageError extends Error {
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string) {
    super(message);
    this.name = "StorageError";
    this.code = code;
  }
}

/** `what`: the thing that this version does not know, and where it was found. */
export function laterVersion(what: string): StorageError {
  return new StorageError(
    "version",
    `${what}: a later version of the program has written this. Nothing is lost: install the version that has run ` +
      "here last",
  );
}
