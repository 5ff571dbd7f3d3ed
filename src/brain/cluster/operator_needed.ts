/**
 * Finds a wait without end, which only an operator can end, who knows that a host is off. Pure; shown in the
 * log of every member, in `agent ctl list`, and by `agent ctl resume`.
 */
import { mayEndFailsafe, mayNotSucceed } from "../../dcs/failsafe_set.ts";
import type { DynamicConfig } from "../../model/config.ts";
import { ownValue } from "../../lib/own_value.ts";
import { isSameMachine } from "../../model/life.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type DcsState, isInitialized, type LockRecord, type SyncRecord } from "../../model/records.ts";
import { isPromised, isVoter } from "../../sync/record.ts";
import { isElected, votesFor } from "../../sync/succession.ts";
import { canTakeOver, ineligible, isLater } from "./candidate.ts";
import { mayRun, runsPrimary } from "../keep/founder.ts";
import { dataIdOf } from "../other_data.ts";
import { asCut, isHolderAgain, lacksProof } from "./sync_grounds.ts";

/**
 * The wait, and the command that ends it; null: none. `heard`: the members that are heard of. `silent`: what
 * those of the raft group last said that are not.
 */
export function operatorNeeded(
  state: DcsState,
  dynamic: DynamicConfig,
  heard: readonly MemberStatus[],
  silent: readonly MemberStatus[] = [],
): string | null {
  const { lock, failsafe, members } = state;
  const names = heard.map(({ name }) => name);
  if (lock.holder !== null) {
    if (!lock.unfenced || heard.some((one) => isHolder(one, lock))) return null;
    const candidate = names.find((name) => !mayNotSucceed(state, name) && name !== lock.holder) ?? "NAME";
    // The owner of the name takes no part, and the machine that has the epoch may have another name by now.
    const namesake = names.includes(lock.holder)
      ? `: the ${lock.holder} that is heard is another machine`
      : "";
    return `${lock.holder} holds the lock without a fence, as it did in maintenance mode, and is not heard${namesake}. It may write, ` +
      "so that its epoch does not end by itself. Start its agent on its machine, or, if nothing of it runs: " +
      `agent ctl failover --candidate ${candidate}`;
  }
  const former = silentData({ dcs: state, dynamic }, heard, silent) ??
    onlyStandbys({ dcs: state, dynamic }, heard) ??
    nobodyHasData({ dcs: state, dynamic }, heard, silent) ??
    onlyFormerPrimary({ dcs: state, dynamic }, heard);
  if (former !== null) return former;
  const unproven = nobodyProves(state, dynamic, heard);
  if (unproven !== null) return unproven;
  if (failsafe === null || heard.length === 0) return null;
  const settles = (name: string) => {
    const life = members[name]?.life;
    return !mayNotSucceed(state, name) || (life !== undefined && mayEndFailsafe(state, name, life));
  };
  if (names.some(settles)) return null;
  const asked = Object.keys(failsafe.members).sort().join(" or ");
  return `no member that is heard may take over: ${failsafe.holder} may still write in failsafe mode, which does not need them. Start ` +
    `${asked} on its former machine, with its raft directory. If all of these are gone for good, on one host: ` +
    "agent recover --force-new-cluster (docs/operations.md)";
}

/**
 * Acknowledged transactions are promised to survive, and too few of those that could prove to have them are
 * heard: the rest is off, or its data is gone.
 */
function nobodyProves(
  dcs: DcsState,
  dynamic: DynamicConfig,
  heard: readonly MemberStatus[],
): string | null {
  const { lock, sync } = dcs;
  if (!isInitialized(dcs) || lock.holder !== null || !isPromised(sync) || heard.length === 0) return null;
  // A former primary that has not rejoined is never cut off, and cannot rejoin before there is a primary.
  const able = heard.filter(({ name, dataToken, primaryDirectory }) =>
    !primaryDirectory && isVoter(sync, name, dataToken)
  );
  const leads = heard.some((one) => isHolderAgain(one, { dcs }));
  const candidates = heard.filter((one) => ineligible(one, { dcs, dynamic }, "any") === null);
  const command = `agent ctl failover --candidate ${latestOf(candidates)?.name ?? "NAME"}`;
  if (sync.unknown !== true && leads) return null;
  if (sync.unknown !== true && able.length > sync.quorum) {
    const names = provedByTagged(dcs, able);
    return names === ""
      ? null
      : `acknowledged transactions of ${lock.lastHolder}: ${names} alone is proven to have them, ` +
        "and may not be promoted (nofailover). Take the tag from its file and reload it. If the transactions that the " +
        `others lack may be lost: ${command}`;
  }
  const found = [`${lacksProof({ dcs })}.`, ...whyUnproven(dcs, heard)].join(" ");
  const byData = provenByDataAlone(dcs, candidates);
  return byData !== null
    ? `${found} If its data directory is as it was then, not put back from a backup or a snapshot, nothing is ` +
      `lost: agent ctl failover --candidate ${byData.name}`
    : `${found} Start the members that are missing. If their data is certainly lost, and acknowledged ` +
      `transactions may be lost with it: ${command}`;
}

function latestOf(members: readonly MemberStatus[]): MemberStatus | null {
  return members.reduce<MemberStatus | null>((a, b) => a !== null && !isLater(b, a) ? a : b, null);
}

/** Why members that are heard, and that the record names, prove nothing. */
function whyUnproven({ sync }: DcsState, heard: readonly MemberStatus[]): readonly string[] {
  return heard.flatMap((one) => {
    const { name } = one;
    switch (dataOf(sync, one)) {
      case "same":
      case "none":
        return [];
      case "of-another-machine":
        return [
          `${name} has the data that it had then, and another raft directory, so that it proves nothing: ` +
          "put the former one back if there is one, with its agent stopped.",
        ];
      case "anew":
        return [`The data of ${name} was made anew since then.`];
    }
  });
}

/** The record's data of a member, compared with what it has. "none": the record has none of it. */
function dataOf(
  { data = {}, syncStandby, leader }: SyncRecord,
  { name, dataToken = "" }: MemberStatus,
): "same" | "of-another-machine" | "anew" | "none" {
  const then = name === leader || syncStandby.includes(name) ? ownValue(data, name) : undefined;
  if (then === undefined) return "none";
  if (then === dataToken) return "same";
  return dataIdOf(then) === dataIdOf(dataToken) ? "of-another-machine" : "anew";
}

/**
 * It has everything if the machines counted as those of then. Where several have to vote nothing is said:
 * their positions were not all read to the end.
 */
function provenByDataAlone({ sync }: DcsState, candidates: readonly MemberStatus[]): MemberStatus | null {
  if (sync.unknown === true) return null;
  const intact = candidates.filter((one) => ["same", "of-another-machine"].includes(dataOf(sync, one)));
  const leader = intact.find(({ name }) => name === sync.leader);
  if (leader !== undefined) return leader;
  return sync.quorum === 0 ? latestOf(intact.filter(({ primaryDirectory }) => !primaryDirectory)) : null;
}

/** The voters that could be chosen but for their tag; empty: there are none, or another one can be chosen. */
function provedByTagged({ sync, lock }: DcsState, voters: readonly MemberStatus[]): string {
  const cuts = voters.map(asCut);
  const elected = voters.filter((one) =>
    isElected(sync, one.name, votesFor(asCut(one), cuts, sync, lock.epoch))
  );
  return elected.every(({ nofailover }) => nofailover)
    ? elected.map(({ name }) => name).sort().join(" and ")
    : "";
}

interface Unfounded {
  readonly dcs: DcsState;
  readonly dynamic: DynamicConfig;
}

function isUnfounded({ dcs: { initialize, lock }, dynamic }: Unfounded): boolean {
  return initialize === null && lock.holder === null && dynamic.standbyCluster === null;
}

/** Nobody founds a cluster while the only data that is known is a silent member's (keep/founder.ts). */
function silentData(
  view: Unfounded,
  heard: readonly MemberStatus[],
  silent: readonly MemberStatus[],
): string | null {
  const hasData = ({ directoryUsable }: MemberStatus) => directoryUsable;
  const found = silent.find(hasData);
  if (!isUnfounded(view) || heard.length === 0 || heard.some(hasData) || found === undefined) return null;
  return `nobody forms the cluster: ${found.name} has data, and is not heard. Start its agent. If its data is not to be ` +
    `this cluster's: agent ctl raft remove ${found.name}`;
}

/**
 * A cluster that nobody has founded yet, and nobody can: a standby founds nothing, and a member without data
 * waits for the primary of those that have some. So it is where the agents of standbys were started first,
 * and where a bootstrap of a standby cluster was given up that is to be none any more.
 */
function onlyStandbys(view: Unfounded, heard: readonly MemberStatus[]): string | null {
  if (!isUnfounded(view)) return null;
  const withData = heard.filter(({ directoryUsable }) => directoryUsable);
  if (withData.length === 0) return null;
  if (withData.some((one) => one.primaryDirectory || runsPrimary(one) || mayRun(one))) return null;
  const names = withData.map(({ name }) => name).sort().join(" and ");
  return `nobody forms the cluster: ${names} ${
    withData.length > 1 ? "have" : "has"
  } a standby's data, and no member that is ` +
    "heard has its primary's. Start the agent on that primary's host. If there is none any more: " +
    'docs/operations.md, "Only standbys are left"';
}

/**
 * A cluster whose data is gone from every member that is heard: the disks were lost, or its members had given
 * up their data for a copy of another cluster's when they were told not to follow that one any more. A method
 * that needs no primary (`no_leader`) may bring it back: while one works, nobody is needed.
 */
function nobodyHasData(
  { dcs, dynamic }: { readonly dcs: DcsState; readonly dynamic: DynamicConfig },
  heard: readonly MemberStatus[],
  silent: readonly MemberStatus[],
): string | null {
  if (!isInitialized(dcs) || dcs.lock.holder !== null || dynamic.standbyCluster !== null) return null;
  const isThere = ({ directoryUsable, copy }: MemberStatus) => directoryUsable || copy !== undefined;
  if (heard.length === 0 || heard.some(isThere)) return null;
  const has = silent.filter(({ directoryUsable }) => directoryUsable).map(({ name }) => name).sort();
  const start = has.length === 0 ? "Start the other members" : `Start ${has.join(" and ")}`;
  return `nobody can be promoted: no member that is heard has data. ${start}. If there is no data anywhere: ` +
    'docs/operations.md, "No member has data"';
}

/**
 * All data that is heard of lies in directories of former primaries that have not rejoined: what they lack of
 * the last primary's writes is not known here, so that nobody is promoted by itself.
 */
function onlyFormerPrimary(
  view: { readonly dcs: DcsState; readonly dynamic: DynamicConfig },
  heard: readonly MemberStatus[],
): string | null {
  const { lock } = view.dcs;
  if (!isInitialized(view.dcs) || lock.holder !== null || heard.some((one) => canTakeOver(one, view))) {
    return null;
  }
  const former = heard.filter((one) => one.primaryDirectory && ineligible(one, view, "any") === null);
  if (former.length === 0) return null;
  const names = former.map(({ name }) => name).sort();
  const latest = former.reduce((a, b) => isLater(b, a) ? b : a);
  return `nobody can be promoted: ${names.join(" and ")} ${
    names.length > 1 ? "were primaries" : "was a primary"
  } once ` +
    `and did not rejoin ${
      lock.lastHolder ?? "the last one"
    }. Start the other members; if their data is certainly ` +
    `lost, this goes on with what ${latest.name} has: agent ctl failover --candidate ${latest.name}`;
}

/** Decided by the machine: it alone can end its epoch, no matter which machine has the name. */
function isHolder({ name, life }: MemberStatus, lock: LockRecord): boolean {
  return name === lock.holder && (lock.life === null || life === undefined || isSameMachine(lock.life, life));
}
