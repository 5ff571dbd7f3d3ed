/** The answer of `GET /ui/data`. */
import type { ReinitializeStatus } from "../../model/reinitialize_status.ts";
import type { ClusterJson, RaftJson } from "../shapes.ts";

export interface UiDataJson {
  /** The member that answers. */
  readonly name: string;
  readonly scope: string;
  readonly version: string;
  /** Its clock, ISO 8601. */
  readonly at: string;
  /** The records' own: events, history and configuration change only with it. null: not known yet. */
  readonly revision: number | null;
  readonly witness: boolean;
  /** Since its loop last looked. */
  readonly loop_age_ms: number;
  /** The outcome of its last reinitialize; null: none was asked for. */
  readonly reinitialize: ReinitializeStatus | null;
  readonly lease: {
    readonly holder: string | null;
    readonly epoch: number;
    readonly ttl_s: number;
    /** The member that answers holds it, and it runs. */
    readonly held_here: boolean;
    /** 0: not held here, or held without a lease. */
    readonly remaining_ms: number;
  };
  readonly cluster: ClusterJson;
  /** null: raft does not run yet. */
  readonly raft: RaftJson | null;
}
