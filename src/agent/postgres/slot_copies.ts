/**
 * Brings the primary's logical slots to a standby of PostgreSQL 13 to 16. What is fetched waits in memory for
 * the next start of the standby, which the brain asks for (rule `install-slots`); lost with the agent, it is
 * fetched again.
 */
import { pauseAfter } from "../../model/pause_after.ts";
import { errorText } from "../../postgres/error_text.ts";
import { askByUrl } from "../../postgres/replication_source.ts";
import { fetchSlots, holdsWal, installSlot, type SlotCopy } from "../../postgres/slot_copies.ts";
import type { WantedSlot } from "../../postgres/slot_state.ts";
import type { PostgresContext } from "./context.ts";

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 600_000;

export class SlotCopies {
  /** Their names are in the view (PostgresMemory.stagedSlots). */
  #copies: readonly SlotCopy[] = [];
  #failures = 0;
  #dueMs = 0;
  #said = "";

  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /** Fetches those of `missing` that the primary has, and whose WAL is here. */
  async stage(missing: readonly WantedSlot[]): Promise<void> {
    const context = this.#context;
    const { memory, postgresql, clock } = context.parts;
    const upstream = memory.following;
    const ready = memory.server?.status?.replicationState === "streaming" && memory.action === null;
    if (missing.length === 0) return this.#stage([]);
    if (upstream === null || !ready || clock.now() < this.#dueMs) return;
    const copies = await askByUrl(
      upstream.connUrl,
      postgresql.rewind,
      "agent slots",
      (connection) => fetchSlots(connection, missing),
    );
    const segmentBytes = memory.found.control?.segmentBytes ?? null;
    const usable = copies.filter(({ restartLsn }) =>
      segmentBytes !== null && holdsWal(context.dataDir, restartLsn, segmentBytes)
    );
    const late = copies.filter((copy) => !usable.includes(copy)).map(({ name }) => name).join(", ");
    this.#say(
      late === "" ? "" : `not copied yet: ${late}; this standby has no more the WAL that they begin with`,
    );
    this.#stage(usable);
  }

  /** No server runs: puts the copies in their places. One that cannot be put there is told, and tried later. */
  async install(): Promise<void> {
    const context = this.#context;
    const copies = this.#copies;
    if (copies.length === 0) return;
    this.#stage([]);
    try {
      for (const copy of copies) {
        if (await installSlot(context.dataDir, copy)) {
          context.info(`copied logical replication slot ${copy.name}`);
        }
      }
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      context.warn(`logical replication slots were not copied: ${errorText(error)}`);
    }
    // A standby is not restarted again and again for one slot that does not come to life.
    this.#dueMs = context.parts.clock.now() +
      pauseAfter(this.#failures + 1, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  }

  /** The slots that the next start as a standby installs. */
  #stage(copies: readonly SlotCopy[]): void {
    this.#copies = copies;
    this.#context.parts.memory.stagedSlots = copies.map(({ name }) => name);
  }

  #say(text: string): void {
    if (text !== this.#said && text !== "") this.#context.info(`logical replication slots ${text}`);
    this.#said = text;
  }
}
