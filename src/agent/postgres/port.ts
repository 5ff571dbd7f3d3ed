/** One PostgreSQL as the member drives it. Real: src/agent/postgres/executor.ts; simulated: the model PostgreSQL. */
import type { PostgresAction } from "../../brain/actions.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { PostgresView } from "../../model/postgres_view.ts";

export interface PostgresPort {
  view(): PostgresView;
  onChange(handler: () => void): void;
  /** Begins the action; how it goes appears in view(). Running the same kind again while it runs is a no-op. */
  run(action: PostgresAction): void;
  /** Aborts a running clone or rewind (their process group is ended, the directory stays half-written). */
  cancelLongAction(why: string): void;
  /** New effective configuration: files are rewritten, a running server is reloaded, pending restarts found. */
  configure(config: DynamicConfig): void;
  /** Look again now (WAL positions, recovery state); onChange fires when something is new. */
  look(): void;
  /** Names of members that need a physical slot here, said with each look of the holder. */
  ensureSlots(members: readonly string[]): void;
}
