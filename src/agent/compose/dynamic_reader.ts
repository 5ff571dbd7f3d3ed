/** Reads the dynamic configuration as this program uses it, and logs its problems once for each change. */
import { checkTiming } from "../../lease/timing.ts";
import { checkWatchdogTiming } from "../../brain/watchdog.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import { effectiveDynamic } from "../../config/dynamic.ts";
import type { JsonObject } from "../../model/json.ts";

/** Reads what the records hold, with the local file's part. `untilKnown`: while they hold none. */
export function dynamicReader(
  config: () => LocalConfig,
  untilKnown: () => JsonObject,
  log: Log,
): (value: JsonObject | null) => DynamicConfig {
  let said = "";
  return (value) => {
    const { config: dynamic, issues } = effectiveDynamic(value ?? untilKnown(), config());
    const problems = timingProblems(dynamic, config());
    const warnings = issues.map((issue) => `${issue.path}: ${issue.message}`);
    const text = [...warnings, ...problems].join("\n");
    if (text !== said) {
      for (const warning of warnings) log.warning("config", warning);
      for (const problem of problems) log.error("config", problem);
    }
    said = text;
    return dynamic;
  };
}

/**
 * The inequalities of the lease that these times break, with the numbers; empty when the times can be used.
 */
export function timingProblems(dynamic: DynamicConfig, config: LocalConfig): string[] {
  return [
    ...checkTiming(dynamic.ttlS * 1000, config.raft.electionMaxMs),
    ...checkWatchdogTiming(config.watchdog, dynamic),
  ];
}
