/**
 * The view by which the raft leader decides for the cluster, and the questions that more than one of its
 * rules asks.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import { FRESH_MS, type SeenStatus, type SuccessorView } from "./successor_view.ts";

export interface ClusterView extends SuccessorView {
  readonly self: string;
  readonly wallMs: number;
  /**
   * The lease of the current epoch has run out on this member's clock, and expire(e) has not been proposed
   * yet.
   */
  readonly expiryDue: boolean;
  /** The lease has run out, whether or not the epoch may be expired. */
  readonly leaseOver: boolean;
  /** Next step of a change of ttl; null: none is due. */
  readonly nextTtl: { readonly grantMs: number; readonly waitMs: number } | null;
  /** ms since any status of the member that bootstraps; null: never seen by this leader. */
  readonly leadingForMs: number;
  /**
   * Requests up to this place of the log were without a raft leader for so long that their askers were told
   * that they failed. 0: none.
   */
  readonly givenUpIndex: number;
  /** How long this leader has known the request that is on record; 0: none. */
  readonly requestForMs: number;
}

export function statusOf(
  view: Pick<ClusterView, "statuses">,
  name: string | null,
): SeenStatus | undefined {
  return view.statuses.find((seen) => seen.status.name === name);
}

/** The name of that member's data, as it was last heard; undefined: it has none, or was not heard. */
export function dataTokenOf(view: Pick<ClusterView, "statuses">, member: string): string | undefined {
  return statusOf(view, member)?.status.dataToken;
}

export function freshStatus(view: ClusterView, name: string | null): MemberStatus | null {
  const seen = statusOf(view, name);
  return seen !== undefined && seen.ageMs < FRESH_MS ? seen.status : null;
}
