/** What is asked of one key of the configuration, and told: plain types. */
import type { LocalConfig, ServerRole } from "../model/config.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { Layer, WrittenConfig } from "./written.ts";

export interface ExplainInput {
  /** The cluster's configuration; null: there is none. */
  readonly dcs: JsonObject | null;
  readonly local: LocalConfig;
  readonly written: WrittenConfig;
  readonly role: ServerRole;
  readonly pendingRestart: {
    readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
  } | null;
}

export interface Explanation {
  /** In full: `postgresql.parameters.work_mem`. */
  readonly key: string;
  /** null: nothing is configured. */
  readonly value: Json;
  /** From weak to strong. */
  readonly layers: readonly Layer[];
  /** Why the layer that counts does, or what stands in where none does. */
  readonly why: string;
  /** The value that a restart of PostgreSQL brings; null: the same. */
  readonly afterRestart: string | null;
  readonly notes: readonly string[];
}
