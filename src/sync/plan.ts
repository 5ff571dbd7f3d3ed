/**
 * The next step of a primary toward the standbys that are wanted: one write of the record, or one change of
 * `synchronous_standby_names`, and never one that breaks an invariant of DESIGN.md. Interrupted at any point,
 * it goes on from what it finds. Pure.
 */
import type { SyncRecord } from "../model/records.ts";
import {
  ASYNCHRONOUS,
  covers,
  type DataToken,
  isSameRecord,
  isSound,
  recordOf,
  type Voters,
  votersOf,
} from "./record.ts";
import { awaitMissing, isSameSetting, NO_SYNC, settingFor, type SyncSetting } from "./setting.ts";

/** null: replication is to be asynchronous. */
export type SyncTarget =
  | {
    readonly quorum: boolean;
    readonly standbys: Voters;
    /** Commits wait for so many of them; at most as many as there are. */
    readonly count: number;
    /** Without a standby nothing is acknowledged. */
    readonly strict: boolean;
  }
  | null;

export interface PlanView {
  readonly self: string;
  readonly token: DataToken | null;
  readonly record: SyncRecord;
  /** As the server's files have it. */
  readonly setting: SyncSetting;
  /**
   * false: no commit is acknowledged by this server yet, and none will be under another setting than the one
   * in its files.
   */
  readonly acknowledges: boolean;
  /**
   * The standbys that have flushed a position which was read after the server and all that it starts went by
   * the setting; null: there is no such position yet.
   */
  readonly flushed: readonly string[] | null;
  /** The standbys that stream from this server. */
  readonly streaming: readonly string[];
  readonly target: SyncTarget;
  /**
   * A record that was proposed in place of this one may still be applied, and would not know of another
   * setting: nothing is set before the record has changed.
   */
  readonly frozen: boolean;
  /** Simulator only: rules that are left out. */
  readonly without?: SyncRulesLeftOut;
}

export interface SyncRulesLeftOut {
  readonly covers?: boolean;
  readonly flushed?: boolean;
  readonly degrade?: boolean;
  readonly ready?: boolean;
  readonly waits?: boolean;
  readonly cut?: boolean;
  readonly cutFirst?: boolean;
  readonly cutInEpoch?: boolean;
  readonly firstPromise?: boolean;
  readonly mixtures?: boolean;
  readonly end?: boolean;
  readonly data?: boolean;
}

export type SyncStep =
  | { readonly kind: "setting"; readonly setting: SyncSetting }
  | { readonly kind: "record"; readonly record: SyncRecord; readonly flushed: readonly string[] }
  /** Nothing can be done before this is so. */
  | { readonly kind: "wait"; readonly why: string };

/** null: all is as it is to be. */
export function nextStep(view: PlanView): SyncStep | null {
  const step = anyStep(view);
  const { record: { leader, syncStandby, quorum, data = {} }, acknowledges, frozen } = view;
  const record: SyncRecord = { leader, syncStandby, quorum, data };
  // The same record once more: it takes the place of all that were proposed for this one. One without a
  // promise is no exception: the first standbys may have been proposed in its place.
  const isHeldUp = step?.kind === "setting" || (step === null && !acknowledges);
  return frozen && isHeldUp ? { kind: "record", record, flushed: [] } : step;
}

function anyStep(view: PlanView): SyncStep | null {
  const { record, setting, acknowledges, flushed, target, without = {} } = view;
  // Two changes of the setting under way at once would make three that a process may still go by.
  if (acknowledges && flushed === null) return wait("PostgreSQL goes by synchronous_standby_names");
  if (target === null) {
    // The promise ends with the configuration, and before the setting does.
    const isOver = without.end && isSameSetting(setting, NO_SYNC);
    if (record.leader !== null && (!without.end || isOver)) {
      return { kind: "record", record: ASYNCHRONOUS, flushed: [] };
    }
    return isSameSetting(setting, NO_SYNC) ? null : { kind: "setting", setting: NO_SYNC };
  }
  const goal = goalSetting(target);
  const isCovered = onTheWay(view, goal).every((each) => covers(record, each)) || without.covers ||
    (without.degrade && goal.count === 0);
  // The mode is new, or the cluster has followed another one. Standbys that are logged only when they have
  // flushed come after the first commits, which the next choice could lose.
  const isFirst = !acknowledges && record.leader === null && !without.firstPromise;
  if (isFirst) return firstPromise(view, target, goal);
  // A standby that is about to be promoted may have the setting already, and a record from its predecessor.
  if (!isCovered) return { kind: "record", record: bridge(view, target, goal), flushed: [] };
  if (!isSameSetting(setting, goal)) return { kind: "setting", setting: goal };
  // Its standbys cannot have flushed what it has not written: their votes count once it has.
  if (!acknowledges) return null;
  const wanted = goalRecord(view, target);
  if (isSameRecord(record, wanted)) return null;
  const proven = without.flushed ? wanted.syncStandby : flushed ?? [];
  if (isSound(record, wanted, proven)) return { kind: "record", record: wanted, flushed: proven };
  const late = wanted.syncStandby.filter((name) => !proven.includes(name));
  return wait(`${late.join(", ")} has flushed all that is acknowledged`);
}

const wait = (why: string): SyncStep => ({ kind: "wait", why });

function goalSetting({ standbys, count, quorum, strict }: NonNullable<SyncTarget>): SyncSetting {
  const names = Object.keys(standbys);
  if (names.length === 0) return strict ? awaitMissing(quorum) : NO_SYNC;
  return settingFor(names, Math.min(count, names.length), quorum);
}

/**
 * What commits may be acknowledged by while WAL senders go over from one setting to the next. Each goes by a
 * method and a number of its own, and counts all senders that are synchronous ones by theirs: from
 * ANY 2 (a, b) to ANY 1 (a), a sender of a that has read it lets b alone acknowledge, whose sender has not.
 * So each number has to be covered with the names of both. A sender counts only if it is one of those that
 * it counts: by FIRST 1 it counts its own standby alone (SyncRepGetSyncRecPtr).
 */
export function mixtures(from: SyncSetting, to: SyncSetting): readonly SyncSetting[] {
  const names = [...from.names, ...to.names];
  return [from, to].map((own) =>
    own.method === "FIRST" && own.count === 1 ? own : settingFor(names, own.count, true)
  );
}

/** Every setting by which a commit may be acknowledged until the goal is in force. */
function onTheWay({ setting, acknowledges, without }: PlanView, goal: SyncSetting): readonly SyncSetting[] {
  if (!acknowledges) return [goal];
  return without?.mixtures ? [setting, goal] : mixtures(setting, goal);
}

function goalRecord({ self, token }: PlanView, { standbys, count }: NonNullable<SyncTarget>): SyncRecord {
  const all = Object.keys(standbys).length;
  return recordOf(self, token, standbys, all - Math.min(count, all));
}

/**
 * Nothing is promised and nothing acknowledged yet, so that every standby has all of it. Those that stream
 * from here have WAL of one history with this server, which votes are compared by; another one may not.
 */
function firstPromise(view: PlanView, target: NonNullable<SyncTarget>, goal: SyncSetting): SyncStep {
  const { self, token, streaming } = view;
  const near = Object.fromEntries(
    Object.entries(target.standbys).filter(([name]) => streaming.includes(name)),
  );
  const found = recordOf(self, token, near, votesFor(near, [goal]));
  const record = isElectable(found) ? found : recordOf(self, token, {}, 0);
  return { kind: "record", record, flushed: record.syncStandby };
}

/** Its members have as many votes as one of them needs. */
function isElectable({ syncStandby, quorum }: SyncRecord): boolean {
  return quorum < syncStandby.length;
}

/**
 * A record that covers the setting that is, the one that is to come, and what is between them. First without
 * the standbys that go; then, in quorum mode, with those that come, which makes more of them necessary; then
 * with more votes of those that stay; at last without any, which leaves the leader alone to be chosen.
 */
function bridge(view: PlanView, target: NonNullable<SyncTarget>, goal: SyncSetting): SyncRecord {
  const { record, self, token } = view;
  const settings = onTheWay(view, goal);
  const voters = votersOf(record);
  const common = Object.fromEntries(
    Object.entries(voters).filter(([name, data]) => target.standbys[name] === data),
  );
  const all = { ...voters, ...target.standbys };
  const come = Object.keys(all).length - Object.keys(common).length -
    Object.keys(voters).filter((name) => !Object.hasOwn(target.standbys, name)).length;
  const ways: readonly (readonly [Voters, number])[] = [
    [common, record.quorum],
    ...(target.quorum ? [[all, Math.max(record.quorum + come, votesFor(all, settings))] as const] : []),
    [common, Math.max(record.quorum, votesFor(common, settings))],
  ];
  const found = ways.map(([one, quorum]) => recordOf(self, token, one, quorum))
    .find((one) => isElectable(one) && settings.every((each) => covers(one, each)));
  return found ?? recordOf(self, token, {}, 0);
}

/** The smallest Q by which a record of these standbys covers all of the settings. */
function votesFor(voters: Voters, settings: readonly SyncSetting[]): number {
  return Math.max(
    ...settings.map(({ names, count }) => new Set([...Object.keys(voters), ...names]).size - count),
  );
}
