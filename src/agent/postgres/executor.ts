/**
 * Drives the real PostgreSQL for one member: carries out the keeper's actions with src/postgres, and shows
 * at any moment, from memory, what is known. The guard starts, promotes and signals the server; nothing here
 * does.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { PostgresAction, Upstream } from "../../brain/actions.ts";
import { type GuardPort, isPrimary, type Postmaster } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { type CallbackEvent, type CallbackRole, Callbacks } from "../../postgres/callbacks.ts";
import { ConfigFiles } from "../../postgres/config_files.ts";
import { ConfigInForce } from "../../postgres/config_in_force.ts";
import { join } from "../../postgres/disk.ts";
import { errorText } from "../../postgres/error_text.ts";
import { LocalServer } from "../../postgres/local_server.ts";
import { PgpassFile } from "../../postgres/pgpass.ts";
import { findPrograms } from "../../postgres/programs.ts";
import { UnfinishedMarker } from "../../postgres/unfinished.ts";
import { findWalEnd } from "../../postgres/wal_end.ts";
import { DirectoryWatch } from "./directory_watch.ts";
import { CredentialWatch } from "./credential_watch.ts";
import type { StopHow } from "./action_ledger.ts";
import { PostgresActions } from "./actions.ts";
import { finishBootstrap, sealBootstrap } from "./bootstrap.ts";
import { PostgresContext } from "./context.ts";
import { PostgresJoin, type Progress } from "./join.ts";
import { PostgresMemory } from "./memory.ts";
import { PostgresMonitor } from "./monitor.ts";
import type { Desired, PostgresPort } from "./port.ts";
import { PostgresRun } from "./run.ts";
import { CANCELLED, type StopProgress } from "./stop.ts";
import { restartStep } from "../loop/stop_note.ts";
import { type ServerEnd, ServerWatch } from "./server_watch.ts";
import { PostgresSlots } from "./slots.ts";
import { PostgresUpkeep } from "./upkeep.ts";
import { WorkQueue } from "./wait.ts";

export interface PostgresExecutorOptions {
  readonly config: LocalConfig;
  readonly dynamic: DynamicConfig;
  readonly guard: GuardPort;
  readonly clock: Clock;
  readonly log: Log;
}

const SURVEY_EVERY_MS = 10_000;
const UPKEEP_EVERY_MS = 15_000;

export class PostgresExecutor implements PostgresPort {
  readonly #context: PostgresContext;
  readonly #memory = new PostgresMemory();
  readonly #monitor: PostgresMonitor;
  readonly #running: PostgresRun;
  readonly #joining: PostgresJoin;
  readonly #upkeep: PostgresUpkeep;
  readonly #handlers: (() => void)[] = [];
  readonly #actions: PostgresActions;
  readonly #slots: PostgresSlots;
  readonly #configuring = new WorkQueue();
  readonly #directoryWatch: DirectoryWatch;
  #shown: string | null = null;
  #announcing = false;
  readonly #watch: ServerWatch;
  #callbackRole: CallbackRole | null = null;
  #upkeepDueMs = 0;
  readonly #credentials: CredentialWatch;
  readonly #options: PostgresExecutorOptions;

  /** @throws ProgramsError when PostgreSQL is not installed where the configuration says. */
  constructor(options: PostgresExecutorOptions) {
    this.#options = options;
    const { dynamic, guard, clock, log } = options;
    const config = new ConfigInForce(options.config);
    config.replaceCluster(dynamic.postgresql.section);
    const { postgresql, local } = config;
    const programs = findPrograms(postgresql);
    const ownDir = join(local.raft.dataDir, "run");
    const warn = (text: string) => log.warning("postgresql", text);
    const info = (text: string) => log.info("postgresql", text);
    this.#context = new PostgresContext({
      get local() {
        return config.local;
      },
      get postgresql() {
        return config.postgresql;
      },
      config,
      programs,
      files: new ConfigFiles({ config, programs, warn }),
      server: new LocalServer({
        config,
        socketDirectories: () => this.#context.dynamic.postgresql.parameters.unix_socket_directories ?? null,
        now: () => clock.now(),
        info,
      }),
      guard,
      clock,
      log,
      marker: new UnfinishedMarker(postgresql.dataDir, ownDir),
      pgpass: new PgpassFile(
        postgresql.pgpass,
        () => [config.postgresql.replication, config.postgresql.rewind],
      ),
      callbacks: new Callbacks({ commands: () => config.postgresql.callbacks, scope: local.scope, log }),
      ownDir,
      memory: this.#memory,
      changed: () => this.#announce(),
    }, dynamic);
    this.#credentials = new CredentialWatch(this.#context);
    this.#monitor = new PostgresMonitor(this.#context, () => this.#onTick());
    this.#running = new PostgresRun(this.#context, this.#monitor);
    this.#joining = new PostgresJoin(this.#context, this.#running);
    this.#slots = new PostgresSlots(this.#context);
    this.#upkeep = new PostgresUpkeep(this.#context, this.#monitor, this.#slots);
    this.#actions = new PostgresActions(this.#context.parts);
    this.#watch = new ServerWatch(this.#memory, () => clock.now(), {
      ended: (end) => this.#ended(end),
      appeared: (server) => this.#background("adopt", this.#adopt(server)),
    });
    this.#directoryWatch = new DirectoryWatch(postgresql.dataDir, this.#monitor);
    log.info("postgresql_found", `PostgreSQL ${programs.versionText} in ${programs.directory}`);
    guard.onChange(() => this.#onGuard());
    this.#background("survey", this.#context.survey());
    this.#onGuard();
  }

  view(): PostgresView {
    return this.#memory.view(this.#options.guard.view(), this.#context.dynamic.pause);
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler);
  }

  refresh(): void {
    this.#background("refresh", this.#monitor.refresh());
  }

  desire({ configuration, slots, upstream }: Partial<Desired>): void {
    if (configuration !== undefined) this.#background("configure", this.#configure(configuration));
    if (slots !== undefined) this.#slots.ensure(slots);
    if (upstream !== undefined) this.#background("follow", this.#upkeep.follow(upstream));
  }

  #configure(configuration: DynamicConfig): Promise<void> {
    return this.#configuring.take(async () => {
      if (await this.#upkeep.configure(configuration)) this.#call("on_reload", this.#role());
    });
  }

  /**
   * The local file was read again; what follows from it is put right by the configuration that is desired
   * after this.
   */
  reload(config: LocalConfig): void {
    this.#context.parts.config.replaceLocal(config);
    this.#monitor.renew();
    this.#credentials.soon();
  }

  cancelLongAction(why: string): void {
    this.#actions.cancel(["clone", "rewind"], why);
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
        return this.#actions.begin(
          "clone",
          `from ${action.from.name}`,
          (signal, progress) => this.#joining.clone(action.from, signal, progress),
        );
      case "start-primary":
        return this.#actions.begin("start", "primary", (signal) => this.#start(action.epoch, null, signal));
      case "start-standby":
        return this.#actions.begin("start", "standby", (signal) => this.#start(null, action.follow, signal));
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
        return this.#actions.beginQuiet(
          "set-aside",
          () => this.#joining.setAside(action.why, action.onRequest ?? false),
        );
      case "joined-history":
        return this.#actions.beginQuiet("joined-history", async () => {
          this.#context.parts.files.unmarkFormerPrimary();
          await this.#context.survey();
          return null;
        });
      case "compare-history":
        return this.#actions.beginQuiet("compare-history", async () => {
          await this.#joining.compareHistory(action.with);
          return null;
        });
    }
  }

  // ---- actions -------------------------------------------------------------------------------------------

  async #start(
    epoch: number | null,
    follow: Upstream | null,
    signal: AbortSignal,
  ): Promise<string | null> {
    this.#watch.expectNoEnd();
    if (epoch === null) this.#slots.becameStandby();
    const failed = await this.#running.start(epoch, follow, signal);
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
    const role = this.#role();
    const bootstrapping = this.#memory.found.directory.kind === "half-written";
    if (!bootstrapping) {
      const before = this.#callbackRole;
      this.#call(before !== null && before !== role ? "on_role_change" : event, role);
    }
    this.#background("settings", this.#upkeep.findPendingRestart());
    this.#slots.reconcile();
    this.#background("survey", this.#context.survey());
  }

  async #promote(epoch: number, signal: AbortSignal): Promise<string | null> {
    const failed = await this.#running.promote(epoch, signal);
    if (failed !== null) return failed;
    this.#call("on_role_change", "primary");
    this.#slots.reconcile();
    this.#background("survey", this.#context.survey());
    return null;
  }

  async #sealBootstrap(): Promise<string | null> {
    if (this.#memory.found.directory.kind !== "half-written") return null;
    await sealBootstrap(this.#context);
    if (this.#memory.server !== null) this.#call("on_start", this.#role());
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
    if (this.#callbackRole !== null && this.#watch.endAsked && this.#actions.running === "stop") {
      this.#call("on_stop", isPrimary(server) ? "primary" : "replica");
    }
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

  /** A server that runs already: known by what it and its files say, and left as it is. */
  async #adopt(server: Postmaster): Promise<void> {
    const memory = this.#memory;
    const context = this.#context;
    this.#options.log.info(
      "adopted",
      `PostgreSQL runs already (pid ${server.pid}): taking over its supervision`,
    );
    if (!server.writable) memory.following = context.parts.files.following();
    await context.survey();
    await this.#monitor.refresh();
    const { control } = memory.found;
    if (control !== null && !server.writable) {
      memory.raiseFloor(
        server.pid,
        await findWalEnd(context.parts.programs, context.dataDir, control, 10_000),
      );
      await this.#monitor.refresh();
    }
    if (memory.server?.pid !== server.pid) return;
    if (memory.found.directory.kind === "valid") this.#call("on_start", this.#role());
    await this.#upkeep.findPendingRestart();
  }

  #onTick(): void {
    const { clock } = this.#options;
    this.#slots.tick();
    this.#running.checkpointIfOwed();
    this.#background("credentials", this.#credentials.look());
    this.#lookAtDirectory();
    if (clock.now() < this.#upkeepDueMs) return;
    this.#upkeepDueMs = clock.now() + (this.#memory.server === null ? SURVEY_EVERY_MS : UPKEEP_EVERY_MS);
    if (this.#memory.server !== null) {
      if (this.#actions.running === null) this.#background("mend", this.#upkeep.mend());
      this.#background("resume", this.#upkeep.resumeAfterParameterChange());
    } else if (this.#actions.running === null) {
      // While nothing runs, an operator may put something else into the directory.
      this.#background("survey", this.#context.survey());
    }
  }

  #lookAtDirectory(): void {
    const { postmaster } = this.#options.guard.view();
    const { server, action } = this.#memory;
    // One that starts is not in its directory yet, and one that ends takes its lock file away.
    const settled = server?.ready === true && server.shutdown === null && action === null;
    if (postmaster?.phase === "running" && settled && server.pid === postmaster.pid) {
      this.#background("data directory", this.#directoryWatch.look(postmaster.pid));
    }
  }

  /** Resolves when the end of the server has been taken note of. */
  async #settled(): Promise<void> {
    this.#onGuard();
    while (this.#memory.settling) await this.#context.survey();
  }

  #role(): CallbackRole {
    const server = this.#options.guard.view().postmaster ?? this.#watch.known;
    return server !== null && isPrimary(server) ? "primary" : "replica";
  }

  #call(event: CallbackEvent, role: CallbackRole): void {
    const memory = this.#memory;
    const timeline = memory.server?.status?.timeline ?? memory.found.control?.timeline ?? null;
    const leader = role === "primary" ? this.#options.config.name : memory.following?.name ?? null;
    this.#context.parts.callbacks.call(event, role, { oldRole: this.#callbackRole, timeline, leader });
    this.#callbackRole = role;
  }

  /** Tells the listeners, once for all that changed in one go, and only when something is new. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    queueMicrotask(() => {
      this.#announcing = false;
      const { lastLookMs: _look, ...view } = this.view();
      const text = JSON.stringify(view);
      if (text === this.#shown) return;
      this.#shown = text;
      for (const handler of this.#handlers) handler();
    });
  }

  #background(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#options.log.error("postgresql", `${what}: ${errorText(error)}`));
  }
}
