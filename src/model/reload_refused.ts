/** The last reload of a member's file, where it was refused: what was in force before stays so. */

import { withoutCredentials } from "./credentials.ts";

export interface ReloadRefused {
  /** Wall clock, ISO 8601. */
  readonly at: string;
  /** The file, the line and the key of the first problem, or the section that stayed as it was. */
  readonly why: string;
}

/** Longer reasons say nothing more; others refuse a status that is too large. */
const MAX_WHY = 400;

export function reloadRefused(at: string, why: string): ReloadRefused {
  // It may quote a command of the file.
  const told = withoutCredentials(why);
  return { at, why: told.length > MAX_WHY ? `${told.slice(0, MAX_WHY)}...` : told };
}
