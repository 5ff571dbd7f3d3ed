/**
 * Keeps the cluster's dynamic configuration in the data directory: only in one that is the cluster's, and not
 * while its files are made, moved or replaced, when another file in it would be in the way.
 */
import { isUndeclared } from "../../model/guard_view.ts";
import { errorText } from "../../postgres/error_text.ts";
import { RECORDED_CONFIG, writeRecordedConfig } from "../../postgres/recorded_config.ts";
import type { PostgresContext } from "./context.ts";
import type { RecordedConfig } from "./port.ts";

export class KeptConfig {
  #wanted: RecordedConfig | null = null;
  #owed = false;
  #said = "";

  readonly #context: PostgresContext;
  readonly #changesDirectory: () => boolean;

  constructor(context: PostgresContext, changesDirectory: () => boolean) {
    this.#context = context;
    this.#changesDirectory = changesDirectory;
  }

  want(recorded: RecordedConfig): void {
    this.#wanted = recorded;
    this.#owed = true;
    this.keep();
  }

  /** Writes what could not be written before. */
  catchUp(): void {
    if (this.#owed) this.keep();
  }

  /** Writes it anew when somebody has changed or removed it. */
  keep(): void {
    if (this.#wanted === null || !this.#isOurs(this.#wanted)) return;
    try {
      writeRecordedConfig(this.#context.dataDir, this.#wanted.value);
      this.#owed = false;
      this.#said = "";
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#said) this.#context.warn(`${RECORDED_CONFIG} cannot be written: ${text}`);
      this.#said = text;
    }
  }

  #isOurs({ systemId }: RecordedConfig): boolean {
    const { memory, marker, guard } = this.#context.parts;
    const { postmaster } = guard.view();
    if (postmaster !== null && isUndeclared(postmaster)) return false;
    const { directory } = memory.found;
    return directory.kind === "valid" && directory.control.systemId === systemId &&
      memory.displaced === null &&
      !memory.settling && !this.#changesDirectory() && marker.read() === null;
  }
}
