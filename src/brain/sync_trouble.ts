/**
 * What one look of the lock's holder says of synchronous replication: signs, which become troubles when they
 * last (src/agent/loop/sync_watch.ts). For people: nothing decides by them. Pure.
 */
import { isInitialized } from "../model/records.ts";
import { otherMembers, syncMisfits } from "../model/sync_fit.ts";
import { MAX_SYNC_DETAIL, type SyncTroubleKind } from "../model/sync_trouble.ts";
import { isPromised } from "../sync/record.ts";
import { isMissing, takesAnybody } from "../sync/setting.ts";
import type { NodeView } from "./keep/view.ts";
import { nameClashes } from "./name_clash.ts";
import { syncStep } from "./sync.ts";

export interface SyncSign {
  readonly kind: SyncTroubleKind;
  /** What it is a sign of: one with another key has not lasted. */
  readonly key: string;
  readonly detail: string;
}

export function syncSigns(view: NodeView): readonly SyncSign[] {
  const { tenure, dcs, dynamic, postgres } = view;
  const { process, writable, inRecovery } = postgres;
  if (tenure !== "holding" || dynamic.standbyCluster !== null || !isInitialized(dcs)) return [];
  // A frozen server acknowledges nothing, for a reason of its own.
  if (process !== "running" || !writable || inRecovery !== false) return [];
  return [...writesBlocked(view), ...tooFewMembers(view), ...clashing(view)];
}

function clashing(view: NodeView): readonly SyncSign[] {
  const { dynamic, dcs, postgres: { sync } } = view;
  if (dynamic.synchronousMode === "off" && !isPromised(dcs.sync) && sync.setting.count === 0) return [];
  const found = nameClashes(view);
  if (found.length === 0) return [];
  const detail = `${found.map(({ why }) => why).join("; ")}. It is not waited for, until that ends`;
  return [{
    kind: "name-clash",
    key: found.map(({ name }) => name).join(),
    detail: detail.slice(0, MAX_SYNC_DETAIL),
  }];
}

/** Also said of a value that was accepted when there were more of them. */
function tooFewMembers({ dynamic, dcs }: NodeView): readonly SyncSign[] {
  const found = syncMisfits({ ...dynamic, maximumLagOnSyncnodeBytes: -1 }, otherMembers(dcs));
  if (found.length === 0) return [];
  const detail = found.map(({ key, message }) => `${key}: ${message}`).join("; ").slice(0, MAX_SYNC_DETAIL);
  return [{ kind: "too-few-members", key: detail, detail }];
}

function writesBlocked(view: NodeView): readonly SyncSign[] {
  const { dcs, postgres: { sync, wroteUnder, epoch } } = view;
  const lacking = standbysLacking(view);
  const isHeldBack = isPromised(dcs.sync) && (wroteUnder === null || wroteUnder !== epoch);
  const waits = sync.waitingSince ?? null;
  if (lacking === null && !isHeldBack && waits === null) return [];
  const why = lacking ??
    (waits === null
      ? "no transaction of the agent's own has been acknowledged"
      : `a commit waits for ${awaited(view)}, which streams and does not acknowledge`);
  const clients = isHeldBack ? ", and GET /primary does not send clients here" : "";
  const detail = `${why}${clients}. ${whatEndsIt(view, lacking !== null)}`.slice(0, MAX_SYNC_DETAIL);
  // Under load some commit waits at every look: only one and the same transaction is a sign.
  const key = lacking !== null ? "standbys" : isHeldBack ? "first write" : `transaction ${waits}`;
  return [{ kind: "writes-blocked", key, detail }];
}

/** Fewer standbys stream than have to acknowledge. */
function standbysLacking({ postgres: { sync: { setting, loaded, flushed } } }: NodeView): string | null {
  if (setting.count === 0 || !loaded) return null;
  const streaming = Object.keys(flushed).filter((name) =>
    takesAnybody(setting) || setting.names.includes(name)
  ).sort();
  if (streaming.length >= setting.count) return null;
  if (isMissing(setting) || takesAnybody(setting)) {
    return "commits wait for a standby, and none that may be synchronous streams from here";
  }
  const who = streaming.length === 0 ? "none of them streams" : `only ${streaming.join(", ")} streams`;
  return `commits wait for ${setting.count} of ${setting.names.join(", ")}, and ${who} from here`;
}

function awaited({ postgres: { sync: { setting } } }: NodeView): string {
  if (setting.count === 0) return "a standby that synchronous_standby_names names";
  if (takesAnybody(setting)) return "any standby";
  return `${setting.count} of ${setting.names.join(", ")}`;
}

function whatEndsIt(view: NodeView, isLacking: boolean): string {
  const { dynamic, raftLostForMs } = view;
  if (raftLostForMs > 0) {
    return "Without a majority of the cluster no standby can be left out: it ends when a majority is back";
  }
  if (isLacking && dynamic.synchronousModeStrict && isMissing(view.postgres.sync.setting)) {
    return "synchronous_mode_strict is on: it ends when a standby streams";
  }
  const step = syncStep(view);
  if (step?.kind === "wait") return `The synchronous standbys change when ${step.why}`;
  return isLacking
    ? "It ends when they stream again, or others take their place"
    : "It ends when they acknowledge, or others take their place";
}
