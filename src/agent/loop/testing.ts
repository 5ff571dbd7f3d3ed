/** Builder for tests of what a member tells of itself. */
import { cluster, life, postgres, RUNNING_PRIMARY } from "../../brain/testing.ts";
import type { GuardView } from "../../model/guard_view.ts";
import type { OwnStatusInput } from "./own_status.ts";

/** What member a tells, the holder of epoch 3 with a running primary. */
export function ownStatusInput(change: Partial<OwnStatusInput> = {}): OwnStatusInput {
  return {
    nowMs: 1000,
    life: life("a"),
    name: "a",
    incarnation: 1,
    seq: 1,
    dcs: cluster(),
    postgres: postgres(RUNNING_PRIMARY),
    guard: { state: "ok" } as GuardView,
    watchdog: undefined,
    watchdogFailed: false,
    holding: true,
    inStandbyCluster: false,
    sighting: { epoch: 3, lsn: null },
    cut: null,
    walSettled: true,
    streamedTo: [],
    stopping: false,
    nofailover: false,
    failoverPriority: 1,
    tags: {},
    connUrl: "",
    apiUrl: "",
    lateMs: 0,
    canLose: null,
    ...change,
  };
}
