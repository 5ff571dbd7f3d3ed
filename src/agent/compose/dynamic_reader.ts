/** Reads the dynamic configuration as this program uses it, and logs its problems once for each change. */
import { checkTiming } from "../../lease/timing.ts";
import { checkWatchdogTiming } from "../../brain/watchdog.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import { effectiveDynamic } from "../../config/dynamic.ts";
import type { JsonObject } from "../../model/json.ts";
import { unavailableFeatures } from "../../config/unavailable.ts";

/** Reads what the records hold, with the local file's part; bootstrap.dcs as long as they hold nothing. */
export function dynamicReader(config: () => LocalConfig, log: Log): (value: JsonObject) => DynamicConfig {
  let said = "";
  return (value) => {
    const known = Object.keys(value).length > 0 ? value : config().bootstrap.dcs;
    const { config: dynamic, issues } = effectiveDynamic(known, config());
    const problems = [...unavailableFeatures(dynamic), ...timingProblems(dynamic, config())];
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
