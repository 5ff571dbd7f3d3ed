/**
 * The member that a standby streams from: the holder of the lock, or another standby that the tag
 * `replicatefrom` names, which spares the holder a stream (docs/compatibility.md section 5.3).
 *
 * The holder is followed whenever the other one cannot be. A chain must end at the holder, and a member
 * that is not heard, does not run or takes writes passes nothing on. A member that is followed already may be
 * silent for longer than a new one, so that a late status does not move the stream to and fro.
 */
import type { JsonObject } from "../../model/json.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { isSet } from "../../model/parse_bool.ts";
import type { DcsState } from "../../model/records.ts";
import type { Upstream } from "../../model/upstream.ts";
import { FRESH_MS, type SeenStatus } from "../cluster/successor_view.ts";
import { statusOf } from "../cluster/view.ts";
import { sourceOf, upstreamOf } from "./view.ts";
import type { NodeView } from "./view.ts";

/** A member that is followed is given up after such a silence. */
export const SILENT_MS = 3000;

/** null: there is nobody, as with sourceOf. Not asked of a member that does not stream. */
export function followed(view: NodeView): Upstream | null {
  const holder = sourceOf(view);
  if (holder === null) return null;
  const between = cascadeOf(view);
  return (between === null ? null : upstreamOf(view, between)) ?? holder;
}

/** The member that the tag names, while it can be followed; null: the holder is followed. */
export function cascadeOf(
  { name, dcs, statuses, postgres: { following, timeline } }: Pick<
    NodeView,
    "name" | "dcs" | "statuses" | "postgres"
  >,
): string | null {
  const wanted = replicateFrom(name, { dcs, statuses });
  if (wanted === null || wanted === name || wanted === dcs.lock.holder) return null;
  // The holder steps down for a member that streams from the holder itself.
  if (dcs.failover?.accepted && (dcs.failover.candidate ?? name) === name) return null;
  const seen = statusOf({ statuses }, wanted);
  if (seen === undefined || seen.ageMs >= (following === wanted ? SILENT_MS : FRESH_MS)) return null;
  const { status } = seen;
  if (!status.running || status.writable || status.walLsn !== null) return null;
  // One that is behind on an earlier timeline has not what this member needs.
  if ((status.timeline ?? 0) < (timeline ?? 0)) return null;
  return endsAtHolder(status, name, dcs, statuses) ? wanted : null;
}

/** The tag `nostream`: the member gets WAL from the archive alone, and follows nobody. */
export function isArchiveOnly(name: string, view: TagsView): boolean {
  return isSet(tagsOf(name, view)["nostream"]);
}

interface TagsView {
  readonly dcs: Pick<DcsState, "members">;
  readonly statuses: readonly SeenStatus[];
}

function tagsOf(name: string, view: TagsView): JsonObject {
  return statusOf(view, name)?.status.tags ?? view.dcs.members[name]?.tags ?? {};
}

/** The member that the tag of member `name` names; null: none that is known. */
export function replicateFrom(
  name: string,
  view: TagsView,
): string | null {
  const { members } = view.dcs;
  const wanted = tagsOf(name, view)["replicatefrom"];
  return typeof wanted === "string" && Object.hasOwn(members, wanted) ? wanted : null;
}

/** Members that follow each other in a circle would get nothing from anybody. */
function endsAtHolder(
  first: MemberStatus,
  name: string,
  { lock }: Pick<DcsState, "lock">,
  statuses: readonly SeenStatus[],
): boolean {
  const passed = new Set([name]);
  for (let at: MemberStatus | undefined = first; at !== undefined;) {
    if (passed.has(at.name)) return false;
    passed.add(at.name);
    const { following }: MemberStatus = at;
    if (following === lock.holder) return following !== null;
    at = statusOf({ statuses }, following)?.status;
  }
  return false;
}
