/**
 * What a node owes to synchronous replication (src/sync/DESIGN.md): as the holder of the lock the next step
 * toward the standbys that its commits are to wait for; on every other member a setting that is not empty, so
 * that no commit is acknowledged at once after a promotion.
 */
import { ownValue } from "../lib/own_value.ts";
import type { Lsn } from "../model/lsn.ts";
import type { MemberStatus } from "../model/member_status.ts";
import { isInitialized, type SyncRecord } from "../model/records.ts";
import { streamsElsewhere, syncTags } from "../model/sync_tags.ts";
import { type Pickable, pickTarget } from "../sync/pick.ts";
import type { Standstill } from "../sync/standstill.ts";
import { nextStep, type SyncStep, type SyncTarget } from "../sync/plan.ts";
import { ASYNCHRONOUS, isPromised, type Voters, votersOf } from "../sync/record.ts";
import { awaitMissing, isSameSetting, NO_SYNC, settingFor, type SyncSetting } from "../sync/setting.ts";
import { dataTokenOf } from "./cluster/view.ts";
import { needsWal } from "./keep/vouched.ts";
import { type NodeView, ownBootstrap } from "./keep/view.ts";
import { nameClashes } from "./name_clash.ts";
import { hasOtherData } from "./other_data.ts";

/** A standby whose agent has been silent for so long is not waited for. */
const SILENT_MS = 2000;
/** A standby may take so long to attach to a new primary before others go on without it. */
const ATTACH_MS = 5000;

export type SyncDuty =
  | { readonly kind: "sync-setting"; readonly setting: SyncSetting }
  | {
    readonly kind: "sync-record";
    readonly epoch: number;
    readonly record: SyncRecord;
    readonly flushed: readonly string[];
    readonly expectRevision: number;
  };

export function synchronous(view: NodeView): SyncDuty | null {
  const { dcs, tenure, dynamic, joined } = view;
  if (!joined || !isInitialized(dcs)) return settingOfFounder(view);
  if (dynamic.standbyCluster !== null) return endOfPromise(view);
  if (tenure !== "holding") return settingOfStandby(view);
  const step = syncStep(view);
  switch (step?.kind) {
    case "setting":
      return { kind: "sync-setting", setting: step.setting };
    case "record":
      return logs(step.record, step.flushed, view);
    default:
      return null;
  }
}

/**
 * The data of a bootstrap in progress may be set aside: nothing of it is promised to survive. In strict mode
 * a new primary begins with a setting all the same, so that its very first client waits. What the bootstrap
 * itself writes does not wait (synchronous_commit = local).
 */
function settingOfFounder(view: NodeView): SyncDuty | null {
  const { dynamic, postgres } = view;
  const { synchronousMode, synchronousModeStrict, standbyCluster } = dynamic;
  const isStrict = synchronousMode !== "off" && synchronousModeStrict && standbyCluster === null;
  if (!isStrict || !ownBootstrap(view) || postgres.process !== "none") return null;
  const setting = awaitMissing(synchronousMode === "quorum");
  return isSameSetting(postgres.sync.setting, setting) ? null : { kind: "sync-setting", setting };
}

/**
 * A standby cluster acknowledges nothing. Its members are rewound or copied from the remote primary: by a
 * promise from before, nobody would be left to succeed its leader. But a primary that is restarted goes on as
 * one, in maintenance mode for long, and the cluster may be told to follow nobody before it has ended.
 */
function endOfPromise(view: NodeView): SyncDuty | null {
  const { tenure, dcs, postgres: { writable, action } } = view;
  if (tenure !== "holding" || writable || action?.kind === "restart") return null;
  return isPromised(dcs.sync) ? logs(ASYNCHRONOUS, [], view) : null;
}

function logs(record: SyncRecord, flushed: readonly string[], { dcs }: Pick<NodeView, "dcs">): SyncDuty {
  return { kind: "sync-record", epoch: dcs.lock.epoch, record, flushed, expectRevision: dcs.sync.revision };
}

/**
 * A stopped server of which it is not known whether it comes up: it is being rewound or copied, or the end of
 * a standby's WAL is not read yet. A standby is started as one first, and promises when it is up.
 */
function isUnsure({ postgres: { directory, walEnd } }: NodeView): boolean {
  return directory.kind !== "valid" || (directory.standbySignal && walEnd === null);
}

/** The next step of the holder; null: none is left. */
export function syncStep(view: NodeView): SyncStep | null {
  const { name, dcs, dynamic, postgres, syncFrozen, syncWithout } = view;
  const { process, writable, sync } = postgres;
  const { settledLsn } = sync;
  const acknowledges = writable && process !== "none";
  if (!acknowledges && hasOtherData(view)) return null;
  // A server that may never come up has nothing to promise, and must not be the only one that may lead.
  const mayStay = process === "none" ? isUnsure(view) || needsWal(view) : process !== "running";
  if (!isPromised(dcs.sync) && !writable && mayStay) return null;
  // Nothing has ever been promised, and nothing is asked for.
  if (dynamic.synchronousMode === "off" && !isPromised(dcs.sync) && sync.setting.count === 0) return null;
  const others = nameClashes(view).map((clash) => clash.name);
  return nextStep({
    self: name,
    token: dataTokenOf(view, name) ?? null,
    record: dcs.sync,
    setting: sync.setting,
    acknowledges,
    flushed: settledLsn === null
      ? null
      : Object.keys(sync.flushed).filter((standby) =>
        sync.flushed[standby]! >= settledLsn && !others.includes(standby)
      ),
    streaming: Object.keys(sync.flushed).filter((standby) => !others.includes(standby)),
    target: targetOf(view, acknowledges, others),
    frozen: syncFrozen ?? false,
    ...(syncWithout === undefined ? {} : { without: syncWithout }),
  });
}

/**
 * Why a holder may not become a primary yet; null: it may. Its first commit waits for a standby already, and
 * the standby that acknowledges it counts in the next choice.
 */
export function syncNotReady(view: NodeView): string | null {
  const { dcs, dynamic, syncWithout, postgres: { sync, process, writable } } = view;
  if (dynamic.standbyCluster !== null || !isInitialized(dcs)) return null;
  // One that was found running acknowledges already, by the setting that it has. Its files are written, and
  // with them another setting, only once it is taken over.
  if (writable && process !== "none") return null;
  const isWanted = dynamic.synchronousMode !== "off" || isPromised(dcs.sync);
  if (!isWanted) return null;
  if (hasOtherData(view)) return "its data is what the lock was granted for";
  const step = syncStep(view);
  if (step?.kind === "setting") return "synchronous_standby_names is written";
  if (step !== null) return "the synchronous standbys are logged";
  // A server that is not running starts with what its files say.
  if (process === "none") return null;
  if (!sync.loaded) return "PostgreSQL reads synchronous_standby_names";
  const isHeld = sync.commitsWait || sync.setting.count === 0 || syncWithout?.waits === true;
  return isHeld ? null : "PostgreSQL's checkpointer reads synchronous_standby_names";
}

/** `others`: members under whose names somebody else acknowledges. */
function targetOf(view: NodeView, acknowledges: boolean, others: readonly string[]): SyncTarget {
  const { name, dcs, dynamic, statuses, postgres } = view;
  const isNew = !acknowledges || (view.primaryForMs ?? Infinity) < ATTACH_MS;
  const standbys = statuses.filter(({ status, ageMs }) =>
    status.name !== name && ageMs < SILENT_MS && !others.includes(status.name)
  )
    .flatMap(({ status }) =>
      pickable(status, ownValue(postgres.sync.flushed, status.name) ?? null, isNew).map((one) => ({
        ...one,
        ...(ownValue(view.standstills ?? {}, one.name) ?? { standsMs: 0, stoodMs: 0 }),
      }))
    );
  return pickTarget(standbys, {
    mode: dynamic.synchronousMode,
    strict: dynamic.synchronousModeStrict,
    nodeCount: dynamic.synchronousNodeCount,
    maximumLagBytes: dynamic.maximumLagOnSyncnodeBytes,
    walLsn: postgres.walLsn,
    // One that commits wait for already stays so, also before the record names it.
    voters: {
      ...tokensOf(standbys.filter((one) => postgres.sync.setting.names.includes(one.name))),
      ...votersOf(dcs.sync),
    },
  });
}

function tokensOf(standbys: readonly Pickable[]): Voters {
  return Object.fromEntries(standbys.map(({ name, token }) => [name, token]));
}

/** `lsn`: null: it does not stream from here. */
function pickable(
  status: MemberStatus,
  lsn: Lsn | null,
  mayAttach: boolean,
): readonly Omit<Pickable, keyof Standstill>[] {
  const { name, dataToken: token, tags, nofailover } = status;
  if (token === undefined || !status.running || status.shuttingDown || status.primaryDirectory) return [];
  // The last primary may not have heard yet that it is one no more, and has to rejoin first.
  if (status.role !== "replica") return [];
  // It is being restarted, or about to be: no commit is to wait for that.
  if (status.state !== "running" || status.endsSoon) return [];
  if (lsn === null && (!mayAttach || streamsElsewhere(tags))) return [];
  return [{ name, token, lsn, nofailover, ...syncTags(tags) }];
}

/**
 * From the moment that the setting of a server is not empty, its checkpointer has every commit wait. That
 * takes until it has read the setting, so that it must have been set long before a promotion. Which standbys
 * it names, the holder sets before it is promoted.
 */
function settingOfStandby({ name, dcs, postgres, syncWithout }: NodeView): SyncDuty | null {
  const { writable, sync: { setting } } = postgres;
  if (writable || syncWithout?.ready) return null;
  const others = Object.keys(dcs.members).filter((member) => member !== name);
  const goal = isPromised(dcs.sync) ? settingFor(others, 1, true) : NO_SYNC;
  const isPlaced = isPromised(dcs.sync)
    ? setting.count > 0 || goal.count === 0
    : isSameSetting(setting, goal);
  return isPlaced ? null : { kind: "sync-setting", setting: goal };
}
