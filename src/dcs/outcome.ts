/** The effect of a command on the state: the changed records, or why it does nothing. */
import type { DcsState } from "../model/records.ts";
import type { RefusalCode } from "./command.ts";

export type Outcome =
  | { readonly change: Partial<DcsState> }
  | { readonly refuse: string; readonly code: RefusalCode };
