/**
 * Drives the real PostgreSQL for one member: carries out the keeper's actions with src/postgres, and says at any moment,
 * from memory, what is known. The guard starts, promotes and signals the server; nothing here does.
 *
 * One long action at a time. A stop goes before everything: it cancels what is running, and what was cancelled must have
 * come to its end before the next action touches the directory.
 */
import type { Clock } from "../../raft/mod.ts";
import type { PostgresAction, Upstream } from "../brain/actions.ts";
import type { GuardPort, Postmaster } from "../guard/port.ts";
import type { Log } from "../lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../model/config.ts";
import type { LongAction, PostgresState, PostgresView } from "../model/postgres_view.ts";
import { type CallbackEvent, type CallbackRole, Callbacks } from "../postgres/callbacks.ts";
import { ConfigFiles } from "../postgres/config_files.ts";
import { join } from "../postgres/disk.ts";
import { errorText } from "../postgres/error_text.ts";
import { LocalServer } from "../postgres/local_server.ts";
import { PgpassFile } from "../postgres/pgpass.ts";
import { findPrograms } from "../postgres/programs.ts";
import { UnfinishedMarker } from "../postgres/unfinished.ts";
import { findWalEnd } from "../postgres/wal_end.ts";
import { PostgresContext } from "./postgres_context.ts";
import { PostgresJoin, type Progress } from "./postgres_join.ts";
import { PostgresMemory } from "./postgres_memory.ts";
import { PostgresMonitor } from "./postgres_monitor.ts";
import type { PostgresPort } from "./postgres_port.ts";
import { CANCELLED, PostgresRun } from "./postgres_run.ts";
import { PostgresUpkeep } from "./postgres_upkeep.ts";
import { atMost, Turns } from "./postgres_wait.ts";

export interface PostgresExecutorOptions {
  readonly config: LocalConfig;
  readonly dynamic: DynamicConfig;
  readonly guard: GuardPort;
  readonly clock: Clock;
  readonly log: Log;
}

/** A stop does not wait longer than this for what it cancelled. */
const CANCEL_WAIT_MS = 2_000;
const SURVEY_EVERY_MS = 10_000;
const UPKEEP_EVERY_MS = 15_000;

interface Current {
  readonly kind: LongAction;
  readonly detail: string;
  readonly sinceMs: number;
  readonly controller: AbortController;
}

export class PostgresExecutor implements PostgresPort {
  private readonly context: PostgresContext;
  private readonly memory = new PostgresMemory();
  private readonly monitor: PostgresMonitor;
  private readonly running: PostgresRun;
  private readonly joining: PostgresJoin;
  private readonly upkeep: PostgresUpkeep;
  private readonly handlers: (() => void)[] = [];
  /** Work of actions, the cancelled ones included. */
  private readonly turns = new Turns();
  private readonly configuring = new Turns();
  private current: Current | null = null;
  private quiet: PostgresAction["kind"] | null = null;
  private shown: string | null = null;
  private announcing = false;
  /** The end of the present server is our doing. */
  private endAsked = false;
  private known: Postmaster | null = null;
  private callbackRole: CallbackRole | null = null;
  private upkeepDueMs = 0;
  private lastQuietFailure = "";

  /** @throws ProgramsError when PostgreSQL is not installed where the configuration says. */
  constructor(private readonly options: PostgresExecutorOptions) {
    const { config: local, dynamic, guard, clock, log } = options;
    const { postgresql } = local;
    if (postgresql === null) throw new Error("a witness has no PostgreSQL");
    const programs = findPrograms(postgresql);
    const ownDir = join(local.raft.dataDir, "run");
    const warn = (text: string) => log.warning("postgresql", text);
    this.context = new PostgresContext({
      local,
      postgresql,
      programs,
      files: new ConfigFiles({ local, postgresql, programs, warn }),
      server: new LocalServer(postgresql),
      guard,
      clock,
      log,
      marker: new UnfinishedMarker(postgresql.dataDir, ownDir),
      pgpass: new PgpassFile(postgresql.pgpass),
      callbacks: new Callbacks({ commands: postgresql.callbacks, scope: local.scope, log }),
      ownDir,
      memory: this.memory,
      changed: () => this.announce(),
    }, dynamic);
    this.monitor = new PostgresMonitor(this.context, () => this.onTick());
    this.running = new PostgresRun(this.context, this.monitor);
    this.joining = new PostgresJoin(this.context, this.running);
    this.upkeep = new PostgresUpkeep(this.context, this.monitor);
    log.info("postgresql_found", `PostgreSQL ${programs.versionText} in ${programs.directory}`);
    guard.onChange(() => this.onGuard());
    this.background("survey", this.context.survey());
    this.onGuard();
  }

  view(): PostgresView {
    return this.memory.view(this.options.guard.view());
  }

  onChange(handler: () => void): void {
    this.handlers.push(handler);
  }

  look(): void {
    this.background("look", this.monitor.look());
  }

  ensureSlots(members: readonly string[]): void {
    this.upkeep.ensureSlots(members);
  }

  configure(config: DynamicConfig): void {
    this.background(
      "configure",
      this.configuring.take(async () => {
        if (await this.upkeep.configure(config)) this.call("on_reload", this.role());
      }),
    );
  }

  cancelLongAction(why: string): void {
    if (this.current?.kind !== "clone" && this.current?.kind !== "rewind") return;
    this.options.log.info("cancel", `cancelling the ${this.current.kind}: ${why}`);
    this.current.controller.abort();
  }

  run(action: PostgresAction): void {
    switch (action.kind) {
      case "bootstrap":
        return this.begin("bootstrap", "initdb", (signal) => this.joining.bootstrap(signal));
      case "finish-bootstrap":
        return this.begin("finish-bootstrap", "", (signal) => this.upkeep.finishBootstrap(signal));
      case "seal-bootstrap":
        return this.beginQuiet("seal-bootstrap", () => this.sealBootstrap());
      case "clone":
        return this.begin(
          "clone",
          `from ${action.from.name}`,
          (signal, progress) => this.joining.clone(action.from, signal, progress),
        );
      case "start-primary":
        return this.begin("start", "primary", (signal) => this.start(action.epoch, null, signal));
      case "start-standby":
        return this.begin("start", "standby", (signal) => this.start(null, action.follow, signal));
      case "promote":
        return this.begin("promote", `epoch ${action.epoch}`, (signal) => this.promote(action.epoch, signal));
      case "restart":
        return this.begin("restart", "", (signal) => this.restart(signal));
      case "rewind":
        return this.begin(
          "rewind",
          `from ${action.from.name}`,
          (signal, progress) => this.rewind(action.from, signal, progress),
        );
      case "stop":
        return this.stop(action.how, action.checkpoint);
      case "follow":
        return this.background("follow", this.upkeep.follow(action.follow));
      case "set-aside":
        return this.beginQuiet("set-aside", () => this.joining.setAside(action.why));
      case "compare-history":
        return this.beginQuiet("compare-history", async () => {
          await this.joining.compareHistory(action.with);
          return null;
        });
    }
  }

  // ---- actions ---------------------------------------------------------------------------------------------------

  private begin(
    kind: LongAction,
    detail: string,
    work: (signal: AbortSignal, progress: Progress) => Promise<string | null>,
  ): void {
    if (this.current !== null || this.quiet === "set-aside") return;
    const current = this.enter(kind, detail);
    const { signal } = current.controller;
    this.turns.take(() =>
      signal.aborted ? Promise.resolve(CANCELLED) : work(signal, this.progressOf(current))
    )
      .catch((error: unknown) => errorText(error)).then((failed) => this.finish(current, failed));
  }

  /** Ahead of the turns: whatever was running is told to end, and is given a moment to do so. */
  private stop(how: "fast" | "immediate" | "kill", checkpoint: boolean): void {
    if (this.current?.kind === "stop" && (this.current.detail === how || this.current.detail === "kill")) {
      return;
    }
    this.current?.controller.abort();
    const current = this.enter("stop", how);
    const { signal } = current.controller;
    const cancelled = this.turns.take(() => Promise.resolve());
    const work = async () => {
      this.endAsked = true;
      // A start that was under way must not come to life after the stop; a kill does not wait for that.
      if (how === "kill") await this.running.stop(how, false, signal);
      await atMost(this.options.clock, CANCEL_WAIT_MS, cancelled);
      this.endAsked = true;
      const failed = await this.running.stop(how, checkpoint, signal);
      if (failed === null) await this.settled();
      return failed;
    };
    const done = work().catch((error: unknown) => errorText(error));
    this.background("stop", this.turns.take(() => done));
    this.background("stop", done.then((failed) => this.finish(current, failed)));
  }

  private enter(kind: LongAction, detail: string): Current {
    const sinceMs = this.options.clock.now();
    const current = { kind, detail, sinceMs, controller: new AbortController() };
    this.current = current;
    this.memory.action = { kind, detail, sinceMs };
    this.announce();
    return current;
  }

  private progressOf(current: Current): Progress {
    return (detail) => {
      if (this.current !== current || this.memory.action === null) return;
      this.memory.action = { ...this.memory.action, detail };
      this.announce();
    };
  }

  private finish(current: Current, failed: string | null): void {
    // One that a stop has replaced says no more.
    if (this.current !== current) return;
    const { memory, options } = this;
    const { kind, detail } = current;
    const ok = failed === null;
    this.current = null;
    memory.action = null;
    const failures = ok ? 0 : (memory.last[kind]?.failures ?? 0) + 1;
    memory.last[kind] = { kind, ok, atMs: options.clock.now(), detail: failed ?? detail, failures };
    if (ok) {
      const seconds = (options.clock.now() - current.sinceMs) / 1000;
      options.log.info("action_done", `PostgreSQL: ${kind} is done after ${seconds.toFixed(2)} s`);
    } else {
      memory.failure = FAILURES[kind] ?? memory.failure;
      options.log.error("action_failed", `${kind} failed: ${failed}`);
    }
    this.announce();
  }

  /** Short of a long action: not shown as one, but never beside one that changes the directory. */
  private beginQuiet(kind: PostgresAction["kind"], work: () => Promise<string | null>): void {
    if (this.quiet !== null || (kind === "set-aside" && this.current !== null)) return;
    this.quiet = kind;
    const run = kind === "set-aside" ? this.turns.take(work) : work();
    run.catch((error: unknown) => errorText(error)).then((failed) => {
      this.quiet = null;
      if (failed !== null && failed !== this.lastQuietFailure) {
        this.options.log.error("action_failed", `${kind} failed: ${failed}`);
      }
      this.lastQuietFailure = failed ?? "";
      this.announce();
    });
  }

  private async start(
    epoch: number | null,
    follow: Upstream | null,
    signal: AbortSignal,
  ): Promise<string | null> {
    this.endAsked = false;
    if (epoch === null) this.upkeep.becameStandby();
    const failed = await this.running.start(epoch, follow, signal);
    if (failed === null) await this.started("on_start");
    return failed;
  }

  private async restart(signal: AbortSignal): Promise<string | null> {
    this.endAsked = true;
    const failed = await this.running.restart(signal);
    if (failed === null) await this.started("on_restart");
    return failed;
  }

  private async started(event: "on_start" | "on_restart"): Promise<void> {
    this.endAsked = false;
    const role = this.role();
    const bootstrapping = this.memory.found.directory.kind === "half-written";
    if (!bootstrapping) {
      const before = this.callbackRole;
      this.call(before !== null && before !== role ? "on_role_change" : event, role);
    }
    await this.upkeep.findPendingRestart();
    this.upkeep.reconcileSlots();
    this.background("survey", this.context.survey());
  }

  private async promote(epoch: number, signal: AbortSignal): Promise<string | null> {
    const failed = await this.running.promote(epoch, signal);
    if (failed !== null) return failed;
    this.call("on_role_change", "primary");
    this.upkeep.reconcileSlots();
    this.background("survey", this.context.survey());
    return null;
  }

  private async sealBootstrap(): Promise<string | null> {
    if (this.memory.found.directory.kind !== "half-written") return null;
    await this.upkeep.sealBootstrap();
    if (this.memory.server !== null) this.call("on_start", this.role());
    return null;
  }

  private async rewind(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
    // Servers that it starts for a moment (to end recovery) end because it wants them to.
    this.endAsked = true;
    this.memory.following = null;
    return await this.joining.rewind(from, signal, progress);
  }

  // ---- what happens ----------------------------------------------------------------------------------------------

  private onGuard(): void {
    const { guard } = this.options;
    const { postmaster } = guard.view();
    const before = this.known;
    this.known = postmaster;
    if (before !== null && before.pid !== postmaster?.pid) this.ended(before);
    this.memory.track(postmaster?.pid ?? null);
    if (postmaster !== null && before?.pid !== postmaster.pid) this.appeared(postmaster);
    this.announce();
  }

  private ended(server: Postmaster): void {
    const { memory, options } = this;
    const { lastExit } = options.guard.view();
    const report = lastExit?.pid === server.pid ? lastExit : null;
    this.monitor.disconnect();
    if (this.endAsked || report?.fenced) {
      memory.failure = null;
    } else {
      const how = report === null
        ? ""
        : report.signal !== null
        ? `, ${report.signal}`
        : `, exit code ${report.code}`;
      options.log.error("crashed", `PostgreSQL ended without being asked to (pid ${server.pid}${how})`);
      memory.failure = "crashed";
      // The first of several: a server that ends while it is being started again has not recovered in between.
      if (server.writable) memory.crashedAtMs ??= report?.atMs ?? options.clock.now();
    }
    if (this.callbackRole !== null && this.endAsked && this.current?.kind === "stop") {
      this.call("on_stop", this.role());
    }
    memory.settling = true;
    memory.diskEnd = null;
    this.background(
      "survey",
      this.context.survey().finally(() => {
        // Another server may have been started since: then there is nothing to settle, either.
        memory.settling = false;
        this.announce();
      }),
    );
  }

  private appeared(server: Postmaster): void {
    if (this.current !== null) return;
    this.endAsked = false;
    this.background("adopt", this.adopt(server));
  }

  /** A server that runs already: known by what it and its files say, and left as it is. */
  private async adopt(server: Postmaster): Promise<void> {
    const { memory, context } = this;
    this.options.log.info(
      "adopted",
      `PostgreSQL runs already (pid ${server.pid}): taking over its supervision`,
    );
    if (!server.writable) memory.following = context.parts.files.following();
    await context.survey();
    await this.monitor.look();
    const { control } = memory.found;
    if (control !== null && !server.writable) {
      memory.raiseFloor(
        server.pid,
        await findWalEnd(context.parts.programs, context.dataDir, control, 10_000),
      );
      await this.monitor.look();
    }
    if (memory.server?.pid !== server.pid) return;
    if (memory.found.directory.kind === "valid") this.call("on_start", this.role());
    await this.upkeep.findPendingRestart();
  }

  private onTick(): void {
    const { clock } = this.options;
    if (clock.now() < this.upkeepDueMs) return;
    this.upkeepDueMs = clock.now() + (this.memory.server === null ? SURVEY_EVERY_MS : UPKEEP_EVERY_MS);
    if (this.memory.server !== null) {
      this.upkeep.reconcileSlots();
      this.background("resume", this.upkeep.resumeAfterParameterChange());
    } else if (this.current === null) {
      // While nothing runs, an operator may put something else into the directory.
      this.background("survey", this.context.survey());
    }
  }

  /** Resolves when the end of the server has been taken note of. */
  private async settled(): Promise<void> {
    this.onGuard();
    while (this.memory.settling) await this.context.survey();
  }

  private role(): CallbackRole {
    return this.options.guard.view().postmaster?.writable ?? this.known?.writable ?? false
      ? "primary"
      : "replica";
  }

  private call(event: CallbackEvent, role: CallbackRole): void {
    const { memory } = this;
    const timeline = memory.server?.status?.timeline ?? memory.found.control?.timeline ?? null;
    const leader = role === "primary" ? this.options.config.name : memory.following?.name ?? null;
    this.context.parts.callbacks.call(event, role, { oldRole: this.callbackRole, timeline, leader });
    this.callbackRole = role;
  }

  /** Tells whoever listens, once for all that changed in one go, and only when something is new. */
  private announce(): void {
    if (this.announcing) return;
    this.announcing = true;
    queueMicrotask(() => {
      this.announcing = false;
      const { lastLookMs: _look, ...view } = this.view();
      const text = JSON.stringify(view);
      if (text === this.shown) return;
      this.shown = text;
      for (const handler of this.handlers) handler();
    });
  }

  private background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.options.log.error("postgresql", `${what}: ${errorText(error)}`));
  }
}

const FAILURES: { readonly [kind in LongAction]?: PostgresState } = {
  bootstrap: "initdb failed",
  start: "start failed",
  restart: "restart failed",
  stop: "stop failed",
};
