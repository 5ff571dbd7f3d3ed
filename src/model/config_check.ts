/** What a member finds when it looks at a configuration that is proposed. */
export interface ConfigCheck {
  /** Why it could never work; an operator may insist. */
  readonly refusals: readonly string[];
  /** Values that are not used as they are. */
  readonly warnings: readonly string[];
}

export const NOTHING_FOUND: ConfigCheck = { refusals: [], warnings: [] };
