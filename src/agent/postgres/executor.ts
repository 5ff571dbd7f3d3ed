/**
 * Drives the real PostgreSQL for one member: carries out the keeper's actions with src/postgres, and shows
 * the known state at any moment, from memory. Only the guard starts, promotes and signals the server.
 */
import type { PostgresAction } from "../../brain/actions.ts";
import type { Upstream } from "../../model/upstream.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import type { ConfigCheck } from "../../model/config_check.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { errorText } from "../../postgres/error_text.ts";
import { DirectoryWatch } from "./directory_watch.ts";
import { OthersServer } from "./others_server.ts";
import { CredentialWatch } from "./credential_watch.ts";
import type { StopHow } from "./action_ledger.ts";
import { PostgresActions } from "./actions.ts";
import { Adoption } from "./adoption.ts";
import { finishBootstrap, sealBootstrap } from "./bootstrap.ts";
import { configChecker } from "./config_check.ts";
import type { PostgresContext } from "./context.ts";
import { PostgresCopy, type Progress } from "./copy.ts";
import { type ContextOptions, openContext } from "./open_context.ts";
import { PostgresJoin } from "./join.ts";
import { KeptConfig } from "./kept_config.ts";
import { PostgresMemory } from "./memory.ts";
import { PostgresMonitor } from "./monitor.ts";
import type { Desired, PostgresPort } from "./port.ts";
import { PostgresRun, type StartHow } from "./run.ts";
import { CANCELLED, type StopProgress } from "./stop.ts";
import type { Ends } from "../../model/hook_exit.ts";
import type { LocalServer } from "../../postgres/local_server.ts";
import { RoleCalls } from "./role_calls.ts";
import { restartStep } from "../loop/stop_note.ts";
import { type ServerEnd, ServerWatch } from "./server_watch.ts";
import { PostgresSlots } from "./slots.ts";
import { PostgresSync } from "./sync_setting.ts";
import { PostgresUpkeep } from "./upkeep.ts";
import { WorkQueue } from "../../lib/work_queue.ts";
import { WriteProof } from "./write_proof.ts";

export type PostgresExecutorOptions = Omit<ContextOptions, "memory" | "changed">;

const SURVEY_EVERY_MS = 10_000;
const UPKEEP_EVERY_MS = 15_000;

export class PostgresExecutor implements PostgresPort {
  readonly #context: PostgresContext;
  readonly #memory = new PostgresMemory();
  readonly #monitor: PostgresMonitor;
  readonly #running: PostgresRun;
  readonly #joining: PostgresJoin;
  readonly #copying: PostgresCopy;
  readonly #upkeep: PostgresUpkeep;
  readonly #handlers: (() => void)[] = [];
  readonly #actions: PostgresActions;
  readonly #slots: PostgresSlots;
  readonly #writes: WriteProof;
  readonly #sync: PostgresSync;
  readonly #kept: KeptConfig;
  readonly #adoption: Adoption;
  readonly #configuring = new WorkQueue();
  /** Says what this member finds in a configuration; changes nothing. */
  readonly check: (configuration: DynamicConfig) => Promise<ConfigCheck>;
  readonly #directoryWatch: DirectoryWatch;
  readonly #othersServer: OthersServer;
  #shown: string | null = null;
  #announcing = false;
  readonly #watch: ServerWatch;
  readonly #calls: RoleCalls;
  #upkeepDueMs = 0;
  readonly #credentials: CredentialWatch;
  readonly #options: PostgresExecutorOptions;
  /** @throws ProgramsError when PostgreSQL is not installed where the configuration says. */
  constructor(options: PostgresExecutorOptions) {
    this.#options = options;
    const { guard, clock, log } = options;
    this.#context = openContext({ ...options, memory: this.#memory, changed: () => this.#announce() });
    const { postgresql: { dataDir }, programs } = this.#context.parts;
    this.#credentials = new CredentialWatch(this.#context);
    const settle = () => this.#sync.settleIfOwed();
    this.#monitor = new PostgresMonitor(this.#context, { tick: () => this.#onTick(), seen: settle });
    this.#slots = new PostgresSlots(
      this.#context,
      this.#monitor,
      () => this.#background("settings for logical slots", this.#upkeep.syncedSlotsChanged()),
    );
    this.#writes = new WriteProof(this.#context);
    this.#running = new PostgresRun(this.#context, this.#monitor, this.#slots.copies);
    this.#joining = new PostgresJoin(this.#context, this.#running);
    this.#copying = new PostgresCopy(this.#context);
    this.#upkeep = new PostgresUpkeep(this.#context, this.#monitor);
    this.#sync = new PostgresSync(this.#context, this.#upkeep);
    this.#adoption = new Adoption(this.#context, this.#monitor, this.#upkeep, {
      configure: () => this.#configuring.take(() => this.#upkeep.configure(this.#context.dynamic)),
      takenOver: () => this.#takenOver(),
    });
    this.#actions = new PostgresActions(this.#context.parts);
    this.check = configChecker(this.#context);
    this.#kept = new KeptConfig(this.#context, () => this.#actions.changesDirectory);
    this.#watch = new ServerWatch(this.#memory, () => clock.now(), {
      ended: (end) => this.#ended(end),
      appeared: (server) => this.#background("adopt", this.#adoption.appeared(server)),
      declared: (server) => this.#background("adopt", this.#adoption.declared(server)),
    });
    this.#calls = new RoleCalls({
      callbacks: this.#context.parts.callbacks,
      name: options.config.name,
      guard: () => guard.view(),
      known: () => this.#watch.known,
      timeline: () => this.#memory.server?.status?.timeline ?? this.#memory.found.control?.timeline ?? null,
      following: () => this.#memory.following,
    });
    this.#directoryWatch = new DirectoryWatch(dataDir, this.#monitor);
    this.#othersServer = new OthersServer(dataDir, guard);
    log.info("postgresql_found", `PostgreSQL ${programs.versionText} in ${programs.directory}`);
    guard.onChange(() => this.#onGuard());
    this.#background("survey", this.#context.survey());
    this.#onGuard();
  }

  get server(): LocalServer {
    return this.#context.parts.server;
  }

  view(): PostgresView {
    return this.#memory.view(this.#options.guard.view(), this.#context.dynamic.pause);
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler);
  }

  released(): void {
    this.#calls.released();
  }

  /** How the user's commands, and rewinds, ended. */
  ends(): Ends {
    return { hooks: this.#context.parts.hooks.exits(), rewinds: { ...this.#memory.rewinds } };
  }

  refresh(): void {
    this.#background("refresh", this.#monitor.refresh());
  }

  desire({ configuration, recorded, slots, upstream, sync }: Partial<Desired>): void {
    if (configuration !== undefined) this.#background("configure", this.#configure(configuration));
    if (recorded !== undefined) this.#kept.want(recorded);
    if (slots !== undefined) this.#slots.ensure(slots);
    if (sync !== undefined) this.#sync.want(sync);
    if (upstream !== undefined) this.#background("follow", this.#follow(upstream));
  }

  async #follow(upstream: Upstream | null): Promise<void> {
    await this.#upkeep.follow(upstream);
    if (this.#calls.followed()) await this.#upkeep.roleChanged();
  }

  #configure(configuration: DynamicConfig): Promise<void> {
    return this.#configuring.take(async () => {
      if (await this.#upkeep.configure(configuration)) this.#calls.reloaded();
    });
  }

  /** The local file was read again; the configuration that is desired next puts right what follows. */
  reload(config: LocalConfig): void {
    this.#context.parts.config.replaceLocal(config);
    this.#monitor.renew();
    this.#credentials.soon();
  }

  cancelLongAction(why: string, sourceFails: boolean): void {
    this.#actions.cancel(["clone", "rewind"], why, sourceFails);
  }

  run(action: PostgresAction): void {
    switch (action.kind) {
      case "bootstrap":
        return this.#actions.begin("bootstrap", "initdb", (signal) => this.#joining.bootstrap(signal));
      case "finish-bootstrap":
        return this.#actions.begin(
          "finish-bootstrap",
          "",
          (signal) => finishBootstrap(this.#context, signal),
        );
      case "seal-bootstrap":
        return this.#actions.beginQuiet("seal-bootstrap", () => this.#sealBootstrap());
      case "clone":
      case "restore":
        return this.#actions.beginCopy(action, this.#copying);
      case "start-primary":
        return this.#actions.begin("start", "primary", (signal) => this.#start(action, signal));
      case "start-standby":
        return this.#actions.begin("start", "standby", (signal) => this.#start(action, signal));
      case "promote":
        return this.#actions.begin(
          "promote",
          `epoch ${action.epoch}`,
          (signal) => this.#promote(action.epoch, signal),
        );
      case "restart":
        return this.#actions.begin(
          "restart",
          "",
          (signal, progress) => this.#restart(signal, (step, why) => progress(restartStep(step, why))),
        );
      case "rewind":
        return this.#actions.begin(
          "rewind",
          `from ${action.from.name}`,
          (signal, progress) => this.#rewind(action.from, signal, progress),
        );
      case "stop":
        return this.#actions.beginStop(
          action.how,
          (signal, cancelled) => this.#stop(action.how, action.checkpoint, signal, cancelled),
        );
      case "checkpoint":
        return this.#background("checkpoint", this.#running.ending.checkpoint(new AbortController().signal));
      case "set-aside":
        return this.#actions.beginQuiet("set-aside", () => this.#joining.setAside(action));
      case "joined-history":
        return this.#actions.beginQuiet("joined-history", () => this.#joining.joined(action.founding));
      case "compare-history":
        return this.#actions.beginQuiet("compare-history", async () => {
          await this.#joining.comparison.compare(action.with, action.token, action.content === true);
          return null;
        });
    }
  }

  // ---- actions -------------------------------------------------------------------------------------------

  async #start(how: Partial<StartHow>, signal: AbortSignal): Promise<string | null> {
    this.#watch.expectNoEnd();
    const failed = await this.#running.start({ epoch: null, follow: null, ...how }, signal);
    if (failed === null) this.#started("on_start");
    return failed;
  }

  async #stop(
    how: StopHow,
    checkpoint: boolean,
    signal: AbortSignal,
    cancelled: () => Promise<unknown>,
  ): Promise<string | null> {
    this.#watch.askEnd();
    // A start that was under way must not come to life after the stop; a kill does not wait for that.
    if (how === "kill") await this.#running.ending.stop(how, false, signal);
    await cancelled();
    if (signal.aborted) return CANCELLED;
    this.#watch.askEnd();
    const failed = await this.#running.ending.stop(how, checkpoint, signal);
    if (failed === null) await this.#settled();
    else if (!signal.aborted) this.#watch.expectNoEnd();
    return failed;
  }

  async #restart(signal: AbortSignal, step: StopProgress): Promise<string | null> {
    this.#watch.askEnd();
    const failed = await this.#running.restart(signal, step);
    if (failed === null) this.#started("on_restart");
    return failed;
  }

  #started(event: "on_start" | "on_restart"): void {
    this.#watch.expectNoEnd();
    const bootstrapping = this.#memory.found.directory.kind === "half-written";
    if (!bootstrapping) this.#calls.started(event);
    this.#writes.proveIfOwed();
    this.#sync.settleIfOwed();
    this.#background("settings", this.#upkeep.findPendingRestart());
    this.#slots.reconcile();
    this.#background("survey", this.#context.survey());
  }

  async #promote(epoch: number, signal: AbortSignal): Promise<string | null> {
    const failed = await this.#running.promote(epoch, signal, this.#watch);
    if (failed !== null) return failed;
    this.#calls.promoted();
    this.#writes.proveIfOwed();
    this.#sync.settleIfOwed();
    this.#background("settings", this.#upkeep.roleChanged());
    this.#slots.reconcile();
    this.#background("survey", this.#context.survey());
    return null;
  }

  async #sealBootstrap(): Promise<string | null> {
    if (this.#memory.found.directory.kind !== "half-written") return null;
    await sealBootstrap(this.#context);
    if (this.#memory.server !== null) this.#calls.found();
    return null;
  }

  async #rewind(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
    // Servers that it starts for a moment (to end recovery) end because it wants them to.
    this.#watch.askEnd();
    this.#memory.following = null;
    return await this.#joining.rewind(from, signal, progress);
  }

  // ---- what happens --------------------------------------------------------------------------------------

  #onGuard(): void {
    this.#watch.look(this.#options.guard.view(), this.#actions.running !== null);
    this.#announce();
  }

  #ended({ server, asked, report }: ServerEnd): void {
    const options = this.#options;
    this.#monitor.disconnect();
    if (!asked) {
      const how = report === null
        ? ""
        : report.signal !== null
        ? `, ${report.signal}`
        : `, exit code ${report.code}`;
      options.log.error("crashed", `PostgreSQL ended without being asked to (pid ${server.pid}${how})`);
    }
    if ((asked && this.#actions.running === "stop") || report?.fenced === true) this.#calls.stopped(server);
    else this.#calls.ended();
    this.#background("survey", this.#settle());
  }

  /**
   * Reads what the server has left on disk. Another one may have been started since: then there is nothing to
   * settle, either.
   */
  async #settle(): Promise<void> {
    try {
      await this.#context.survey();
    } finally {
      this.#memory.settling = false;
      this.#announce();
    }
  }

  #takenOver(): void {
    if (this.#memory.found.directory.kind === "valid") this.#calls.found();
    this.#slots.reconcile();
  }

  #onTick(): void {
    const { clock } = this.#options;
    this.#slots.tick();
    this.#kept.catchUp();
    this.#running.checkpointIfOwed();
    this.#writes.proveIfOwed();
    this.#background("credentials", this.#credentials.look());
    this.#lookAtDirectory();
    if (this.#actions.running === null) this.#background("lock file", this.#othersServer.look());
    if (clock.now() < this.#upkeepDueMs) return;
    this.#kept.keep();
    this.#upkeepDueMs = clock.now() + (this.#memory.server === null ? SURVEY_EVERY_MS : UPKEEP_EVERY_MS);
    if (this.#memory.server !== null) {
      this.#background("upkeep", this.#upkeep.lookAround());
      if (this.#actions.running === null) this.#background("mend", this.#adoption.mend());
      this.#background("resume", this.#upkeep.resumeAfterParameterChange());
    } else if (this.#actions.running === null) {
      // While nothing runs, an operator may put something else into the directory.
      this.#background("survey", this.#context.survey());
    }
  }

  #lookAtDirectory(): void {
    const { postmaster } = this.#options.guard.view();
    const { server, action } = this.#memory;
    // A starting server is not in its directory yet, and an ending one removes its lock file.
    const settled = server?.ready === true && server.shutdown === null && action === null;
    if (postmaster?.phase === "running" && settled && server.pid === postmaster.pid) {
      this.#background("data directory", this.#directoryWatch.look(postmaster.pid));
    }
  }

  /** Resolves when the end of the server has been noted. */
  async #settled(): Promise<void> {
    this.#onGuard();
    while (this.#memory.settling) await this.#context.survey();
  }

  /** Tells the listeners, once for all that changed in one go, and only when something is new. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      const { lastLookMs, ...view } = this.view();
      // A standby that flushes nothing, look after look, is news.
      const isAwaiting = view.inRecovery === false && view.sync.setting.count > 0;
      const text = JSON.stringify(isAwaiting ? { ...view, lastLookMs } : view);
      if (text === this.#shown) return;
      this.#shown = text;
      for (const handler of this.#handlers) handler();
    });
  }

  #background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.log.error("postgresql", `${what}: ${errorText(error)}`));
  }
}
