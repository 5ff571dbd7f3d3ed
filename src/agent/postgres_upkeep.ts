/**
 * What a running server needs beside its role: a new configuration, the upstream it follows, slots for the others, the
 * roles of a new cluster.
 */
import type { Upstream } from "../brain/actions.ts";
import type { DynamicConfig } from "../model/config.ts";
import { NOT_BELOW_PRIMARY } from "../postgres/command_line.ts";
import { managedSettings } from "../postgres/config_files.ts";
import { join, removeFile, writeAtomically } from "../postgres/disk.ts";
import { errorText } from "../postgres/error_text.ts";
import { runHook } from "../postgres/hooks.ts";
import { endpoints } from "../postgres/local_server.ts";
import { parseSetting, PENDING_QUERY, pendingRestart, SETTINGS_QUERY } from "../postgres/parameters.ts";
import { formatPgpass } from "../postgres/pgpass.ts";
import { createRoles, rolesOf } from "../postgres/roles.ts";
import { isAlive, readProcess } from "../lib/process_table.ts";
import { signalProcess } from "../postgres/run_program.ts";
import { NO_RECOVERY } from "../postgres/server_conf.ts";
import { slotName } from "../postgres/slot_name.ts";
import {
  createSlot,
  dropSlot,
  planSlots,
  readMadeSlots,
  readSlots,
  writeMadeSlots,
} from "../postgres/slots.ts";
import type { PostgresContext } from "./postgres_context.ts";
import type { PostgresMonitor } from "./postgres_monitor.ts";
import { sleep, Turns } from "./postgres_wait.ts";

/** After a reload the server needs a moment before its own marks of a pending restart are right. */
const AFTER_RELOAD_MS = 1_000;
const RECEIVER_POLL_MS = 20;
const RECEIVER_LIMIT_MS = 10_000;

export class PostgresUpkeep {
  /** Members that need a slot here; null: not told yet, nothing is made or dropped. */
  private members: readonly string[] | null = null;
  private readonly wantedAtMs = new Map<string, number>();
  private readonly slotTurns = new Turns();
  private readonly followTurns = new Turns();
  private slotFailure = "";

  constructor(private readonly context: PostgresContext, private readonly monitor: PostgresMonitor) {}

  /** True when a running server was told to reload. */
  async configure(config: DynamicConfig): Promise<boolean> {
    const { context } = this;
    context.dynamic = config;
    if (!this.serverRuns()) return false;
    const changed = await context.writeConfig(() => this.presentRecovery());
    if (changed) {
      context.info("Changes in the configuration: reloading PostgreSQL");
      await context.reload();
    }
    const settled = changed ? sleep(context.parts.clock, AFTER_RELOAD_MS) : Promise.resolve();
    settled.then(() => this.findPendingRestart());
    return changed;
  }

  async findPendingRestart(): Promise<void> {
    const { context } = this;
    const { server, memory, local, postgresql, log, changed } = context.parts;
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
    return this.followTurns.take(async () => {
      const { context } = this;
      const { memory, files, log, changed, guard } = context.parts;
      if (upstream !== null) this.becameStandby();
      if (guard.view().postmaster === null || guard.view().postmaster?.writable) return;
      const written = await context.writeConfig(() => context.recoveryFor(upstream));
      if (upstream === null) await files.sync();
      if (written) {
        const whom = upstream === null ? "following nobody" : `following ${upstream.name}`;
        log.info("follow", `${whom}: changing primary_conninfo and reloading`);
        await context.reload();
      }
      if (upstream === null && !await this.cutReceiver()) return;
      memory.following = upstream;
      changed();
      await this.monitor.look();
    });
  }

  /**
   * From PostgreSQL 14 on a standby pauses replay when its primary has raised a setting beyond its own. Going on makes
   * it end, and the next start takes the primary's value.
   */
  async resumeAfterParameterChange(): Promise<void> {
    const { context } = this;
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

  ensureSlots(members: readonly string[]): void {
    this.members = [...members];
    this.reconcileSlots();
  }

  /** From now on we follow: what others needed of us as a primary is forgotten. */
  becameStandby(): void {
    this.members = null;
  }

  /** A standby keeps no slots for others: nothing would move them on, and they would keep WAL until the disk is full. */
  reconcileSlots(): void {
    this.slotTurns.take(() => this.reconcile()).then(
      () => {
        this.slotFailure = "";
      },
      (error: unknown) => {
        const text = errorText(error);
        if (text !== this.slotFailure) this.context.warn(`replication slots: ${text}`);
        this.slotFailure = text;
      },
    );
  }

  /** Roles and post_bootstrap of a new cluster. Resolves to null, or to what went wrong. */
  async finishBootstrap(signal: AbortSignal): Promise<string | null> {
    const { server, postgresql, local, memory } = this.context.parts;
    const { bootstrap } = local;
    if (Object.keys(bootstrap.users).length > 0) {
      this.context.warn(
        "bootstrap.users is deprecated: create users by bootstrap.post_bootstrap, or after the bootstrap",
      );
    }
    await server.with(
      { applicationName: "agent bootstrap", statementTimeoutMs: 30_000 },
      (connection) => createRoles(connection, rolesOf(postgresql, bootstrap)),
    );
    if (bootstrap.postBootstrap !== null) {
      memory.customBootstrap = true;
      const failed = await this.postBootstrap(bootstrap.postBootstrap, signal);
      memory.customBootstrap = false;
      if (failed !== null) {
        memory.failure = "custom bootstrap failed";
        return `post_bootstrap: ${failed}`;
      }
    }
    return null;
  }

  /** The cluster's records name this directory: from here on it is a data directory like any other. */
  async sealBootstrap(): Promise<void> {
    await this.context.parts.marker.remove();
    await this.context.survey();
    this.context.info("initialized a new cluster");
  }

  private async postBootstrap(command: string, signal: AbortSignal): Promise<string | null> {
    const { server, postgresql, ownDir } = this.context.parts;
    const { username, password } = postgresql.superuser;
    const where = endpoints(postgresql, server.pidFile())[0];
    if (where === undefined) return "PostgreSQL listens nowhere";
    const user = encodeURIComponent(username);
    const url = where.host.startsWith("/")
      ? `postgres://${user}@/postgres?host=${encodeURIComponent(where.host)}&port=${where.port}`
      : `postgres://${user}@${
        where.host.includes(":") ? `[${where.host}]` : where.host
      }:${where.port}/postgres`;
    const passfile = join(ownDir, "post_bootstrap.pgpass");
    try {
      const entries = password === null ? [] : [{ host: "*", port: "*", username, password }];
      writeAtomically(passfile, formatPgpass(entries), 0o600);
      return await runHook(command, {
        args: [url],
        env: { PGPASSFILE: passfile, PGOPTIONS: "-c synchronous_commit=local -c statement_timeout=0" },
        signal,
      });
    } finally {
      removeFile(passfile);
    }
  }

  private serverRuns(): boolean {
    const phase = this.context.parts.guard.view().postmaster?.phase;
    return phase === "running" || phase === "frozen";
  }

  private presentRecovery() {
    const { memory, guard, files } = this.context.parts;
    if (guard.view().postmaster?.writable) return NO_RECOVERY;
    return memory.following === null ? files.recovery() : this.context.recoveryFor(memory.following);
  }

  /**
   * While replay is paused or delayed, the server does not end its WAL receiver by itself, and that one would go on
   * receiving and acknowledging. True when it is gone.
   */
  private async cutReceiver(): Promise<boolean> {
    const { memory, clock, guard } = this.context.parts;
    const postmaster = guard.view().postmaster?.pid;
    const untilMs = clock.now() + RECEIVER_LIMIT_MS;
    await this.monitor.look();
    while (clock.now() < untilMs && guard.view().postmaster?.pid === postmaster) {
      const pid = memory.server?.status?.receiverPid ?? null;
      if (pid === null) return true;
      if (readProcess(pid)?.parentPid === postmaster && isAlive(pid)) signalProcess(pid, "SIGTERM");
      await sleep(clock, RECEIVER_POLL_MS);
      await this.monitor.look();
    }
    this.context.warn("the WAL receiver did not end");
    return false;
  }

  private async reconcile(): Promise<void> {
    const { context } = this;
    const { server, guard, memory, clock } = context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null || postmaster.phase !== "running" || !memory.server?.ready) return;
    const made = readMadeSlots(context.dataDir);
    const asPrimary = postmaster.writable;
    // A primary that has just been adopted or restarted has not been told yet: nothing is known to be superfluous.
    if (this.members === null && (asPrimary || made.length === 0)) return;
    const useSlots = context.dynamic.postgresql.useSlots;
    const wanted = useSlots ? (this.members ?? []).map(slotName) : [];
    const nowMs = clock.now();
    for (const name of wanted) this.wantedAtMs.set(name, nowMs);
    for (const name of made) if (!this.wantedAtMs.has(name)) this.wantedAtMs.set(name, nowMs);
    if (wanted.length === 0 && made.length === 0) return;
    const kept = Object.keys(context.dynamic.slots);
    await server.with({ applicationName: "agent slots" }, async (connection) => {
      const plan = planSlots({
        existing: await readSlots(connection),
        wanted,
        made,
        kept,
        wantedAtMs: this.wantedAtMs,
        nowMs,
        ttlMs: asPrimary && useSlots ? context.dynamic.memberSlotsTtlS * 1000 : 0,
      });
      // A member's own copying may have made its slot before us: by its name it is one of ours.
      const ours = new Set([...made, ...wanted.filter((name) => !kept.includes(name))]);
      for (const name of plan.create) {
        await createSlot(connection, name);
        context.info(`created replication slot ${name}`);
      }
      for (const name of plan.drop) {
        await dropSlot(connection, name);
        ours.delete(name);
        context.info(`dropped replication slot ${name}, which no member needs`);
      }
      writeMadeSlots(context.dataDir, [...ours].sort());
    });
  }
}
