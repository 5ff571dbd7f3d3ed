/**
 * The member that a data directory is copied from: a standby with the tag `clonefrom` before the primary,
 * whose clients should not pay for the copy. Which member it is decides nothing about safety: a copy is a
 * standby, which replays the primary's WAL or stops.
 *
 * A standby is a source only while it streams on the primary's timeline. What it has then is a part of the
 * primary's history. Its lag is limited: a copy is as old as what its source has replayed, and the new
 * standby has to fetch the rest from the primary.
 */
import { isSet } from "../../model/parse_bool.ts";
import { type MemberStatus, STATE_KNOWN_MS } from "../../model/member_status.ts";
import type { Upstream } from "../../model/upstream.ts";
import { FRESH_MS, type SeenStatus } from "../cluster/successor_view.ts";
import { decide, type Outcome } from "./outcome.ts";
import { type NodeView, retryLater, upstreamOf } from "./view.ts";

/** 16 segments of WAL: some seconds of a busy primary. A larger `maximum_lag_on_failover` allows more. */
export const MAX_SOURCE_LAG = 256 * 2 ** 20;

export interface CopySource {
  readonly from: Upstream;
  /** For the decision's reason. */
  readonly why: string;
}

export function copySource(view: NodeView, leader: Upstream, primary: MemberStatus): CopySource {
  const fromLeader = (why = "") => ({ from: leader, why });
  if (view.reinitializing?.fromLeader) return fromLeader(", as asked for");
  const { clone } = view.postgres.last;
  // A leader that fails after this is left again: the tagged members may be all that can serve.
  if (clone !== undefined && !clone.ok && clone.from !== undefined && clone.from !== leader.name) {
    return fromLeader(`: the copy from ${clone.from} failed: ${clone.detail}`);
  }
  const tagged = view.statuses.filter(({ status: { name, tags } }) =>
    name !== view.name && name !== leader.name && isSet(tags.clonefrom)
  );
  const problems = tagged.map((seen) => unusable(view, seen, primary));
  const usable = tagged.filter((_, at) => problems[at] === null).map(({ status }) => status.name);
  const from = upstreamOf(view, chosen(view, usable));
  if (from !== null) return { from, why: ", which has the tag clonefrom" };
  const why = tagged.map(({ status }, at) => `${status.name} ${problems[at]}`).join(", ");
  return fromLeader(why === "" ? "" : ` although others have the tag clonefrom: ${why}`);
}

/** Why a member with the tag is not copied from; null: it can be. */
function unusable(view: NodeView, { status, ageMs }: SeenStatus, primary: MemberStatus): string | null {
  if (upstreamOf(view, status.name) === null) return "has no address yet";
  if (ageMs >= FRESH_MS) return "is not heard of";
  if (!status.running || status.state !== "running") return "does not run";
  if ((status.lookAgeMs ?? 0) > STATE_KNOWN_MS) return "does not answer";
  if (status.writable || status.shuttingDown) return "is no standby that stays";
  if (status.systemId !== view.dcs.initialize?.systemId) return "belongs to another cluster";
  if (status.timeline !== primary.timeline) return `is on timeline ${status.timeline}`;
  if (status.replicationState !== "streaming" || status.primaryDirectory) return "does not stream";
  const limit = Math.max(MAX_SOURCE_LAG, view.dynamic.maximumLagOnFailoverBytes);
  const lag = (primary.walLsn ?? 0) - (status.replayedLsn ?? 0);
  return lag > limit ? `is ${Math.ceil(lag / 2 ** 20)} MiB behind` : null;
}

/**
 * The one that the fewest members copy from at present. Among equals the next one after this member by name,
 * so that several members that begin together do not all choose the same one. (Patroni draws lots.)
 */
function chosen(view: NodeView, usable: readonly string[]): string | null {
  const copies = (name: string) => view.statuses.filter(({ status }) => status.copy?.from === name).length;
  const before = (name: string) => name < view.name ? 1 : 0;
  const ordered = usable.toSorted((a, b) =>
    copies(a) - copies(b) || before(a) - before(b) || (a < b ? -1 : 1)
  );
  return ordered[0] ?? null;
}

/**
 * The data directory from a backup, where nobody runs that it could be copied from. Only while the lock is
 * free and no other member has data: otherwise a primary is on its way, and what it has is newer than any
 * backup.
 *
 * What is restored is a standby of the cluster's own data (the executor compares the system identifier), as
 * old as its archive. It is chosen by the rules for every standby: the last holder is waited for, and one
 * that is further behind the last known position than maximum_lag_on_failover is not chosen.
 */
export function restore(view: NodeView): Outcome | null {
  const { dcs, dynamic, postgres: { last } } = view;
  const systemId = dcs.initialize?.systemId;
  const able = dynamic.postgresql.createReplicaMethods.some((one) => one !== "basebackup" && one.noLeader);
  if (!able || !systemId || dcs.lock.holder !== null) return null;
  const others = view.statuses.find(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && status.directoryUsable
  );
  if (others !== undefined) return null;
  if (retryLater(last.clone, view.nowMs)) {
    return decide(`copying failed, trying again soon: ${last.clone!.detail}`);
  }
  return decide("trying to bootstrap (without leader)", { kind: "restore", systemId });
}
