/**
 * The assertions of the consensus core. They stay on in production: a node whose invariant is broken must end
 * rather than go on with a state that may already have cost committed data.
 */

/**
 * An invariant of the core does not hold. The core never catches it; the program that runs the core ends the
 * process.
 */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws InvariantError unless `condition` holds. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new InvariantError(what);
}

/** Terms, indexes and ids are JS numbers: beyond 2^53 they would silently stop being exact. */
export function assertCount(value: number, what: string): void {
  assert(Number.isSafeInteger(value) && value >= 0, `${what} is not a safe non-negative integer: ${value}`);
}
