/**
 * Gives a running server what it needs beside its role: a new configuration, and the upstream that it
 * follows.
 */
import type { Upstream } from "../../brain/actions.ts";
import { isAlive, readProcess } from "../../lib/process_table.ts";
import type { DynamicConfig } from "../../model/config.ts";
import { NOT_BELOW_PRIMARY } from "../../postgres/command_line.ts";
import { managedSettings } from "../../postgres/config_files.ts";
import { errorText } from "../../postgres/error_text.ts";
import { parseSetting, PENDING_QUERY, pendingRestart, SETTINGS_QUERY } from "../../postgres/parameters.ts";
import { signalProcess } from "../../postgres/run_program.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import type { PostgresSlots } from "./slots.ts";
import { sleep, WorkQueue } from "./wait.ts";

/** After a reload the server needs a moment before its own marks of a pending restart are right. */
const AFTER_RELOAD_MS = 1_000;
const RECEIVER_POLL_MS = 20;
const RECEIVER_LIMIT_MS = 10_000;

export class PostgresUpkeep {
  /**
   * Writes of the files' upstream, one at a time: a cut that is under way is not undone by the upstream in
   * force before.
   */
  readonly #followQueue = new WorkQueue();

  readonly #context: PostgresContext;
  readonly #monitor: PostgresMonitor;
  readonly #slots: PostgresSlots;

  constructor(
    context: PostgresContext,
    monitor: PostgresMonitor,
    slots: PostgresSlots,
  ) {
    this.#context = context;
    this.#monitor = monitor;
    this.#slots = slots;
  }

  /** True when a running server was told to reload. */
  async configure(config: DynamicConfig): Promise<boolean> {
    const context = this.#context;
    const { pgpass } = context.parts;
    context.dynamic = config;
    context.parts.config.replaceCluster(config.postgresql.section);
    if (pgpass.mend()) context.info(`${pgpass.path} was written with the passwords in force`);
    if (!this.#serverRuns()) return false;
    const changed = await this.#followQueue.take(async () => {
      const written = await context.writeConfig(() => this.#presentRecovery());
      if (written.length > 0) {
        context.info(`Changes in the configuration (${written.join(", ")}): reloading PostgreSQL`);
        await context.reload();
      }
      return written.length > 0;
    });
    const settled = changed ? sleep(context.parts.clock, AFTER_RELOAD_MS) : Promise.resolve();
    settled.then(() => this.findPendingRestart());
    return changed;
  }

  /**
   * The files follow the configuration for as long as the server runs, not only at the moment of a reload:
   * somebody else may change or remove them, and a server may not have heard that it should reload.
   */
  mend(): Promise<void> {
    return this.#followQueue.take(async () => {
      const context = this.#context;
      const { guard, pgpass, memory } = context.parts;
      if (guard.view().postmaster?.phase !== "running" || memory.displaced !== null) return;
      const passwords = pgpass.mend() ? [pgpass.path] : [];
      const files = await context.writeConfig(() => this.#presentRecovery());
      const mended = [...passwords, ...files, ...this.#mendStandbySignal()].join(", ");
      if (mended !== "") {
        context.warn(`${mended}: somebody else has changed or removed what the agent wrote; written again`);
      }
      if (files.length > 0 || context.reloadOwed) await context.reload();
    });
  }

  /**
   * Looked at and written without a pause in between: PostgreSQL takes the file away when it is promoted, and
   * one that came back afterwards would make a standby of the primary at its next crash.
   */
  #mendStandbySignal(): readonly string[] {
    const { guard, memory, files } = this.#context.parts;
    const { postmaster } = guard.view();
    const isStandby = postmaster?.writable === false && memory.action === null &&
      memory.server?.pid === postmaster.pid && memory.server.status?.inRecovery === true;
    return isStandby && files.mendStandbySignal() ? ["standby.signal"] : [];
  }

  async findPendingRestart(): Promise<void> {
    const context = this.#context;
    const { server, memory, local, postgresql, files, log, changed } = context.parts;
    const pid = memory.server?.pid;
    if (pid === undefined || !memory.server?.ready) return;
    try {
      const pending = await server.with({}, async (connection) => {
        const settings = (await connection.query(SETTINGS_QUERY)).map(parseSetting);
        const inFiles: { [name: string]: string } = {};
        if (settings.some((one) => one.pendingRestart)) {
          for (const row of await connection.query(PENDING_QUERY)) {
            inFiles[row.name ?? ""] = row.setting ?? "";
          }
        }
        return pendingRestart(
          settings,
          managedSettings(local, postgresql, context.dynamic.postgresql),
          inFiles,
          files.leftOut(),
        );
      });
      if (memory.server?.pid !== pid) return;
      for (const [name, { old_value, new_value }] of Object.entries(pending ?? {})) {
        if (memory.pendingRestart?.[name]?.new_value === new_value) continue;
        context.info(`Changed ${name} from '${old_value}' to '${new_value}' (restart might be required)`);
      }
      memory.pendingRestart = pending;
      changed();
    } catch (error) {
      log.debug("pending_restart", `cannot read pg_settings: ${errorText(error)}`);
    }
  }

  /** Points a running standby elsewhere. Nobody: resolves when the WAL receiver is proven gone. */
  follow(upstream: Upstream | null): Promise<void> {
    return this.#followQueue.take(async () => {
      const context = this.#context;
      const { memory, files, log, changed, guard } = context.parts;
      if (upstream !== null) this.#slots.becameStandby();
      if (guard.view().postmaster === null || guard.view().postmaster?.writable) return;
      const written = await context.writeConfig(() => context.recoveryFor(upstream));
      if (upstream === null) await files.sync();
      if (written.length > 0) {
        const whom = upstream === null ? "following nobody" : `following ${upstream.name}`;
        log.info("follow", `${whom}: changing primary_conninfo and reloading`);
        await context.reload();
      }
      if (upstream === null && !await this.#cutReceiver()) return;
      memory.following = upstream;
      changed();
      await this.#monitor.refresh();
    });
  }

  /**
   * From PostgreSQL 14 on a standby pauses replay when its primary has raised a setting beyond its own. Going
   * on makes it end, and the next start takes the primary's value.
   */
  async resumeAfterParameterChange(): Promise<void> {
    const context = this.#context;
    const { server, memory, programs, guard } = context.parts;
    if (programs.major < 14 || !memory.server?.status?.replayPaused || guard.view().postmaster?.writable) {
      return;
    }
    await context.survey();
    const needed = memory.found.control?.settings ?? {};
    await server.with({ applicationName: "agent upkeep" }, async (connection) => {
      for (const row of await connection.query(SETTINGS_QUERY)) {
        const { name, setting } = parseSetting(row);
        if (!NOT_BELOW_PRIMARY.includes(name) || !((needed[name] ?? 0) > Number(setting))) continue;
        context.warn(
          `replay is paused because ${name} is ${
            needed[name]
          } on the primary and ${setting} here: restarting`,
        );
        await connection.query("SELECT pg_wal_replay_resume()");
        return;
      }
    });
  }

  #serverRuns(): boolean {
    const phase = this.#context.parts.guard.view().postmaster?.phase;
    return phase === "running" || phase === "frozen";
  }

  #presentRecovery() {
    const { guard, files } = this.#context.parts;
    if (guard.view().postmaster?.writable) return NO_RECOVERY;
    const upstream = files.intended();
    return upstream === undefined ? files.recovery() : this.#context.recoveryFor(upstream);
  }

  /**
   * While replay is paused or delayed, the server does not end its WAL receiver by itself, and that one would
   * go on receiving and acknowledging. True when it is gone.
   */
  async #cutReceiver(): Promise<boolean> {
    const { memory, clock, guard } = this.#context.parts;
    const postmaster = guard.view().postmaster?.pid;
    const untilMs = clock.now() + RECEIVER_LIMIT_MS;
    await this.#monitor.refresh();
    while (clock.now() < untilMs && guard.view().postmaster?.pid === postmaster) {
      const pid = memory.server?.status?.receiverPid ?? null;
      if (pid === null) return true;
      if (readProcess(pid)?.parentPid === postmaster && isAlive(pid)) signalProcess(pid, "SIGTERM");
      await sleep(clock, RECEIVER_POLL_MS);
      await this.#monitor.refresh();
    }
    this.#context.warn("the WAL receiver did not end");
    return false;
  }
}
