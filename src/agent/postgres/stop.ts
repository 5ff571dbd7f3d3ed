/**
 * Ends the server through the guard, and finds out how far its shutdown has come. Owns this invariant: a
 * primary is called closed (may acknowledge nothing more, although processes of it live) only when its
 * control file says "shut down" after this very server was seen in production and was told to end, the
 * directory in which it works is at its place, and the guard has agreed (guard/fence.ts has the argument).
 * Before a server opens for writes it changes the control file to "in production", so that the trace of an
 * earlier shutdown is not taken for this one's.
 */
import { stepInPlace, wantsCheckpoint } from "../../brain/shutdown.ts";
import { readProcess } from "../../lib/process_table.ts";
import { readControlFile } from "../../postgres/control_file.ts";
import { errorText } from "../../postgres/error_text.ts";
import { describeWaitedFor } from "../../postgres/waited_for.ts";
import type { Shutdown } from "../../model/postgres_view.ts";
import type { PostgresContext } from "./context.ts";
import { worksElsewhere } from "./directory_watch.ts";
import { ask, atMost, sleep } from "./wait.ts";

/** How often an awaited condition is looked at. */
const POLL_MS = 20;
const GUARD_LOOK_MS = 50;
/** Most servers have ended before the first look at their control file. */
const CONTROL_LOOK_MS = 200;
/** A checkpointer that has done nothing for so long will not finish an awaited CHECKPOINT. */
const STALLED_MS = 2000;
const STALL_LOOK_MS = 250;
/**
 * A step that takes so long waits for a process, which is named in the log while it can still be looked at.
 */
const NAMING_MS = 1000;

export const CANCELLED = "cancelled";

/** A step of a stop that the keeper does not lead, and its reason. */
export type StopProgress = (step: "immediate" | "kill", why: string) => void;

export class PostgresStop {
  readonly #context: PostgresContext;
  readonly #endSessions: () => Promise<void>;

  /** `endSessions`: of clients, as the postmaster should have done. */
  constructor(
    context: PostgresContext,
    endSessions: () => Promise<void>,
  ) {
    this.#context = context;
    this.#endSessions = endSessions;
  }

  /** In Patroni's order: a CHECKPOINT of a primary that still serves, then before_stop, then the signal. */
  async stop(
    how: "fast" | "immediate" | "kill",
    checkpoint: boolean,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { guard, postgresql, memory, changed, clock } = this.#context.parts;
    if (how === "fast") {
      const { postmaster } = guard.view();
      if (checkpoint && postmaster?.phase === "running" && memory.server?.ready) {
        await this.checkpoint(signal);
      }
      if (signal.aborted) return CANCELLED;
      const hook = postgresql.beforeStop;
      if (hook !== null && guard.view().postmaster?.phase === "running") {
        memory.shutdownAt("announced", clock.now());
        changed();
        await this.#beforeStop(hook, signal);
      }
      if (signal.aborted) return CANCELLED;
    }
    if (guard.view().postmaster === null && !guard.view().anyProcess) return null;
    const { server } = memory;
    const stage = guard.view().postmaster?.closed ? "closed" : "ending";
    if (server?.shutdown?.stage !== "checkpoint") memory.shutdownAt(stage, clock.now());
    changed();
    const reply = how === "kill" || guard.view().postmaster === null
      ? await ask((done) => guard.kill(done))
      : await ask((done) => guard.signal(how, done));
    // It may have ended by itself in between: then there is no process to signal, and no error.
    const { postmaster } = guard.view();
    if (!reply.ok && postmaster !== null && postmaster.phase !== "ending") {
      if (server !== null) server.shutdown = null;
      return reply.error;
    }
    return await this.untilGone(signal);
  }

  /**
   * A stop that the keeper does not lead (in a restart): each step is ended by time alone, since no other
   * member takes over.
   */
  async stopInPlace(signal: AbortSignal, said: StopProgress): Promise<string | null> {
    const { clock } = this.#context.parts;
    const limit = new AbortController();
    const either = AbortSignal.any([signal, limit.signal]);
    const watch = async () => {
      let step: { readonly how: "fast" | "immediate" | "kill"; readonly sinceMs: number } = {
        how: "fast",
        sinceMs: clock.now(),
      };
      while (!either.aborted) {
        const next = this.#overdue(step.how, step.sinceMs);
        if (next !== null && next.how === "immediate") {
          this.#context.warn(`PostgreSQL is told to end at once: ${next.why}`);
          said("immediate", next.why);
          step = { how: "immediate", sinceMs: clock.now() };
          await ask((done) => this.#context.parts.guard.signal("immediate", done));
        } else if (next !== null) {
          this.#context.warn(`PostgreSQL is killed: ${next.why}`);
          said("kill", next.why);
          await ask((done) => this.#context.parts.guard.kill(done));
          return;
        }
        await sleep(clock, 10 * POLL_MS, either);
      }
    };
    const watching = watch();
    const failed = await this.stop("fast", true, signal);
    limit.abort();
    await watching;
    return failed;
  }

  #overdue(how: "fast" | "immediate" | "kill", sinceMs: number) {
    const { memory, clock, postgresql } = this.#context.parts;
    const shutdown = memory.server?.shutdown ?? null;
    if (shutdown === null) return null;
    return stepInPlace(shutdown, how, sinceMs, clock.now(), {
      primary: memory.server?.status?.inRecovery === false,
      primaryStopTimeoutS: this.#context.dynamic.primaryStopTimeoutS,
      pgCtlTimeoutS: postgresql.pgCtlTimeoutS,
    });
  }

  /** No process is left: only then does the server count as stopped. */
  async untilGone(signal: AbortSignal): Promise<string | null> {
    const { guard, clock } = this.#context.parts;
    let nextPingMs = clock.now() + GUARD_LOOK_MS;
    let nextControlMs = clock.now() + CONTROL_LOOK_MS;
    let looking = false;
    let named: string | null = null;
    for (;;) {
      if (signal.aborted) return CANCELLED;
      const { postmaster, anyProcess } = guard.view();
      if (postmaster === null && !anyProcess) return null;
      const nowMs = clock.now();
      const shutdown = this.#context.parts.memory.server?.shutdown ?? null;
      if (shutdown !== null && shutdown.stage !== named && nowMs - shutdown.stageMs >= NAMING_MS) {
        named = shutdown.stage;
        if (postmaster !== null) this.#nameWaitedFor(postmaster.pid, shutdown.stage);
        if (shutdown.stage === "ending") {
          this.#endSessions().catch((error: unknown) => this.#context.warn(errorText(error)));
        }
      }
      if (nowMs >= nextPingMs) {
        nextPingMs = nowMs + GUARD_LOOK_MS;
        guard.ping(() => {});
      }
      if (nowMs >= nextControlMs && !looking) {
        looking = true;
        this.#followShutdown(signal).catch((error: unknown) => this.#context.warn(errorText(error))).finally(
          () => {
            looking = false;
            nextControlMs = clock.now() + CONTROL_LOOK_MS;
          },
        );
      }
      await sleep(clock, POLL_MS, signal);
    }
  }

  #nameWaitedFor(pid: number, stage: Shutdown["stage"]): void {
    describeWaitedFor(pid).then(
      (names) => {
        if (names !== "") this.#context.warn(`PostgreSQL ${WAITS[stage]} and waits for: ${names}`);
      },
      (error: unknown) =>
        this.#context.warn(
          `the processes that keep PostgreSQL from ending are not known: ${errorText(error)}`,
        ),
    );
  }

  /** Reads from the control file how far the shutdown of a primary has come. */
  async #followShutdown(signal: AbortSignal): Promise<void> {
    const { guard, memory, clock, programs, postgresql, changed } = this.#context.parts;
    const { server } = memory;
    const stage = server?.shutdown?.stage;
    if (server === null || server.status?.inRecovery !== false) return;
    if (stage !== "ending" && stage !== "checkpoint") return;
    const result = await readControlFile(programs, this.#context.dataDir);
    if (!result.ok || memory.server !== server || signal.aborted) return;
    const { clusterState } = result.control;
    if (clusterState === "shutting down") {
      memory.shutdownAt("checkpoint", clock.now());
      return changed();
    }
    if (clusterState !== "shut down") return;
    // The file of a directory that was put in place of the server's says nothing about this server.
    if (await worksElsewhere(this.#context.dataDir, server.pid)) return;
    const leftoversMs = postgresql.pgCtlTimeoutS * 1000;
    const reply = await ask((done) => guard.pastCheckpoint(server.pid, leftoversMs, done));
    if (memory.server !== server || signal.aborted) return;
    if (!reply.ok) {
      if (guard.view().postmaster?.pid !== server.pid) return;
      // A guard of an earlier release does not answer this: only the end of every process is proof then.
      this.#context.warn(`PostgreSQL has shut down, and its remaining processes are killed: ${reply.error}`);
      guard.kill(() => {});
      return;
    }
    // The release names the checkpoint that was found on disk.
    await this.#context.survey();
    if (memory.server !== server) return;
    memory.shutdownAt("closed", clock.now());
    changed();
  }

  /** Shortens the coming shutdown. It is bounded, because a slow disk must not delay the stop. */
  async checkpoint(signal: AbortSignal): Promise<void> {
    const { server, clock, log, postgresql } = this.#context.parts;
    const limitMs = postgresql.pgCtlTimeoutS * 1000;
    let checkpointer: number | null = null;
    const over = new AbortController();
    const work = server.with(
      { applicationName: "agent checkpoint", statementTimeoutMs: limitMs },
      async (connection) => {
        const row = (await connection.query(CHECKPOINTER_QUERY))[0];
        checkpointer = Number(row?.pid) || null;
        const tookMs: number[] = [];
        while (!signal.aborted && wantsCheckpoint(tookMs)) {
          const beginMs = clock.now();
          await connection.query("CHECKPOINT");
          tookMs.push(clock.now() - beginMs);
        }
      },
    ).then(() => null, (error: unknown) => errorText(error));
    const cut = new Promise<string>((resolve) =>
      signal.addEventListener("abort", () => resolve(CANCELLED), { once: true })
    );
    const stalled = this.#untilStalled(() => checkpointer, over.signal);
    const failed = await atMost(clock, limitMs, Promise.race([work, cut, stalled]));
    over.abort();
    if (failed !== null) log.warning("checkpoint_failed", `checkpoint: ${failed}`);
  }

  /** Resolves when the process neither computes nor waits for the disk, or when it is cut short. */
  async #untilStalled(pidOf: () => number | null, signal: AbortSignal): Promise<string> {
    const { clock } = this.#context.parts;
    let ticks = -1;
    let movedMs = clock.now();
    for (;;) {
      await sleep(clock, STALL_LOOK_MS, signal);
      const pid = pidOf();
      const process = pid === null ? null : readProcess(pid);
      if (process === null || process.state === "D" || process.state === "R" || process.cpuTicks !== ticks) {
        ticks = process?.cpuTicks ?? -1;
        if (pid !== null) movedMs = clock.now();
      }
      if (signal.aborted || clock.now() - movedMs >= STALLED_MS) {
        return `nothing has happened for ${STALLED_MS / 1000} s: going on without it`;
      }
    }
  }

  async #beforeStop(hook: string, signal: AbortSignal): Promise<void> {
    const { log, postgresql, hooks } = this.#context.parts;
    const failed = await hooks.run("before_stop", hook, {
      signal,
      timeoutMs: postgresql.pgCtlTimeoutS * 1000,
    });
    if (failed !== null) log.warning("before_stop", `before_stop: ${failed.text}`);
  }
}

const WAITS: { readonly [stage in Shutdown["stage"]]: string } = {
  announced: "is to end",
  ending: "was told to end, has not begun its shutdown checkpoint,",
  checkpoint: "writes its shutdown checkpoint",
  closed: "is past its shutdown checkpoint",
};

const CHECKPOINTER_QUERY = "SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'checkpointer'";
