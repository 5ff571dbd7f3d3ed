/** Why a log directory cannot be used. The message is for the operator: what happened, and what to do. */
export type StorageErrorCode =
  /** Another process uses the directory. */
  | "locked"
  /** The directory belongs to another cluster or member. */
  | "identity"
  /** What is on the disk contradicts itself: it may have lost what this member has acknowledged. */
  | "damaged"
  /** There is no room to go on with the log. */
  | "full"
  /** A write failed since the host was booted: what can be read may not be what is on the disk. */
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
