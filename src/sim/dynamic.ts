/** The dynamic configuration of a simulated cluster: its records are read as a member reads them. */
import type { DynamicConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { effectiveDynamic } from "../config/dynamic.ts";

/** A crashed primary is not waited for as long as five minutes: a run has no time for that. */
const START_TIMEOUT_S = 15;

export function simulatedDynamic(records: JsonObject | null): DynamicConfig {
  const section = records?.["postgresql"];
  const postgresql = {
    use_pg_rewind: records?.["use_pg_rewind"] !== false,
    ...isJsonObject(section) ? section : {},
  };
  const given = { primary_start_timeout: START_TIMEOUT_S, ...records, postgresql };
  return effectiveDynamic(given, { localDynamic: {}, postgresql: null }).config;
}
