/**
 * Starts, restarts and promotes the server through the guard. Each operation resolves to null, or to a text
 * that says what went wrong.
 */
import type { Upstream } from "../../brain/actions.ts";
import type { StartSpec } from "../../guard/port.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import { serverArguments } from "../../postgres/command_line.ts";
import type { Connection } from "../../postgres/connection.ts";
import { errorText } from "../../postgres/error_text.ts";
import { runHook } from "../../postgres/hooks.ts";
import { serverEnvironment } from "../../postgres/run_program.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import { PromotionProgress } from "./promotion_progress.ts";
import { CANCELLED, PostgresStop, type StopProgress } from "./stop.ts";
import { ask, atMost, sleep } from "./wait.ts";

/** How often a condition is looked at while somebody waits for it. */
const POLL_MS = 20;
/**
 * The end of WAL on disk is to be known before a standby starts, as far as this allows: what it had before is
 * what it is measured by when the next primary is chosen (PostgresMemory.seen). A primary says where it
 * writes as soon as it is up, and until then it is no candidate: nothing of it waits.
 */
const WAL_END_WAIT_MS = 2_000;

/** The answer to one look at a promotion; a server that does not answer is looked at from outside. */
const PROMOTED_LOOK_MS = 1_000;
const PROMOTED_QUERY = "SELECT pg_is_in_recovery() AS in_recovery, " +
  "(SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'startup') AS startup";

const CHECKPOINT_PAUSE_MS = 1_000;
const CHECKPOINT_MAX_PAUSE_MS = 60_000;

export class PostgresRun {
  readonly ending: PostgresStop;
  #checkpointing = false;
  #checkpointDueMs = 0;
  #checkpointFailures = 0;

  readonly #context: PostgresContext;
  readonly #monitor: PostgresMonitor;

  constructor(context: PostgresContext, monitor: PostgresMonitor) {
    this.#context = context;
    this.#monitor = monitor;
    this.ending = new PostgresStop(context, () => monitor.endSessions());
  }

  /** `epoch` null: as a standby of `follow` (null: of nobody). Resolves when connections are accepted. */
  async start(epoch: number | null, follow: Upstream | null, signal: AbortSignal): Promise<string | null> {
    const context = this.#context;
    const { guard, files, memory, clock } = context.parts;
    const busy = context.whyBusy();
    if (busy !== null) return busy;
    await context.surveyIfOld();
    const { directory } = memory.found;
    const begun = directory.kind === "half-written" && directory.what === "bootstrap" && epoch !== null;
    if (directory.kind !== "valid" && !begun) return `the data directory is ${directory.kind}`;
    if (memory.diskEnd === null && epoch === null) await atMost(clock, WAL_END_WAIT_MS, context.readWalEnd());
    files.removePromoteTrigger();
    await context.writeConfig(() => epoch === null ? context.recoveryFor(follow) : NO_RECOVERY);
    const wasPrimary = directory.kind === "valid" && !directory.standbySignal;
    if (epoch === null && follow === null && wasPrimary) await files.markFormerPrimary();
    if (epoch === null) files.markStandby();
    else files.markPrimary();
    memory.following = epoch === null ? follow : null;
    if (signal.aborted) return CANCELLED;
    memory.failure = null;
    const reply = await ask((done) => guard.start(this.startSpec(epoch), done));
    if (!reply.ok) return reply.error;
    return await this.untilReady(signal);
  }

  /** The tracked server accepts connections, or it has ended. */
  async untilReady(signal: AbortSignal): Promise<string | null> {
    const { guard, memory, clock } = this.#context.parts;
    const begun = guard.view().postmaster?.pid ?? null;
    for (;;) {
      if (signal.aborted) return CANCELLED;
      const { postmaster, lastExit } = guard.view();
      if (postmaster === null || (begun !== null && postmaster.pid !== begun)) {
        const how = lastExit === null
          ? ""
          : lastExit.signal !== null
          ? ` (${lastExit.signal})`
          : ` (exit code ${lastExit.code})`;
        return `PostgreSQL ended while it was starting${how}: its log says why`;
      }
      await this.#monitor.refresh();
      if (memory.server?.pid === postmaster.pid && memory.server.ready) {
        memory.crashedAtMs = null;
        return null;
      }
      await sleep(clock, POLL_MS, signal);
    }
  }

  /** Same role, same epoch. */
  /** `step`: told when time has ended a step of its stop. */
  async restart(signal: AbortSignal, step: StopProgress): Promise<string | null> {
    const { guard, memory } = this.#context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null) return "PostgreSQL does not run";
    const { writable, epoch } = postmaster;
    if (writable && epoch === null) return "PostgreSQL runs as a primary without an epoch";
    const { following } = memory;
    const stopped = await this.ending.stopInPlace(signal, step);
    if (stopped !== null) return stopped;
    return await this.start(writable ? epoch : null, writable ? null : following, signal);
  }

  async promote(epoch: number, signal: AbortSignal): Promise<string | null> {
    const context = this.#context;
    const { guard, files, postgresql, memory } = context.parts;
    if (guard.view().postmaster === null) return "PostgreSQL does not run";
    if (postgresql.prePromote !== null) {
      // Until it has ended nobody writes: a hook that hangs must not keep the lock from the others.
      const refused = await runHook(postgresql.prePromote, {
        signal,
        timeoutMs: postgresql.pgCtlTimeoutS * 1000,
      });
      if (refused !== null) return `pre_promote: ${refused}`;
    }
    if (signal.aborted) return CANCELLED;
    // The guard first: from its word on, what runs is fenced as a primary. The file alone promotes a standby,
    // with the next signal that any of its processes sends to the postmaster; with an agent that hangs or
    // dies here, nobody would end it.
    const fenced = await ask((done) => guard.promote(epoch, done));
    if (!fenced.ok) return fenced.error;
    files.writePromoteTrigger();
    const reply = await ask((done) => guard.promote(epoch, done));
    if (!reply.ok) {
      files.removePromoteTrigger();
      return reply.error;
    }
    const failed = await this.#untilPromoted(signal);
    if (failed !== null) return failed;
    await this.#monitor.refresh();
    memory.following = null;
    files.unmarkFormerPrimary();
    files.unmarkWroteAlone();
    // The server has left recovery already; its files follow, so that nobody finds an upstream in them later.
    if ((await context.writeConfig(() => NO_RECOVERY)).length > 0) await context.reload();
    this.checkpointIfOwed();
    return null;
  }

  async #untilPromoted(signal: AbortSignal): Promise<string | null> {
    const { guard, clock, server, memory } = this.#context.parts;
    memory.moved("promote", clock.now());
    const progress = new PromotionProgress();
    let connection: Connection | null = null;
    try {
      for (;;) {
        if (signal.aborted) return CANCELLED;
        const { postmaster } = guard.view();
        if (postmaster === null) return "PostgreSQL ended before it was promoted: its log says why";
        if (postmaster.phase === "running") {
          try {
            connection ??= await server.connect({
              applicationName: "agent promote",
              connectTimeoutMs: PROMOTED_LOOK_MS,
              statementTimeoutMs: PROMOTED_LOOK_MS,
            });
            const row = (await connection.query(PROMOTED_QUERY))[0];
            if (row?.in_recovery === "f") return null;
            progress.startup = Number(row?.startup) || null;
          } catch (error) {
            connection?.close();
            connection = null;
            this.#context.parts.log.debug("promote_wait", `waiting for the promotion: ${errorText(error)}`);
          }
        }
        // Frozen, it stands still because its lease has run out.
        if (postmaster.phase === "frozen" || progress.moves(postmaster.pid)) {
          memory.moved("promote", clock.now());
        }
        await sleep(clock, POLL_MS, signal);
      }
    } finally {
      connection?.close();
    }
  }

  /**
   * A primary whose pg_control still names an older timeline owes a checkpoint: until it is done others
   * cannot be rewound against it. Owed until then, no matter who promoted it, and whatever became of the
   * first one.
   */
  checkpointIfOwed(): void {
    const { server, log, memory, guard, clock } = this.#context.parts;
    const status = memory.server?.status ?? null;
    const owed = status !== null && !status.inRecovery && status.timeline !== null &&
      status.checkpointTimeline !== status.timeline;
    if (!owed || guard.view().postmaster?.phase !== "running" || memory.action?.kind === "stop") return;
    if (this.#checkpointing || clock.now() < this.#checkpointDueMs) return;
    this.#checkpointing = true;
    server.with(
      { applicationName: "agent checkpoint", statementTimeoutMs: 0 },
      (connection) => connection.query("CHECKPOINT"),
    ).then(
      () => {
        this.#checkpointFailures = 0;
        return this.#monitor.refresh();
      },
      (error: unknown) => {
        this.#checkpointFailures++;
        log.warning("checkpoint_failed", `checkpoint after the promotion: ${errorText(error)}`);
      },
    ).finally(() => {
      this.#checkpointing = false;
      const pauseMs = pauseAfter(this.#checkpointFailures, CHECKPOINT_PAUSE_MS, CHECKPOINT_MAX_PAUSE_MS);
      this.#checkpointDueMs = clock.now() + pauseMs;
    });
  }

  startSpec(epoch: number | null): StartSpec {
    const { local, postgresql, programs, files, memory } = this.#context.parts;
    const args = serverArguments({
      local,
      postgresql,
      effective: this.#context.dynamic.postgresql,
      configFile: files.file,
      primarySettings: epoch === null ? memory.found.control?.settings ?? null : null,
    });
    return {
      program: programs.path("postgres"),
      args,
      env: serverEnvironment(),
      dataDir: this.#context.dataDir,
      epoch,
    };
  }
}
