/**
 * Remembers under which epoch this member's standby was last known to be on the holder's history: it was
 * pointed there by a decision of that epoch, copied from the holder, or seen to stream from it. PostgreSQL
 * connects to an address again by itself, and goes by numbers of timelines; what answers there may have been
 * rewound since to another timeline of the same number. The rules therefore compare WAL before a standby
 * streams again, unless this epoch is the present one (isVouched).
 *
 * A holder may change its history without a new epoch: when the cluster becomes a standby cluster, it is
 * rewound to the remote primary's, and its next promotion may give the number of its timeline again. So
 * nothing that was known before such a change counts after it, no comparison either, and from then on only a
 * stream from a holder that is no primary any more. Between two looks there may have been two changes, which
 * the former configurations tell, as far as they are kept. The leader of a standby cluster may be rewound
 * later, too, and so may a standby that others follow: its data has another name then, which is looked for
 * from the decision to copy, to rewind or to follow on.
 *
 * Nor does anything count that was known of other data than the directory holds: while no server ran,
 * somebody may have put a backup into its place.
 *
 * It is not written down: what happened while no agent ran is not known.
 */
import type { Action } from "../../brain/actions.ts";
import { dataTokenOf } from "../../brain/cluster/view.ts";
import { cascadeOf } from "../../brain/keep/follow_source.ts";
import { isFromBeforeChange } from "../../brain/keep/rejoin.ts";
import { livingHolder, type NodeView } from "../../brain/keep/view.ts";
import { DIRECTORY_ACTIONS } from "../postgres/action_ledger.ts";
import { isSet } from "../../model/merge.ts";
import { dataIdIn } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";

type Seen = Pick<NodeView, "name" | "dcs" | "dynamic" | "statuses" | "postgres">;

export class VouchedEpoch {
  #epoch: number | null = null;
  #walEpoch: number | null = null;
  /** The epoch of the decision for the last rewind; null: its end has been looked at. */
  #rewindUnder: number | null = null;
  #rewoundMs = -Infinity;
  #lockEpoch: number | null = null;
  #lockEpochMs = -Infinity;
  /** The cluster follows another one; null: not looked at yet. */
  #isRemote: boolean | null = null;
  #configRevision: number | null = null;
  #roleMs: number | null = null;
  #upstreamRewoundMs: number | null = null;
  /**
   * Whose data this is: the member that it was pointed at, copied or rewound from, or that its server
   * follows, and the data which that member was known to have then. It is watched while a copy, a rewind or a
   * start is under way, too. token undefined: not known yet.
   */
  #upstream: { readonly name: string; readonly token: string | undefined } | null = null;
  /** The look by which the next decision is made. */
  #seen: Seen | null = null;
  /** The name of the own data; undefined: none was seen yet. */
  #ownData: string | undefined = undefined;
  /** It may get another name by what this agent does. */
  #isMaking = false;
  /** Since when the holder has been seen as the leader of such a cluster; Infinity: it has not. */
  #remoteLeaderMs = Infinity;

  /** The same, also of a standby that follows nobody since: it has received nothing else. */
  get walEpoch(): number | null {
    return this.#walEpoch;
  }

  /** When the holder may last have changed its role without a new epoch; null: not since the agent's start. */
  get roleMs(): number | null {
    return this.#roleMs;
  }

  /**
   * When this member last heard that the one whose data this is has other data by now, that the cluster was
   * told to follow another one, also where it was told otherwise by then, so that what it follows may have
   * been rewound, or that its own directory was replaced. null: not since the agent's start.
   */
  get upstreamRewoundMs(): number | null {
    return this.#upstreamRewoundMs;
  }

  look(seen: Seen, nowMs: number): number | null {
    const { dcs: { lock }, postgres } = seen;
    this.#seen = seen;
    if (lock.epoch !== this.#lockEpoch) {
      this.#lockEpoch = lock.epoch;
      this.#lockEpochMs = nowMs;
      this.#remoteLeaderMs = Infinity;
    }
    this.#lookAtRole(seen, nowMs);
    this.#lookAtUpstream(seen, nowMs);
    this.#lookAtRewind(postgres);
    this.#lookAtOwnData(postgres, nowMs);
    // It may write what nobody else has.
    if (postgres.inRecovery === false) this.#set(null);
    else if (this.#streams(seen)) this.#set(lock.epoch);
    return this.#epoch;
  }

  #set(epoch: number | null): void {
    this.#epoch = this.#walEpoch = epoch;
  }

  /** Nothing that was known counts any more, nor what a rewind under way will have done. */
  #forget(): void {
    this.#set(null);
    this.#rewindUnder = null;
  }

  #lookAtRole(seen: Seen, nowMs: number): void {
    const isRemote = seen.dynamic.standbyCluster !== null;
    const revision = seen.dcs.config?.revision ?? null;
    const isOther = this.#isRemote !== isRemote || this.#configRevision !== revision;
    if (this.#isRemote !== null && isOther && mayHaveFollowed(seen, this.#isRemote, this.#configRevision)) {
      this.#forget();
      this.#remoteLeaderMs = Infinity;
      this.#roleMs = nowMs;
      if (isRemote || wasRemoteSince(seen.dcs, this.#configRevision ?? 0)) this.#upstreamRewoundMs = nowMs;
    }
    this.#isRemote = isRemote;
    this.#configRevision = revision;
    const isSeen = this.#remoteLeaderMs < Infinity;
    if (isRemote && !isSeen && livingHolder(seen) !== null) this.#remoteLeaderMs = nowMs;
  }

  #lookAtUpstream(seen: Seen, nowMs: number): void {
    const known = this.#upstream;
    const name = seen.postgres.following ?? known?.name;
    if (name === undefined) return;
    const token = dataTokenOf(seen, name);
    // While it is rewound its directory has no name.
    if (token === undefined) return;
    if (known?.name === name && known.token !== undefined && known.token !== token) {
      this.#forget();
      this.#upstreamRewoundMs = nowMs;
    }
    this.#upstream = { name, token };
  }

  #lookAtOwnData({ directory, action }: NodeView["postgres"], nowMs: number): void {
    const id = dataIdIn(directory);
    const isOther = id !== undefined && this.#ownData !== undefined && id !== this.#ownData;
    if (isOther && !this.#isMaking) {
      this.#forget();
      this.#upstreamRewoundMs = nowMs;
    }
    this.#ownData = id ?? this.#ownData;
    // By the look after its end, its name is seen.
    if (action === null || !DIRECTORY_ACTIONS.includes(action.kind)) this.#isMaking = false;
  }

  #pointAt(name: string): void {
    this.#upstream = { name, token: this.#seen === null ? undefined : dataTokenOf(this.#seen, name) };
  }

  #lookAtRewind({ last: { rewind }, rewoundInVain }: NodeView["postgres"]): void {
    if (rewind === undefined || rewind.atMs === this.#rewoundMs) return;
    this.#rewoundMs = rewind.atMs;
    if (rewind.ok && rewoundInVain !== true) this.#set(this.#rewindUnder);
    this.#rewindUnder = null;
  }

  /** By a look at the server since the epoch is known: an older stream is one of the epoch before. */
  #streams(seen: Seen): boolean {
    const { lock } = seen.dcs;
    const { process, replicationState, following, lastLookMs } = seen.postgres;
    if (process !== "running" || following === null || replicationState !== "streaming") return false;
    if (lastLookMs === null || lastLookMs < this.#lockEpochMs) return false;
    if (isFromBeforeChange({ atMs: lastLookMs }, this)) return false;
    if (this.#isRemote && lastLookMs < this.#remoteLeaderMs) return false;
    return following === (lock.holder ?? lock.lastHolder) || following === cascadeOf(seen);
  }

  /** What was decided under the epoch `lockEpoch`. */
  decided(actions: readonly Action[], lockEpoch: number): void {
    for (const action of actions) {
      switch (action.kind) {
        case "follow":
        case "start-standby":
          if (action.follow === null) this.#epoch = null;
          else {
            this.#set(lockEpoch);
            this.#pointAt(action.follow.name);
          }
          break;
        case "clone":
          this.#isMaking = true;
          this.#set(action.from.name === action.leader.name ? lockEpoch : null);
          this.#pointAt(action.from.name);
          break;
        case "rewind":
          this.#isMaking = true;
          this.#set(null);
          this.#rewindUnder = lockEpoch;
          this.#pointAt(action.from.name);
          break;
        case "restore":
        case "set-aside":
        case "bootstrap":
        case "start-primary":
        case "promote":
          this.#set(null);
          this.#upstream = null;
      }
    }
  }
}

/** By the present configuration, the one of before, or one between the two, this cluster followed another. */
function mayHaveFollowed({ dcs, dynamic }: Seen, wasRemote: boolean, revision: number | null): boolean {
  if (wasRemote || dynamic.standbyCluster !== null || revision === null) return true;
  // Former configurations are kept from the first change on.
  return (dcs.configHistory ?? []).length === 0 || wasRemoteSince(dcs, revision);
}

/** Whether a configuration between that revision and the present one may have followed another cluster. */
function wasRemoteSince({ configHistory = [] }: DcsState, revision: number): boolean {
  const between = configHistory.filter((former) => former.revision > revision);
  // Older ones may have been dropped.
  if (between.length > 0 && between.length === configHistory.length) return true;
  return between.some(({ value }) => isSet(value["standby_cluster"]));
}
