/**
 * PostgreSQL as one life of the agent drives it (PostgresPort), over a model server and the guard of the
 * host. The knowledge between looks, and the view made of it, is production's (PostgresMemory); this file
 * models the programs and queries. Long actions take their time, can fail, and leave a half-written directory
 * when the agent dies.
 */
import type { Clock } from "../../raft/mod.ts";
import type { Prng, SimProcess } from "../../raft/sim/mod.ts";
import { ActionLedger, type Begun } from "../agent/postgres/action_ledger.ts";
import { PostgresMemory } from "../agent/postgres/memory.ts";
import type { Desired, PostgresPort } from "../agent/postgres/port.ts";
import { ServerWatch } from "../agent/postgres/server_watch.ts";
import type { PostgresAction } from "../brain/actions.ts";
import type { Upstream } from "../model/upstream.ts";
import { PRE_PROMOTE } from "../brain/promotion.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import type { GuardPort, GuardReply } from "../guard/port.ts";
import type { Postmaster } from "../model/guard_view.ts";
import { isSameSetting } from "../sync/setting.ts";
import type { DynamicConfig } from "../model/config.ts";
import type { LongAction, PostgresView } from "../model/postgres_view.ts";
import {
  type Comparing,
  type Copying,
  copyStatus,
  divergenceFrom,
  isRestored,
  servesCopy,
} from "./model_copy.ts";
import type { ModelServer } from "./model_server.ts";
import { ModelRepointing } from "./model_repointing.ts";
import { ModelSurvey } from "./model_survey.ts";
import { upstreamNamed } from "./remote.ts";
import { look } from "./model_look.ts";
import { startSpec } from "./server_facts.ts";
import { stepInPlace } from "../brain/shutdown.ts";

const LOOK_MS = 500;
const POLL_MS = 20;
const CONTROL_LOOK_MS = 200;

export interface ModelPostgresOptions {
  readonly agent: SimProcess;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly server: ModelServer;
  readonly guard: GuardPort;
  readonly serverOf: (member: string) => ModelServer | null;
  readonly reachable: (a: string, b: string) => boolean;
  readonly dynamic: DynamicConfig;
  readonly broken: BrokenRules;
}

export class ModelPostgres implements PostgresPort {
  readonly #random: Prng;
  readonly #incarnation: number;
  readonly #memory = new PostgresMemory();
  readonly #handlers: (() => void)[] = [];
  readonly #ledger: ActionLedger;
  readonly #watch: ServerWatch;
  readonly #disk: ModelSurvey;
  /** The action under way; results of an earlier one are not heard. */
  #begun: Begun | null = null;
  #dynamic: DynamicConfig;
  #lookAsked = false;
  readonly #repointing: ModelRepointing;
  #announcing = false;
  #shown = "";
  readonly #options: ModelPostgresOptions;

  constructor(options: ModelPostgresOptions) {
    this.#options = options;
    this.#dynamic = options.dynamic;
    const { agent, guard, clock } = options;
    const nowMs = () => clock.now();
    this.#disk = new ModelSurvey(options, this.#memory);
    this.#ledger = new ActionLedger(this.#memory, nowMs);
    this.#watch = new ServerWatch(this.#memory, nowMs, {
      ended: () => this.#survey(),
      appeared: (server) => this.#adopt(server),
      declared: () => this.#survey(),
    });
    this.#incarnation = agent.incarnation;
    this.#memory.sync = options.server.directory.syncSetting;
    this.#random = agent.world.random.split(`postgres port ${agent.name} ${agent.incarnation}`);
    const later = (delayMs: number, run: () => void) => this.#later(delayMs, run);
    const changed = () => this.#announce();
    const [memory, random] = [this.#memory, this.#random];
    this.#repointing = new ModelRepointing({ agent, server: options.server, memory, random, later, changed });
    guard.onChange(() => this.#onGuard());
    this.#survey();
    this.#onGuard();
    this.#poll();
  }

  view(): PostgresView {
    return this.#memory.view(this.#options.guard.view(), this.#dynamic.pause);
  }

  onChange = (handler: () => void): void => void this.#handlers.push(handler);

  refresh(): void {
    if (this.#lookAsked) return;
    this.#lookAsked = true;
    this.#later(this.#random.between(0.5, 4), () => {
      this.#lookAsked = false;
      this.#lookNow();
    });
  }

  /** The model keeps no slots: a standby finds the WAL that it needs on its primary. */
  desire({ configuration, upstream, sync }: Partial<Desired>): void {
    if (configuration !== undefined) this.#dynamic = configuration;
    if (sync !== undefined && !isSameSetting(sync, this.#memory.sync)) {
      this.#memory.sync = sync;
      this.refresh();
    }
    if (upstream !== undefined) this.#repointing.follow(upstream);
  }

  cancelLongAction(why: string, sourceFails: boolean): void {
    const { running } = this.#ledger;
    if (running === "clone" || running === "rewind") this.#finish(running, why, !sourceFails);
  }

  run(action: PostgresAction): void {
    const { server } = this.#options;
    switch (action.kind) {
      case "bootstrap":
        return this.#bootstrap();
      case "finish-bootstrap":
        return this.#begin("finish-bootstrap", "", () =>
          this.#step(this.#random.between(50, 400), () => {
            this.#finish("finish-bootstrap", server.answers && !server.inRecovery ? null : "no answer");
          }));
      case "seal-bootstrap":
        server.directory.finishBootstrap();
        return this.#survey();
      case "clone":
        return this.#copy(action, this.#random.between(500, 3000));
      case "rewind":
        return this.#copy(action, this.#random.between(200, 1500));
      case "start-primary":
        return this.#begin("start", "primary", () => this.#start("start", action.epoch, null));
      case "start-standby":
        return this.#begin("start", "standby", () => this.#start("start", null, action.follow));
      case "promote":
        if (server.hangsAt !== "hook") return this.#promote(action.epoch);
        return this.#begin("promote", "", () => {
          this.#step(300, () => this.#finish("promote", `${PRE_PROMOTE}: refused`));
        });
      case "stop":
        return this.#stop(action.how, action.checkpoint);
      case "restart":
        return this.#restart();
      case "checkpoint":
        return;
      case "set-aside":
        server.setAside();
        this.#memory.divergence = null;
        return this.#survey();
      case "joined-history":
        server.directory.joined(action.founding);
        return this.#survey();
      case "compare-history":
        return this.#compare(action);
    }
  }

  // ---- actions -------------------------------------------------------------------------------------------

  #bootstrap(): void {
    const { server, agent } = this.#options;
    this.#begin("bootstrap", "initdb", () => {
      server.directory.setHalfWritten("bootstrap", this.#options.incarnation);
      this.#step(this.#random.between(300, 1500), () => {
        server.directory.make(isRestored(agent));
        this.#disk.read();
        this.#finish("bootstrap", null);
      });
    });
  }

  #copy(action: Copying, tookMs: number): void {
    const { server, serverOf, reachable } = this.#options;
    const { kind, from } = action;
    this.#enter(this.#ledger.begin(kind, `from ${from.name}`, copyStatus(action)), () => {
      if (server.anyProcess) return this.#finish(kind, "PostgreSQL runs");
      const source = serverOf(from.name);
      const able = servesCopy(action, server, source, () => reachable(server.name, from.name));
      if (!able()) return this.#finish(kind, `${from.name} does not answer`);
      server.directory.setHalfWritten(kind);
      this.#disk.read();
      const fails = this.#random.chance(0.05);
      const part = (left: number) => {
        if (!able() || (fails && left === 2)) return this.#finish(kind, "the connection was lost");
        if (left > 0) return this.#step(tookMs * source!.copySlowdown / 10, () => part(left - 1));
        server.directory.copyFrom(source!.directory, kind === "rewind" ? this.#random.below(2000) : 0);
        this.#memory.divergence = null;
        this.#disk.read();
        this.#finish(kind, null);
      };
      part(10);
    });
  }

  /** `data`: what was decided about. */
  #start(kind: LongAction, epoch: number | null, follow: Upstream | null, data = this.#disk.dataId): void {
    const [{ server, guard }, memory] = [this.#options, this.#memory];
    if (this.#disk.isReplaced(data)) return this.#finish(kind, "another data directory was put in its place");
    server.directory.configureRecovery(epoch === null, follow?.name ?? null);
    server.directory.syncSetting = this.#memory.sync;
    this.#disk.read();
    memory.following = epoch === null ? follow : null;
    this.#watch.expectNoEnd();
    memory.failure = null;
    guard.start(
      startSpec(epoch),
      this.#heard((reply) => {
        if (!reply.ok) return this.#finish(kind, reply.error);
        const { pid } = server;
        this.#until(() => guard.view().postmaster?.pid !== pid || this.#isReady(), () => {
          const ready = this.#isReady();
          if (ready) memory.crashedAtMs = null;
          this.#finish(kind, ready ? null : "it ended while it was starting");
        });
      }),
    );
  }

  #isReady(): boolean {
    const { server } = this.#memory;
    return server !== null && server.ready && server.pid === this.#options.guard.view().postmaster?.pid;
  }

  #promote(epoch: number): void {
    const memory = this.#memory;
    const { server, guard, clock } = this.#options;
    this.#begin("promote", `epoch ${epoch}`, () =>
      guard.promote(
        epoch,
        this.#heard((reply) => {
          if (!reply.ok) return this.#finish("promote", reply.error);
          memory.moved("promote", clock.now());
          const promoted = () => server.answers && !server.inRecovery;
          this.#until(() => {
            if (server.hangsAt !== "promotion") memory.moved("promote", clock.now());
            return promoted() || guard.view().postmaster === null;
          }, () => {
            if (promoted()) memory.following = null;
            this.#lookNow();
            this.#finish("promote", promoted() ? null : "it ended before it was promoted");
          });
        }),
      ));
  }

  /** A stop goes before any running action. */
  #stop(how: "fast" | "immediate" | "kill", checkpoint: boolean): void {
    const { server } = this.#options;
    this.#enter(this.#ledger.beginStop(how), () => {
      this.#watch.askEnd();
      const finish = (failed: string | null) => this.#finish("stop", failed);
      if (how !== "fast" || !checkpoint || !server.answers) return this.#end(how, finish);
      this.#step(this.#random.between(20, 500), () => this.#end(how, finish));
    });
  }

  /** Tells the guard to end the server, and waits until nothing is left of it. */
  #end(how: "fast" | "immediate" | "kill", done: (failed: string | null) => void): void {
    const { guard } = this.#options;
    const memory = this.#memory;
    const view = guard.view();
    if (view.postmaster === null && !view.anyProcess) return done(null);
    const stage = view.postmaster?.closed ? "closed" : "ending";
    if (memory.server?.shutdown?.stage !== "checkpoint") memory.shutdownAt(stage, this.#options.clock.now());
    this.#announce();
    const replied = this.#heard((reply: GuardReply) => {
      const { postmaster } = guard.view();
      if (!reply.ok && postmaster !== null && postmaster.phase !== "ending") {
        if (memory.server !== null) memory.server.shutdown = null;
        return done(reply.error);
      }
      const gone = () => guard.view().postmaster === null && !guard.view().anyProcess;
      this.#until(gone, () => this.#until(() => !memory.settling, () => done(null)));
      this.#followShutdown();
    });
    if (how === "kill" || view.postmaster === null) guard.kill(replied);
    else guard.signal(how, replied);
  }

  /** As PostgresStop: the control file says how far the shutdown of a primary has come. */
  #followShutdown(): void {
    const { guard, server: model, clock, broken } = this.#options;
    const memory = this.#memory;
    const { server } = memory;
    if (server === null) return;
    this.#step(CONTROL_LOOK_MS + this.#random.between(3, 40), () => {
      if (memory.server !== server || model.pid !== server.pid) return;
      const stage = server.shutdown?.stage;
      const primary = server.status?.inRecovery === false;
      if (primary && (stage === "ending" || stage === "checkpoint")) {
        const state = broken.has("shutdown-unproven") ? "shut down" : model.directory.clusterState;
        if (state === "shutting down") memory.shutdownAt("checkpoint", clock.now());
        if (state === "shut down") {
          guard.pastCheckpoint(
            server.pid,
            this.#dynamic.postgresql.pgCtlTimeoutS * 1000,
            this.#heard((reply) => {
              if (!reply.ok || memory.server !== server) return;
              this.#disk.read();
              memory.shutdownAt("closed", clock.now());
              this.#announce();
            }),
          );
        }
        this.#announce();
      }
      this.#followShutdown();
    });
  }

  /** As PostgresStop: no member takes over from a restart, so its steps are ended by time alone. */
  #endInPlace(done: (failed: string | null) => void): void {
    const { guard, clock } = this.#options;
    let how: "fast" | "immediate" | "kill" = "fast";
    let sinceMs = clock.now();
    let over = false;
    const watch = () => {
      const shutdown = this.#memory.server?.shutdown ?? null;
      if (over) return;
      if (shutdown !== null && how !== "kill") {
        const { primaryStopTimeoutS, postgresql: { pgCtlTimeoutS } } = this.#dynamic;
        const primary = this.#memory.server?.status?.inRecovery === false;
        const limits = { primary, primaryStopTimeoutS, pgCtlTimeoutS };
        const step = stepInPlace(shutdown, how, sinceMs, clock.now(), limits);
        if (step !== null) {
          [how, sinceMs] = [step.how, clock.now()];
          if (how === "immediate") guard.signal("immediate", () => {});
          else guard.kill(() => {});
        }
      }
      this.#step(CONTROL_LOOK_MS, watch);
    };
    watch();
    this.#end("fast", (failed) => {
      over = true;
      done(failed);
    });
  }

  #restart(): void {
    const { postmaster } = this.#options.guard.view();
    const { following } = this.#memory;
    this.#begin("restart", "", () => {
      if (postmaster === null) return this.#finish("restart", "PostgreSQL does not run");
      this.#watch.askEnd();
      const { writable, epoch } = postmaster;
      const data = this.#disk.dataId;
      this.#endInPlace((failed) => {
        if (failed !== null) return this.#finish("restart", failed);
        this.#start("restart", writable ? epoch : null, writable ? null : following, data);
      });
    });
  }

  #compare(action: Comparing): void {
    const [{ server, serverOf, reachable, clock }, { name }] = [this.#options, action.with];
    this.#later(this.#random.between(10, 150), () => {
      const isReachable = () => reachable(server.name, name);
      this.#memory.divergence = divergenceFrom(action, server, serverOf(name), isReachable, clock.now());
      this.#announce();
    });
  }

  #begin(kind: LongAction, detail: string, work: () => void): void {
    this.#enter(this.#ledger.begin(kind, detail), work);
  }

  #enter(begun: Begun | null, work: () => void): void {
    if (begun === null) return;
    this.#begun = begun;
    this.#announce();
    work();
  }

  #finish(kind: LongAction, failed: string | null, cancelled = false): void {
    if (this.#begun?.kind !== kind || !this.#ledger.finish(this.#begun, failed, cancelled)) return;
    const { server, agent } = this.#options;
    agent.world.log.add(server.name, `postgres: ${kind} ${failed === null ? "done" : `failed: ${failed}`}`);
    this.#announce();
  }

  /** Goes on with the running action after a while, unless another has taken its place. */
  #step(delayMs: number, run: () => void): void {
    const begun = this.#begun;
    this.#later(delayMs, () => {
      if (begun !== null && this.#ledger.isCurrent(begun)) run();
    });
  }

  /** An answer that is heard only while the action that asked is the running one. */
  #heard(handle: (reply: GuardReply) => void): (reply: GuardReply) => void {
    const begun = this.#begun;
    return (reply) => {
      if (begun !== null && this.#ledger.isCurrent(begun)) handle(reply);
    };
  }

  #until(holds: () => boolean, then: () => void): void {
    if (holds()) return then();
    this.#lookNow();
    this.#step(POLL_MS, () => this.#until(holds, then));
  }

  #later(delayMs: number, run: () => void): void {
    const { agent } = this.#options;
    agent.world.after(delayMs, () => agent.deliver(this.#incarnation, run));
  }

  // ---- what is seen --------------------------------------------------------------------------------------

  #poll(): void {
    this.#later(LOOK_MS, () => {
      if (this.#ledger.running === null) this.#disk.readWhenDue();
      this.#lookNow();
      this.#poll();
    });
  }

  /** A query, when the server is one that the agent knows of and it answers. */
  #lookNow(): void {
    const { server, guard, clock, broken } = this.#options;
    const memory = this.#memory;
    const { postmaster } = guard.view();
    const ours = postmaster !== null && memory.server?.pid === postmaster.pid &&
      server.pid === postmaster.pid;
    if (ours && postmaster.phase !== "frozen") {
      if (server.answers) {
        if (!look(server, memory, clock.now(), broken)) this.#later(POLL_MS, () => this.refresh());
      } else if (server.process === "stopping" && memory.server !== null) memory.server.ready = false;
    }
    this.#announce();
  }

  #onGuard(): void {
    this.#watch.look(this.#options.guard.view(), this.#ledger.running !== null);
    this.#announce();
  }

  /** Adopts a postmaster that ran before this life of the agent began. */
  #adopt(postmaster: Postmaster): void {
    const { following: name } = this.#options.server.directory;
    if (!postmaster.writable && name !== null) this.#memory.following = upstreamNamed(name);
    this.#survey();
    this.refresh();
  }

  /** Reads the directory and the end of WAL in it, which takes a moment. */
  #survey(): void {
    this.#later(
      this.#random.chance(0.1) ? this.#random.between(50, 500) : this.#random.between(3, 40),
      () => {
        this.#disk.read();
        this.#memory.settling = false;
        this.#announce();
      },
    );
  }

  /** Once for all that changed in one go, and only when something is new. */
  #announce(): void {
    if (this.#announcing) return;
    this.#announcing = true;
    this.#later(0, () => {
      this.#announcing = false;
      const { lastLookMs: _look, ...view } = this.view();
      const text = JSON.stringify(view);
      if (text === this.#shown) return;
      this.#shown = text;
      for (const handler of this.#handlers) handler();
    });
  }
}
