/**
 * One PostgreSQL as the member drives it. Real: src/agent/postgres/executor.ts; simulated: the model
 * PostgreSQL.
 */
import type { PostgresAction } from "../../brain/actions.ts";
import type { Upstream } from "../../model/upstream.ts";
import type { SlotsDuty } from "../../brain/slots.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { JsonObject } from "../../model/json.ts";
import type { SyncSetting } from "../../model/sync_setting.ts";
import type { PostgresView } from "../../model/postgres_view.ts";

/**
 * The desired state of PostgreSQL, beside its role, for as long as it runs: set whenever it is known, and
 * compared with the present state now and then. A difference is put right.
 */
export interface Desired {
  /** Files are rewritten, a running server is reloaded, pending restarts found. */
  readonly configuration: DynamicConfig;
  /** Slots for other members. That of a name which is in neither list goes after member_slots_ttl. */
  readonly slots: WantedSlots;
  /** Kept in the data directory while it is the cluster's, and nothing is copied into it. */
  readonly recorded: RecordedConfig;
  /**
   * The upstream that a running standby follows. None: its WAL receiver is proven gone before the view says
   * so.
   */
  readonly upstream: Upstream | null;
  /** synchronous_standby_names. The view says at once what it is to be, and later since when it holds. */
  readonly sync: SyncSetting;
}

/** The dynamic configuration in the cluster's records, and whose it is. */
export interface RecordedConfig {
  readonly value: JsonObject;
  readonly systemId: string;
}

/** What brain/slots.ts decides. */
export type WantedSlots = Omit<SlotsDuty, "kind">;

export interface PostgresPort {
  view(): PostgresView;
  onChange(handler: () => void): void;
  /**
   * Begins the action; how it goes appears in view(). Running the same kind again while it runs is a no-op.
   */
  run(action: PostgresAction): void;
  /**
   * Aborts a running clone or rewind (their process group is ended, the directory stays half-written).
   * `sourceFails`: it counts as a failure of the member that is copied.
   */
  cancelLongAction(why: string, sourceFails: boolean): void;
  /** Sets the desired state from now on; fields that are left out stay as they were. */
  desire(desired: Partial<Desired>): void;
  /**
   * The lock is given back: what runs, or ran last, is no primary any more. For the user's callbacks, which
   * the simulator has not.
   */
  released?(): void;
  /** Look again now (WAL positions, recovery state); onChange fires when something is new. */
  refresh(): void;
}
