/**
 * Gives a running server what it needs beside its role: a new configuration, and the upstream that it
 * follows.
 */
import type { Upstream } from "../../model/upstream.ts";
import { isUndeclared, type Postmaster } from "../../model/guard_view.ts";
import { isAlive, readProcess } from "../../lib/process_table.ts";
import type { DynamicConfig } from "../../model/config.ts";
import { NOT_BELOW_PRIMARY } from "../../postgres/command_line.ts";
import { managedSettings } from "../../postgres/config_files.ts";
import { errorText } from "../../postgres/error_text.ts";
import { parseSetting, PENDING_QUERY, pendingRestart, SETTINGS_QUERY } from "../../postgres/parameters.ts";
import { signalProcess } from "../../postgres/run_program.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import { type PostgresContext, standbyRole } from "./context.ts";
import { lookForExempt } from "./exempt_look.ts";
import type { PostgresMonitor } from "./monitor.ts";
import { hasRead, LIMIT_MS, startupHasRead } from "./reload_seen.ts";
import { ServerCertificates } from "./server_certificates.ts";
import { WorkQueue } from "../../lib/work_queue.ts";
import { sleep } from "./wait.ts";

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
  /** The upstream that is being set, as JSON; null: none is. */
  #followed: string | null = null;

  readonly #certificates: ServerCertificates;

  readonly #context: PostgresContext;
  readonly #monitor: PostgresMonitor;

  constructor(
    context: PostgresContext,
    monitor: PostgresMonitor,
  ) {
    this.#context = context;
    this.#monitor = monitor;
    this.#certificates = new ServerCertificates(context);
  }

  /** True when a running server was told to reload. */
  async configure(config: DynamicConfig): Promise<boolean> {
    const context = this.#context;
    const { pgpass } = context.parts;
    context.dynamic = config;
    context.parts.memory.standbys.keeps = config.synchronousMode !== "off";
    context.parts.config.replaceCluster(config.postgresql.section);
    if (pgpass.mend()) context.info(`${pgpass.path} was written with the passwords in force`);
    if (!this.#serverRuns()) return false;
    void lookForExempt(context);
    const changed = await this.#write((written) =>
      context.info(`Changes in the configuration (${written.join(", ")}): reloading PostgreSQL`)
    );
    const settled = changed ? sleep(context.parts.clock, AFTER_RELOAD_MS) : Promise.resolve();
    settled.then(() => this.findPendingRestart());
    return changed;
  }

  /**
   * The files follow the configuration for as long as the server runs, not only at the moment of a reload:
   * others may change or remove them, and a server may have missed a reload.
   */
  mend(): Promise<void> {
    return this.#followQueue.take(async () => {
      const context = this.#context;
      const { guard, pgpass, memory } = context.parts;
      const { postmaster } = guard.view();
      if (postmaster?.phase !== "running" || memory.displaced !== null) return;
      if (!this.#isTakenOver(postmaster)) return;
      const passwords = pgpass.mend() ? [pgpass.path] : [];
      const files = await context.writeConfig(() => this.#presentRecovery());
      const mended = [...passwords, ...files, ...this.#mendStandbySignal()].join(", ");
      if (mended !== "") {
        context.warn(`${mended}: changed or removed by others, and written again`);
      }
      if (files.length > 0 || context.reloadOwed) await context.reload();
      await this.#certificates.look();
    });
  }

  /** The first copy of a logical slot is there, or the last one is gone (PostgresMemory.syncedSlots). */
  async syncedSlotsChanged(): Promise<void> {
    await this.#write(() =>
      this.#context.info("settings for logical slots have changed: reloading PostgreSQL")
    );
  }

  /** Something in the files of a running server has changed by the agent's own decision. */
  async rewrite(): Promise<void> {
    await this.#write(() => {});
  }

  /**
   * What changes without a word: the room for WAL, by which a limit of what slots may hold is written anew,
   * and whose commits wait for nobody.
   */
  async lookAround(): Promise<void> {
    const context = this.#context;
    await lookForExempt(context);
    if (!await context.lookAtRoom()) return;
    await this.#write(() =>
      context.info(`replication slots may hold ${context.parts.memory.walBudgetMib} MiB of WAL from now on`)
    );
  }

  /** Writes the files of a running server. True: they have changed, and it was told to reload. */
  #write(say: (written: readonly string[]) => void): Promise<boolean> {
    return this.#followQueue.take(async () => {
      const context = this.#context;
      if (!this.#serverRuns()) return false;
      const written = await context.writeConfig(() => this.#presentRecovery());
      if (written.length > 0) say(written);
      if (written.length > 0 || context.reloadOwed) await context.reload();
      return written.length > 0;
    });
  }

  /**
   * Looked at and written without a pause in between: PostgreSQL removes the file when it is promoted, and a
   * file that came back afterwards would make the primary a standby at its next crash.
   */
  #mendStandbySignal(): readonly string[] {
    const { guard, memory, files } = this.#context.parts;
    const { postmaster } = guard.view();
    const isStandby = postmaster?.writable === false && memory.action === null &&
      memory.server?.pid === postmaster.pid && memory.server.status?.inRecovery === true;
    return isStandby && files.mendStandbySignal() ? ["standby.signal"] : [];
  }

  /** The files are those of another role, and the server was told to reload them. */
  async roleChanged(): Promise<void> {
    await sleep(this.#context.parts.clock, AFTER_RELOAD_MS);
    await this.findPendingRestart();
  }

  async findPendingRestart(): Promise<void> {
    const context = this.#context;
    const { server, memory, local, postgresql, files, log, changed, programs } = context.parts;
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
          {
            ...managedSettings(local, postgresql, context.inForce, programs.major),
            ...files.clamped(),
          },
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

  /**
   * Points a running standby elsewhere. With null it resolves when the WAL receiver is proven gone. A wish
   * that is being fulfilled already is not queued once more.
   */
  async follow(upstream: Upstream | null): Promise<void> {
    const wish = JSON.stringify(upstream);
    if (wish === this.#followed) return;
    const { memory, changed } = this.#context.parts;
    this.#followed = wish;
    memory.repointing++;
    try {
      await this.#pointAt(upstream);
    } finally {
      memory.repointing--;
      if (this.#followed === wish) this.#followed = null;
      changed();
    }
  }

  #pointAt(upstream: Upstream | null): Promise<void> {
    return this.#followQueue.take(async () => {
      const context = this.#context;
      const { memory, files, log, changed, guard } = context.parts;
      if (guard.view().postmaster === null || guard.view().postmaster?.writable) return;
      const written = await context.writeConfig(() => context.recoveryFor(upstream), standbyRole(upstream));
      if (upstream === null) await files.sync();
      if (written.length > 0) {
        const what = upstream === null ? "following no member" : `following ${upstream.name}`;
        log.info("follow", `${what}: changing primary_conninfo and reloading`);
      }
      if (written.length > 0 || context.reloadOwed) await context.reload();
      if (upstream === null && !await this.#cutReceiver()) memory.followsNobodyYet();
      else memory.following = upstream;
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
    const { postmaster } = this.#context.parts.guard.view();
    return postmaster !== null && this.#isTakenOver(postmaster) &&
      (postmaster.phase === "running" || postmaster.phase === "frozen");
  }

  /**
   * A server that was found running may be another cluster's: its files are left alone until the guard knows
   * its role. A standby's are first written with the upstream that it is to follow, so that it goes on
   * streaming.
   */
  #isTakenOver(postmaster: Postmaster): boolean {
    if (isUndeclared(postmaster)) return false;
    return postmaster.writable || postmaster.child || this.#context.parts.files.isManaged();
  }

  #presentRecovery() {
    const { guard, files } = this.#context.parts;
    if (guard.view().postmaster?.writable) return NO_RECOVERY;
    const upstream = files.intended();
    if (upstream !== undefined) return this.#context.recoveryFor(upstream);
    return { ...files.recovery(), settings: this.#context.recoveryFor(null).settings };
  }

  /**
   * No receiver is begun any more for what the files said before. Otherwise one may come after the look that
   * finds none. A server that answers nobody yet is looked at when it does.
   */
  async #forgetsUpstream(isStale: () => boolean): Promise<boolean> {
    const { parts } = this.#context;
    if (parts.memory.server?.ready !== true) return true;
    if (!await hasRead("primary_conninfo", "", parts, isStale)) return false;
    return await parts.server.with(
      { applicationName: "agent upkeep", statementTimeoutMs: LIMIT_MS },
      (connection) => startupHasRead(connection, parts, isStale),
    );
  }

  /**
   * While replay is paused or delayed, the server does not end its WAL receiver by itself, and the receiver
   * would go on acknowledging. True when it is gone.
   */
  async #cutReceiver(): Promise<boolean> {
    const { memory, clock, guard } = this.#context.parts;
    const postmaster = guard.view().postmaster?.pid;
    const untilMs = clock.now() + RECEIVER_LIMIT_MS;
    if (!await this.#forgetsUpstream(() => guard.view().postmaster?.pid !== postmaster)) return false;
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
