/** Invariants stay checked in production: a broken one ends the process (crash.ts), it is never repaired. */

export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws unless `condition` holds. For the program's own guarantees; never for input from outside. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the default branch of a switch over a union: a compile error when a case is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${JSON.stringify(value)}`);
}
