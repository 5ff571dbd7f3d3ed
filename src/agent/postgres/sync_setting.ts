/**
 * Brings `synchronous_standby_names` into force on the running server, and finds out since when it is
 * (src/sync/DESIGN.md, "Since when a setting holds").
 */
import type { SyncSetting } from "../../model/sync_setting.ts";
import { errorText } from "../../postgres/error_text.ts";
import { formatSetting, isSameSetting } from "../../sync/setting.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresUpkeep } from "./upkeep.ts";
import type { ServerMemory } from "./server_memory.ts";
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
    if (!this.#isNews && memory.syncText() === null) own.syncLoaded = true;
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
    if (memory.syncText() === null) return true;
    return commitsWait === memory.sync.count > 0 && (settledLsn !== null || status?.inRecovery !== false);
  }

  /** True: the server, or the setting, has changed meanwhile. */
  async #settle(own: ServerMemory, setting: SyncSetting): Promise<boolean> {
    const { memory, server, changed } = this.#context.parts;
    const isStale = () => memory.server !== own || !isSameSetting(memory.sync, setting);
    if (!own.syncLoaded) {
      if (own.othersSync !== null) {
        this.#context.warn(
          `synchronous_standby_names was changed to '${own.othersSync}' by others (ALTER SYSTEM?): it is ` +
            "written again. What was acknowledged meanwhile may be on fewer standbys than promised",
        );
        own.othersSync = null;
      }
      await this.#upkeep.rewrite();
      if (!await this.#isLoaded(setting, isStale)) return isStale();
      this.#isNews = false;
      own.syncLoaded = true;
      changed();
    }
    // The checkpointer decides whether commits wait, and reads the setting before it begins a checkpoint (on a
    // standby a restartpoint). A standby owes that before it is promoted: its first commit waits.
    if (setting.count > 0 && !own.commitsWait) {
      await server.with(
        { applicationName: "agent checkpoint", statementTimeoutMs: 0 },
        (connection) => connection.query("CHECKPOINT"),
      );
    }
    if (isStale()) return true;
    own.commitsWait = setting.count > 0;
    changed();
    if (own.status?.inRecovery !== false) return false;
    const settled = await server.with(
      { applicationName: "agent sync", statementTimeoutMs: LIMIT_MS },
      async (connection) => {
        if (!await sendersHaveRead(connection, this.#context.parts, isStale)) return null;
        const [row] = await connection.query("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn AS lsn");
        return Number(row?.lsn);
      },
    );
    if (isStale() || !own.syncLoaded) return true;
    if (settled === null) throw new Error("a WAL sender has not read the setting yet");
    own.settledLsn = settled;
    changed();
    return false;
  }

  async #isLoaded(setting: SyncSetting, isStale: () => boolean): Promise<boolean> {
    const { memory } = this.#context.parts;
    if (memory.syncText() === null) return true;
    const wanted = formatSetting(setting);
    return await hasRead("synchronous_standby_names", wanted, this.#context.parts, isStale);
  }
}
