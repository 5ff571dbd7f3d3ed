/**
 * One PostgreSQL as the member drives it. Real: src/agent/postgres/executor.ts; simulated: the model
 * PostgreSQL.
 */
import type { PostgresAction, Upstream } from "../../brain/actions.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { PostgresView } from "../../model/postgres_view.ts";

/**
 * The desired state of PostgreSQL, beside its role, for as long as it runs: said whenever it is known, and
 * compared with the present state now and then. A difference is put right.
 */
export interface Desired {
  /** Files are rewritten, a running server is reloaded, pending restarts found. */
  readonly configuration: DynamicConfig;
  /**
   * Slots for other members. That of a name which is in neither list goes after member_slots_ttl. A standby
   * keeps none.
   */
  readonly slots: WantedSlots;
  /**
   * The upstream that a running standby follows. None: its WAL receiver is proven gone before the view says
   * so.
   */
  readonly upstream: Upstream | null;
}

export interface WantedSlots {
  readonly members: readonly string[];
  /** Missing for so long that their slots go now. */
  readonly gone: readonly string[];
}

export interface PostgresPort {
  view(): PostgresView;
  onChange(handler: () => void): void;
  /**
   * Begins the action; how it goes appears in view(). Running the same kind again while it runs is a no-op.
   */
  run(action: PostgresAction): void;
  /** Aborts a running clone or rewind (their process group is ended, the directory stays half-written). */
  cancelLongAction(why: string): void;
  /** Sets the desired state from now on; fields that are left out stay as they were. */
  desire(desired: Partial<Desired>): void;
  /** Look again now (WAL positions, recovery state); onChange fires when something is new. */
  refresh(): void;
}
