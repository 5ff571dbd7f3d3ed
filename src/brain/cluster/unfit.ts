/** Why a member cannot take over: codes for those who decide, and the words for people. */
import type { LeadFailure } from "../../model/lead_failure.ts";
import type { PostgresState } from "../../model/postgres_view.ts";

export type Unfit =
  /** It has not joined yet with the machine that it runs on now. */
  | { readonly code: "not-joined" }
  | { readonly code: "outside-failsafe-set"; readonly epoch: number }
  | { readonly code: "nofailover" }
  | { readonly code: "shutting-down" }
  | { readonly code: "no-watchdog" }
  /** It could not become a primary a moment ago. */
  | { readonly code: "sits-out"; readonly failure: LeadFailure }
  | { readonly code: "no-guard" }
  | { readonly code: "no-directory" }
  | { readonly code: "other-cluster" }
  | { readonly code: "former-primary" }
  | { readonly code: "not-running"; readonly state: PostgresState }
  | { readonly code: "old-timeline"; readonly timeline: number | null; readonly cluster: number }
  /** For a switchover: the last of the WAL would not arrive. */
  | { readonly code: "no-stream"; readonly from: string | null }
  | { readonly code: "lag" };

/** Follows the member's name: "node2 is shutting down". */
export function describeUnfit(unfit: Unfit): string {
  switch (unfit.code) {
    case "not-joined":
      return "has not joined yet with the machine that it runs on now";
    case "outside-failsafe-set":
      return `is not in the failsafe set of epoch ${unfit.epoch}`;
    case "nofailover":
      return "not allowed to promote (nofailover)";
    case "shutting-down":
      return "is shutting down";
    case "no-watchdog":
      return "not watchdog capable";
    case "sits-out":
      return `could not become the primary and sits out for a while (${unfit.failure.why})`;
    case "no-guard":
      return "has no living guard";
    case "no-directory":
      return "has no usable data directory";
    case "other-cluster":
      return "belongs to another system identifier";
    case "former-primary":
      return "was a primary once and has not rejoined yet";
    case "not-running":
      return `PostgreSQL is ${unfit.state}`;
    case "old-timeline":
      return `timeline ${unfit.timeline} is behind the cluster's ${unfit.cluster}`;
    case "no-stream":
      return `does not stream from ${unfit.from}`;
    case "lag":
      return "lags too far behind";
  }
}
