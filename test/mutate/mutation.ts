/** A way to break the product, as a named edit of one source file. */
export interface Mutation {
  /** Says what is wrong after it: "vote-given-twice". */
  readonly name: string;
  /** From the root of the project. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly search: string;
  readonly replace: string;
  /** What must notice: files and folders from the root of the project. */
  readonly tests: readonly string[];
}

/** [name, search, replace] */
export type Edit = readonly [name: string, search: string, replace: string];

export function mutationsOf(file: string, tests: readonly string[], edits: readonly Edit[]): Mutation[] {
  return edits.map(([name, search, replace]) => ({ name, file, search, replace, tests }));
}
