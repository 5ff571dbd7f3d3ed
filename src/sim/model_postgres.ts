/**
 * PostgreSQL as one life of the agent drives it (PostgresPort), over a model server and the guard of the host. What the
 * agent sees is as old as its last look; long actions take their time, can fail, and leave a half-written directory
 * when the agent dies in them.
 */
import type { Clock } from "../../raft/mod.ts";
import type { Prng, SimProcess } from "../../raft/sim/mod.ts";
import type { PostgresPort } from "../agent/postgres_port.ts";
import type { PostgresAction, Upstream } from "../brain/actions.ts";
import type { GuardPort, GuardReply, StartSpec } from "../guard/port.ts";
import type {
  DataDirectory,
  FinishedAction,
  LongAction,
  PostgresView,
  RunningAction,
} from "../model/postgres_view.ts";
import type { ModelServer } from "./model_server.ts";
import type { Branch } from "./wal.ts";

const LOOK_MS = 500;
const PROMOTE_TIMEOUT_MS = 30_000;

export interface ModelPostgresOptions {
  readonly agent: SimProcess;
  readonly clock: Clock;
  readonly server: ModelServer;
  readonly guard: GuardPort;
  readonly serverOf: (member: string) => ModelServer | null;
  readonly reachable: (a: string, b: string) => boolean;
}

export class ModelPostgres implements PostgresPort {
  private readonly random: Prng;
  private readonly incarnation: number;
  private readonly handlers: (() => void)[] = [];
  private readonly last: { [kind in LongAction]?: FinishedAction } = {};
  private action: RunningAction | null = null;
  /** Numbers the actions: what an earlier one still has coming is not heard. */
  private actions = 0;
  private divergence: PostgresView["divergence"] = null;
  private crashedAtMs: number | null = null;
  private stopAsked = false;
  private wasWritable = false;
  private lookAsked = false;
  private lastLookMs: number | null = null;
  private shown: PostgresView;

  constructor(private readonly options: ModelPostgresOptions) {
    const { agent } = options;
    this.incarnation = agent.incarnation;
    this.random = agent.world.random.split(`postgres port ${agent.name} ${agent.incarnation}`);
    this.shown = this.see();
    options.server.onSeen = () => this.look();
    this.poll();
  }

  view(): PostgresView {
    return this.shown;
  }

  onChange(handler: () => void): void {
    this.handlers.push(handler);
  }

  look(): void {
    if (this.lookAsked) return;
    this.lookAsked = true;
    this.later(this.random.between(0.5, 4), () => {
      this.lookAsked = false;
      this.refresh();
    });
  }

  configure(): void {}

  ensureSlots(): void {}

  cancelLongAction(why: string): void {
    if (this.action?.kind === "clone" || this.action?.kind === "rewind") {
      this.finish(this.action.kind, false, why);
    }
  }

  run(action: PostgresAction): void {
    const { server } = this.options;
    switch (action.kind) {
      case "bootstrap":
        return this.bootstrap();
      case "finish-bootstrap":
        return this.begin("finish-bootstrap", "", () =>
          this.step(this.random.between(50, 400), () => {
            const ok = server.answers && !server.inRecovery;
            this.finish("finish-bootstrap", ok, ok ? "" : "the server does not answer");
          }));
      case "seal-bootstrap":
        server.finishBootstrap();
        return this.look();
      case "clone":
        return this.copy("clone", action.from, this.random.between(500, 3000));
      case "rewind":
        return this.copy("rewind", action.from, this.random.between(200, 1500));
      case "start-primary":
        return this.start(action.epoch, null);
      case "start-standby":
        return this.start(null, action.follow);
      case "promote":
        return this.promote(action.epoch);
      case "follow":
        return this.later(this.random.between(1, 20), () => server.follow(action.follow?.name ?? null));
      case "stop":
        return this.stop(action.how, action.checkpoint);
      case "restart":
        return this.restart();
      case "set-aside":
        if (!server.anyProcess) server.setAside();
        this.divergence = null;
        return this.look();
      case "compare-history":
        return this.compare(action.with);
    }
  }

  // ---- actions ---------------------------------------------------------------------------------------------------

  private bootstrap(): void {
    const { server } = this.options;
    this.begin("bootstrap", "initdb", () => {
      server.setHalfWritten("bootstrap");
      this.step(this.random.between(300, 1500), () => {
        server.initdb();
        this.finish("bootstrap", true, "");
      });
    });
  }

  private copy(kind: "clone" | "rewind", from: Upstream, tookMs: number): void {
    const { server, serverOf, reachable } = this.options;
    this.begin(kind, `from ${from.name}`, () => {
      if (server.anyProcess) return this.finish(kind, false, "PostgreSQL runs");
      const source = serverOf(from.name);
      const able = () =>
        source !== null && source.answers && reachable(server.name, source.name) &&
        (kind === "clone" || (!source.inRecovery && source.checkpointAfterPromote));
      if (!able()) return this.finish(kind, false, `${from.name} does not answer`);
      server.setHalfWritten(kind);
      const fails = this.random.chance(0.05);
      const part = (left: number) => {
        if (!able() || (fails && left === 2)) return this.finish(kind, false, "the connection was lost");
        if (left > 0) return this.step(tookMs / 10, () => part(left - 1));
        server.copyFrom(source!);
        this.divergence = null;
        this.finish(kind, true, "");
      };
      part(10);
    });
  }

  private start(epoch: number | null, follow: Upstream | null): void {
    const { server, guard } = this.options;
    this.begin("start", epoch === null ? "standby" : "primary", () => {
      server.configureRecovery(epoch === null, follow?.name ?? null);
      this.stopAsked = false;
      guard.start(
        startSpec(epoch),
        this.heard((reply) => {
          if (!reply.ok) return this.finish("start", false, reply.error);
          this.until(
            () => server.process === "running" || server.process === "none",
            () => {
              const ok = server.process === "running";
              if (ok) this.crashedAtMs = null;
              this.finish("start", ok, ok ? "" : "it ended while starting");
            },
          );
        }),
      );
    });
  }

  private promote(epoch: number): void {
    const { server, guard } = this.options;
    this.begin("promote", `epoch ${epoch}`, () =>
      guard.promote(
        epoch,
        this.heard((reply) => {
          if (!reply.ok) return this.finish("promote", false, reply.error);
          this.until(
            () => !server.inRecovery || server.process !== "running",
            () => {
              const ok = !server.inRecovery && server.process === "running";
              this.finish("promote", ok, ok ? "" : "it ended before it was promoted");
            },
            PROMOTE_TIMEOUT_MS,
          );
        }),
      ));
  }

  private stop(how: "fast" | "immediate" | "kill", checkpoint: boolean): void {
    const { server, guard } = this.options;
    if (this.action?.kind === "stop" && (this.action.detail === how || this.action.detail === "kill")) return;
    // A stop goes before whatever is running.
    this.action = null;
    this.begin("stop", how, () => {
      this.stopAsked = true;
      const gone = () => this.until(() => server.process === "none", () => this.finish("stop", true, ""));
      const replied = this.heard((reply: GuardReply) => {
        if (reply.ok || !server.anyProcess) gone();
        else this.finish("stop", false, reply.error);
      });
      if (how === "kill") guard.kill(replied);
      else if (how === "immediate") guard.signal("immediate", replied);
      else {this.step(checkpoint && server.answers ? this.random.between(20, 500) : 0, () =>
          guard.signal("fast", replied));}
    });
  }

  private restart(): void {
    const { server } = this.options;
    const epoch = server.epoch;
    const standby = server.inRecovery;
    this.begin("restart", "", () => {
      this.stopAsked = true;
      const { guard } = this.options;
      guard.signal(
        "fast",
        this.heard(() =>
          this.until(() => server.process === "none", () => {
            guard.start(
              startSpec(standby ? null : epoch),
              this.heard((reply) => {
                if (!reply.ok) return this.finish("restart", false, reply.error);
                this.stopAsked = false;
                this.until(() => server.process === "running" || server.process === "none", () => {
                  this.finish("restart", server.process === "running", "");
                });
              }),
            );
          })
        ),
      );
    });
  }

  private compare(upstream: Upstream): void {
    const { server, serverOf, clock } = this.options;
    this.later(this.random.between(10, 150), () => {
      const other = serverOf(upstream.name);
      const verdict = other === null ? null : server.compareWith(other);
      this.divergence = {
        from: upstream.name,
        timelineOfOther: other?.position?.branch.timeline ?? 0,
        verdict: verdict ?? "unknown",
        detail: verdict === null ? "it does not answer" : "",
        atMs: clock.now(),
      };
      this.refresh();
    });
  }

  private begin(kind: LongAction, detail: string, work: () => void): void {
    if (this.action !== null) return;
    this.actions++;
    this.action = { kind, sinceMs: this.options.clock.now(), detail };
    this.refresh();
    work();
  }

  private finish(kind: LongAction, ok: boolean, detail: string): void {
    if (this.action?.kind !== kind) return;
    this.action = null;
    const failures = ok ? 0 : (this.last[kind]?.failures ?? 0) + 1;
    this.last[kind] = { kind, ok, atMs: this.options.clock.now(), detail, failures };
    const { server, agent } = this.options;
    agent.world.log.add(server.name, `postgres: ${kind} ${ok ? "done" : `failed: ${detail}`}`);
    this.refresh();
  }

  /** Goes on with the running action after a while, unless another has taken its place. */
  private step(delayMs: number, run: () => void): void {
    const action = this.actions;
    this.later(delayMs, () => {
      if (action === this.actions && this.action !== null) run();
    });
  }

  /** An answer that is heard only while the action that asked is the running one. */
  private heard(handle: (reply: GuardReply) => void): (reply: GuardReply) => void {
    const action = this.actions;
    return (reply) => {
      if (action === this.actions && this.action !== null) handle(reply);
    };
  }

  private until(holds: () => boolean, then: () => void, timeoutMs = Infinity): void {
    if (holds() || timeoutMs <= 0) then();
    else this.step(20, () => this.until(holds, then, timeoutMs - 20));
  }

  private later(delayMs: number, run: () => void): void {
    const { agent } = this.options;
    agent.world.after(delayMs, () => agent.deliver(this.incarnation, run));
  }

  // ---- what is seen ----------------------------------------------------------------------------------------------

  private poll(): void {
    this.later(LOOK_MS, () => {
      this.refresh();
      this.poll();
    });
  }

  private refresh(): void {
    const { server, clock } = this.options;
    const writable = server.process !== "none" && server.epoch !== null;
    if (this.wasWritable && !writable && !this.stopAsked) this.crashedAtMs = clock.now();
    this.wasWritable = writable;
    if (server.answers) this.lastLookMs = clock.now();
    this.shown = this.see();
    for (const handler of this.handlers) handler();
  }

  private see(): PostgresView {
    const { server } = this.options;
    const { position } = server;
    const up = server.process === "running" || server.process === "stopping";
    const fresh = server.answers || this.shown === undefined;
    const old = this.shown;
    const standby = up && server.inRecovery;
    return {
      directory: directoryOf(server),
      process: server.anyProcess && server.frozen ? "frozen" : server.process,
      writable: server.anyProcess && server.epoch !== null,
      epoch: server.anyProcess ? server.epoch : null,
      inRecovery: up ? fresh ? server.inRecovery : old.inRecovery : null,
      timeline: position?.branch.timeline ?? null,
      walLsn: up && !server.inRecovery ? fresh ? position?.lsn ?? null : old.walLsn : null,
      receivedLsn: standby ? server.receivedLsn : null,
      replayedLsn: standby ? server.replayedLsn : null,
      replayedAt: null,
      replayPaused: false,
      replicationState: standby ? server.streaming ? "streaming" : "in archive recovery" : null,
      following: server.inRecovery || server.standbySignal ? server.following : null,
      lastLookMs: this.lastLookMs,
      postmasterStartTime: server.anyProcess ? String(server.pid) : null,
      serverVersion: 170000,
      systemId: server.systemId,
      pendingRestart: null,
      crashedAtMs: this.crashedAtMs,
      action: this.action,
      last: { ...this.last },
      checkpointAfterPromote: up && !server.inRecovery && server.checkpointAfterPromote,
      divergence: this.divergence,
      timelineHistory: position === null ? [] : historyOf(position.branch),
      state: stateOf(server, this.action, this.crashedAtMs !== null),
      replication: [],
    };
  }
}

function startSpec(epoch: number | null): StartSpec {
  return { program: "postgres", args: [], env: {}, dataDir: "/data", epoch };
}

function directoryOf(server: ModelServer): DataDirectory {
  const { directory, position } = server;
  if (directory.kind !== "valid") return directory;
  return {
    kind: "valid",
    standbySignal: server.standbySignal,
    control: {
      systemId: position?.branch.systemId ?? "",
      timeline: position?.branch.timeline ?? 1,
      clusterState: server.clusterState,
      checkpointLsn: server.checkpointLsn,
      minRecoveryLsn: server.minRecoveryLsn,
      walLogHints: true,
      dataChecksums: true,
    },
  };
}

/** Lines of a timeline's history file, oldest first. */
function historyOf(branch: Branch): [number, number, string][] {
  const lines: [number, number, string][] = [];
  for (let at = branch.parent; at !== null; at = at.branch.parent) {
    // A branch without a number of its own is a server that went on by itself: no history file knows of it.
    if (at.branch.timeline !== branch.timeline) {
      lines.unshift([at.branch.timeline, at.lsn, "no recovery target specified"]);
    }
    branch = at.branch;
  }
  return lines;
}

function stateOf(server: ModelServer, action: RunningAction | null, crashed: boolean): PostgresView["state"] {
  if (action?.kind === "bootstrap" && !server.anyProcess) return "initializing new cluster";
  if (action?.kind === "clone") return "creating replica";
  if (action?.kind === "restart") return "restarting";
  switch (server.process) {
    case "running":
      return "running";
    case "starting":
      return "starting";
    case "stopping":
    case "orphans":
      return "stopping";
    case "none":
      return crashed ? "crashed" : "stopped";
  }
}
