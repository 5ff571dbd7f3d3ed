/** The dynamic configuration of a simulated cluster: defaults with what the records say of the times. */
import type { DynamicConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";

export function simulatedDynamic(records: JsonObject): DynamicConfig {
  const seconds = (key: string, otherwise: number) => {
    const value = records[key];
    return typeof value === "number" ? value : otherwise;
  };
  return {
    ttlS: seconds("ttl", 5),
    loopWaitS: seconds("loop_wait", 1),
    retryTimeoutS: seconds("retry_timeout", 2),
    maximumLagOnFailoverBytes: 1_048_576,
    maximumLagOnSyncnodeBytes: -1,
    checkTimeline: false,
    maxTimelinesHistory: 0,
    primaryStartTimeoutS: seconds("primary_start_timeout", 15),
    primaryStopTimeoutS: 0,
    synchronousMode: "off",
    synchronousModeStrict: false,
    synchronousNodeCount: 1,
    failsafeMode: records["failsafe_mode"] === true,
    pause: records["pause"] === true,
    memberSlotsTtlS: 1800,
    slots: {},
    ignoreSlots: [],
    standbyCluster: null,
    postgresql: {
      useSlots: true,
      usePgRewind: records["use_pg_rewind"] !== false,
      parameters: {},
      controlled: {},
      pgHba: null,
      pgIdent: null,
      recoveryConf: {},
      section: {},
    },
  };
}
