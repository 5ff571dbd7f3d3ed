/**
 * Brings `synchronous_standby_names` into force on the running server, and finds out since when it is
 * (src/sync/DESIGN.md, "Since when a setting holds").
 */
import type { Lsn } from "../../model/lsn.ts";
import type { SyncSetting } from "../../model/sync_setting.ts";
import { errorText } from "../../postgres/error_text.ts";
import { formatSetting, isSameSetting } from "../../sync/setting.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresUpkeep } from "./upkeep.ts";
import type { ServerMemory } from "./server_memory.ts";
import { writeSmall } from "./small_write.ts";
import { hasRead, LIMIT_MS, sendersHaveRead } from "./reload_seen.ts";

export class PostgresSync {
  #underWay = false;
  /** The files may say something else than is wanted. */
  #isNews = false;

  readonly #context: PostgresContext;
  readonly #upkeep: PostgresUpkeep;

  constructor(context: PostgresContext, upkeep: PostgresUpkeep) {
    this.#context = context;
    this.#upkeep = upkeep;
  }

  want(setting: SyncSetting): void {
    const { memory, changed } = this.#context.parts;
    if (isSameSetting(setting, memory.sync)) return;
    // At once: from here on the server may go by either of them.
    memory.sync = setting;
    this.#isNews = true;
    changed();
    this.settleIfOwed();
  }

  /** Owed to each server until it is done, whichever agent has started or promoted it. */
  settleIfOwed(): void {
    const { memory, guard, log } = this.#context.parts;
    const own = memory.server;
    const { postmaster } = guard.view();
    if (this.#underWay || own === null || !own.ready || own.status === null || own.shutdown !== null) return;
    if (postmaster?.pid !== own.pid || postmaster.phase !== "running") return;
    // Where the agent has never decided on it, a value of the user's own counts, which promises nothing.
    if (!this.#isNews && memory.standbys.text() === null) own.syncLoaded = true;
    if (own.syncLoaded && this.#isSettled(own)) return;
    this.#underWay = true;
    this.#settle(own, memory.sync).catch((error: unknown) => {
      log.debug("sync_setting", `synchronous_standby_names is not in force yet: ${errorText(error)}`);
      return false;
    }).then((again) => {
      this.#underWay = false;
      if (again) this.settleIfOwed();
    });
  }

  #isSettled({ commitsWait, settledLsn, status }: ServerMemory): boolean {
    const { memory } = this.#context.parts;
    if (memory.standbys.text() === null) return true;
    return commitsWait === memory.sync.count > 0 && (settledLsn !== null || status?.inRecovery !== false);
  }

  /** True: the server, or what it goes by, has changed meanwhile. */
  async #settle(own: ServerMemory, setting: SyncSetting): Promise<boolean> {
    const { memory, changed } = this.#context.parts;
    if (!own.syncLoaded) {
      // What others have written, and it takes back, begins another turn.
      await this.#upkeep.rewrite();
      this.#nameOthers(own);
      const isStale = this.#staleness(own);
      if (!isSameSetting(memory.sync, setting)) return true;
      if (!await this.#isLoaded(setting, isStale)) return isStale();
      this.#isNews = false;
      memory.standbys.isLoaded(own);
      changed();
      if (setting.count > 0 && own.status?.inRecovery === false) await this.#provokeAnswers();
    }
    // Also where others have changed it for a moment: what was seen of an earlier turn counts no more.
    const isStale = this.#staleness(own);
    await this.#checkpoint(own, setting);
    if (isStale()) return true;
    own.commitsWait = setting.count > 0;
    changed();
    if (own.status?.inRecovery !== false) return false;
    const settled = await this.#settledLsn(isStale);
    if (isStale()) return true;
    if (settled === null) throw new Error("a WAL sender has not read the setting yet");
    own.settledLsn = settled;
    changed();
    return false;
  }

  #staleness(own: ServerMemory): () => boolean {
    const { memory } = this.#context.parts;
    const syncTurn = memory.standbys.turn;
    return () => memory.server !== own || memory.standbys.turn !== syncTurn;
  }

  #nameOthers(own: ServerMemory): void {
    if (own.othersSync === null) return;
    this.#context.warn(
      `synchronous_standby_names was changed to '${own.othersSync}' by others (ALTER SYSTEM?): it is ` +
        "written again. What was acknowledged meanwhile may be on fewer standbys than promised",
    );
    own.othersSync = null;
  }

  async #isLoaded(setting: SyncSetting, isStale: () => boolean): Promise<boolean> {
    const { memory } = this.#context.parts;
    if (memory.standbys.text() === null) return true;
    const wanted = formatSetting(setting);
    return await hasRead("synchronous_standby_names", wanted, this.#context.parts, isStale);
  }

  /**
   * A reload releases no commit that waits already: the answer of a standby does, and one that has all of WAL
   * gives none for up to wal_receiver_status_interval (10 s). So there is a little more WAL.
   */
  async #provokeAnswers(): Promise<void> {
    const { server, log } = this.#context.parts;
    const options = { applicationName: "agent sync", statementTimeoutMs: LIMIT_MS };
    try {
      await server.with(options, (connection) => writeSmall(connection, "local"));
    } catch (error) {
      log.debug("sync_setting", `commits wait until a standby answers by itself: ${errorText(error)}`);
    }
  }

  /**
   * The checkpointer decides whether commits wait, and reads the setting before it begins a checkpoint (on a
   * standby a restartpoint). A standby owes that before it is promoted: its first commit waits.
   */
  async #checkpoint(own: ServerMemory, setting: SyncSetting): Promise<void> {
    if (setting.count === 0 || own.commitsWait) return;
    await this.#context.parts.server.with(
      { applicationName: "agent checkpoint", statementTimeoutMs: 0 },
      (connection) => connection.query("CHECKPOINT"),
    );
  }

  /** A position that is read once nobody goes by a former setting; null: that was not seen in time. */
  async #settledLsn(isStale: () => boolean): Promise<Lsn | null> {
    const { parts } = this.#context;
    return await parts.server.with(
      { applicationName: "agent sync", statementTimeoutMs: LIMIT_MS },
      async (connection) => {
        if (!await sendersHaveRead(connection, parts, isStale)) return null;
        const [row] = await connection.query("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn AS lsn");
        return Number(row?.lsn);
      },
    );
  }
}
