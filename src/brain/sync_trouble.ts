/**
 * What one look of the lock's holder says of synchronous replication: signs, which become troubles when they
 * last (src/agent/loop/sync_watch.ts). For people: nothing decides by them. Pure.
 */
import type { ExemptCommits, SyncView } from "../model/postgres_view.ts";
import { isInitialized } from "../model/records.ts";
import { otherMembers, syncMisfits } from "../model/sync_fit.ts";
import { MAX_SYNC_DETAIL, type SyncTroubleKind } from "../model/sync_trouble.ts";
import { isPromised } from "../sync/record.ts";
import { isMissing, type SyncSetting, takesAnybody } from "../sync/setting.ts";
import type { NodeView } from "./keep/view.ts";
import { nameClashes } from "./name_clash.ts";
import { syncStep } from "./sync.ts";

/** So many settings are named, and the others counted. */
const MAX_NAMED = 4;

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
  return [...writesBlocked(view), ...tooFewMembers(view), ...clashing(view), ...exempt(view)];
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

/** Nothing that they acknowledge is promised to survive, and PostgreSQL says so nowhere. */
function exempt({ dynamic, postgres: { sync } }: NodeView): readonly SyncSign[] {
  const found = sync.exempt ?? [];
  if (dynamic.synchronousMode === "off" || found.length === 0) return [];
  const shown = found.slice(0, MAX_NAMED).map((one) => `${whose(one)} (${one.value})`);
  const more = found.length > MAX_NAMED ? [`${found.length - MAX_NAMED} more`] : [];
  const detail = `by synchronous_commit commits of ${[...shown, ...more].join(", ")} wait for no standby, ` +
    "and synchronous_mode promises nothing of them. " +
    "ALTER ROLE, DATABASE or SYSTEM ... RESET synchronous_commit ends that for new sessions";
  return [{ kind: "commits-exempt", key: "commits-exempt", detail: detail.slice(0, MAX_SYNC_DETAIL) }];
}

function whose({ role, database }: ExemptCommits): string {
  if (role === null && database === null) return "all sessions";
  if (role === null) return `database ${database}`;
  return database === null ? `role ${role}` : `role ${role} in database ${database}`;
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
    (waits === null ? "no transaction of the agent's own has been acknowledged" : heldUp(view));
  const clients = isHeldBack ? ", and GET /primary does not send clients here" : "";
  const detail = `${why}${clients}. ${whatEndsIt(view, lacking !== null)}`.slice(0, MAX_SYNC_DETAIL);
  // Under load some commit waits at every look: only one and the same transaction is a sign.
  const key = lacking !== null ? "standbys" : isHeldBack ? "first write" : `transaction ${waits}`;
  return [{ kind: "writes-blocked", key, detail }];
}

/** Fewer standbys stream than have to acknowledge. */
function standbysLacking({ postgres: { sync: { setting, loaded, flushed } } }: NodeView): string | null {
  if (setting.count === 0 || !loaded) return null;
  const streaming = streamersOf(setting, flushed);
  if (streaming.length >= setting.count) return null;
  if (isMissing(setting) || takesAnybody(setting)) {
    return "commits wait for a standby, and none that may be synchronous streams from here";
  }
  const who = streaming.length === 0 ? "none of them streams" : `only ${streaming.join(", ")} streams`;
  return `commits wait for ${setting.count} of ${setting.names.join(", ")}, and ${who} from here`;
}

/** A commit waits, and no lack of standbys is seen. */
function heldUp({ postgres: { sync: { setting, loaded, flushed, namesInForce } } }: NodeView): string {
  if (setting.count === 0) {
    if (loaded && namesInForce === "") {
      return "a commit waits for a standby though none is asked for: PostgreSQL's checkpointer, which ends such waits, " +
        "has not read the empty synchronous_standby_names";
    }
    return namesInForce === undefined || namesInForce === ""
      ? "a commit waits for a standby that PostgreSQL's synchronous_standby_names asked for"
      : `a commit waits by synchronous_standby_names = '${namesInForce}', which is not the agent's`;
  }
  const wanted = takesAnybody(setting)
    ? "any standby"
    : isMissing(setting)
    ? "a standby that may be synchronous"
    : `${setting.count} of ${setting.names.join(", ")}`;
  if (!loaded) return `a commit waits, and PostgreSQL has not read yet that it is to wait for ${wanted}`;
  const who = streamersOf(setting, flushed);
  return `a commit waits for ${wanted}; ${who.join(", ")} ${
    who.length === 1 ? "streams and does" : "stream and do"
  } not acknowledge it`;
}

function streamersOf(setting: SyncSetting, flushed: SyncView["flushed"]): readonly string[] {
  return Object.keys(flushed).filter((name) => takesAnybody(setting) || setting.names.includes(name)).sort();
}

function whatEndsIt(view: NodeView, isLacking: boolean): string {
  const { dynamic, raftLostForMs, postgres: { sync: { setting } } } = view;
  const isAsynchronous = dynamic.synchronousMode === "off" && !isPromised(view.dcs.sync);
  if (isAsynchronous && setting.count === 0) {
    return "It ends when that is acknowledged, or with the parameter: without synchronous_mode the agent leaves it alone";
  }
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
