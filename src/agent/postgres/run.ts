/**
 * Starts, restarts and promotes the server through the guard. Each operation resolves to null, or to a text
 * that says what went wrong.
 */
import type { Upstream } from "../../model/upstream.ts";
import { PRE_PROMOTE } from "../../brain/promotion.ts";
import type { StartSpec } from "../../guard/port.ts";
import { formatLsn } from "../../model/lsn.ts";
import { dataIdIn } from "../../model/postgres_view.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import { serverArguments } from "../../postgres/command_line.ts";
import { type Connection, sqlState } from "../../postgres/connection.ts";
import { errorText } from "../../postgres/error_text.ts";
import { socketDirectories } from "../../postgres/local_ways.ts";
import { serverEnvironment } from "../../postgres/run_program.ts";
import { timelinesAhead } from "../../postgres/replayed_timeline.ts";
import { NO_RECOVERY, type RecoverySettings } from "../../postgres/server_conf.ts";
import { removeStaleSocketLocks } from "../../postgres/socket_lock.ts";
import { type PostgresContext, standbyRole } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import { PromotionProgress } from "./promotion_progress.ts";
import { endOfWal, isWhole } from "./server_memory.ts";
import type { ServerWatch } from "./server_watch.ts";
import type { SlotCopies } from "./slot_copies.ts";
import { CANCELLED, PostgresStop, type StopProgress } from "./stop.ts";
import { ask, atMost, sleep } from "./wait.ts";

/** How often an awaited condition is looked at. */
const POLL_MS = 20;
/**
 * How long the start of a standby waits for the end of its WAL on disk. The choice of the next primary
 * measures a standby by that position (PostgresMemory.seen). A primary does not wait: it reports its own
 * position as soon as it is up, and is no candidate before.
 */
const WAL_END_WAIT_MS = 2_000;
/** The same before a history file is removed, for which the server was stopped. */
const REMOVAL_WAIT_MS = 30_000;

/** A first start waits so long for the limit of what slots may hold; later it takes a reload. */
const ROOM_WAIT_MS = 300;

/** The answer to one look at a promotion; a server that does not answer is looked at from outside. */
const PROMOTED_LOOK_MS = 1_000;
const PROMOTED_QUERY = "SELECT pg_is_in_recovery() AS in_recovery, " +
  "(SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'startup') AS startup";

/** How often a restored cluster is asked whether it lets the agent in. */
const ASK_MS = 1_000;

const CHECKPOINT_PAUSE_MS = 1_000;
const CHECKPOINT_MAX_PAUSE_MS = 60_000;

/** `epoch` null: as a standby of `follow` (null: of nobody). */
export interface StartHow {
  readonly epoch: number | null;
  readonly follow: Upstream | null;
  /** A former primary, whose WAL may not be the cluster's. */
  readonly readOnly?: true;
  /** A standby that is promoted next: it goes to no timeline beyond the end of its WAL. */
  readonly staysOnTimeline?: true;
}

/** Is told whether the end of the server would be this agent's doing. */
type EndWatch = Pick<ServerWatch, "askEnd" | "expectNoEnd">;

export class PostgresRun {
  readonly ending: PostgresStop;
  #checkpointing = false;
  #checkpointDueMs = 0;
  #checkpointFailures = 0;

  readonly #context: PostgresContext;
  readonly #monitor: PostgresMonitor;
  readonly #copies: SlotCopies;

  constructor(context: PostgresContext, monitor: PostgresMonitor, copies: SlotCopies) {
    this.#context = context;
    this.#monitor = monitor;
    this.#copies = copies;
    this.ending = new PostgresStop(context, () => monitor.endSessions());
  }

  /** Resolves when connections are accepted. `data`: what the decision was made about. */
  async start(
    { epoch, follow, readOnly, staysOnTimeline }: StartHow,
    signal: AbortSignal,
    data = this.#dataId(),
  ): Promise<string | null> {
    const context = this.#context;
    const { guard, files, memory, clock } = context.parts;
    const busy = context.whyBusy();
    if (busy !== null) return busy;
    const replaced = await this.#lookAgain(data);
    if (replaced !== null) return replaced;
    const { directory } = memory.found;
    const begun = directory.kind === "half-written" && directory.what === "bootstrap" && epoch !== null;
    if (directory.kind !== "valid" && !begun) return `the data directory is ${directory.kind}`;
    if (epoch === null) await this.#untilWalEnd();
    if (memory.walBudgetMib === null) await atMost(clock, ROOM_WAIT_MS, context.lookAtRoom());
    files.removePromoteTrigger();
    const own = staysOnTimeline ? this.#timelineToStayOn() : {};
    const recovery = () => epoch === null ? { ...context.recoveryFor(follow), ...own } : NO_RECOVERY;
    memory.startsWaiting = memory.sync.count > 0;
    await context.writeConfig(recovery, epoch === null ? standbyRole(follow) : "primary");
    const wasPrimary = directory.kind === "valid" && !directory.standbySignal;
    if (readOnly && wasPrimary) await files.markFormerPrimary();
    if (epoch === null) files.markStandby();
    else if (memory.restored !== null) files.markRestored();
    else files.markPrimary();
    memory.following = epoch === null ? follow : null;
    if (epoch === null) context.histories.remove(memory.diskEnd, memory.found.control);
    if (epoch === null && follow !== null) await this.#copies.install();
    if (signal.aborted) return CANCELLED;
    memory.failure = null;
    // What a primary writes now is lost on top, should it come to that.
    if (epoch !== null) memory.loss.taken = null;
    await removeStaleSocketLocks({
      directories: socketDirectories(
        context.inForce.parameters.unix_socket_directories ?? null,
        context.dataDir,
      ),
      port: context.parts.postgresql.port,
      nowMs: Date.now(),
      info: context.warn,
    });
    const reply = await ask((done) => guard.start(this.startSpec(epoch), done));
    if (!reply.ok) return reply.error;
    const failed = await this.untilReady(signal);
    if (failed !== null && guard.view().lastExit?.fenced === true) memory.endedWithLease();
    return failed;
  }

  /**
   * What is started must be what the decision was made about. Somebody may have put another directory in its
   * place since, such as a backup, and it is no reason to be a primary, nor does its WAL fit to any that it
   * was compared with. Not even a look of a moment ago will do: a script moves a directory into place and
   * resumes the cluster in one go.
   */
  async #lookAgain(data: string | undefined): Promise<string | null> {
    await this.#context.survey(0);
    if (this.#context.parts.memory.found.directory.kind !== "valid" || data === undefined) return null;
    return this.#dataId() === data
      ? null
      : "another data directory was put in its place: it is looked at first";
  }

  /** By the last look at the directory; undefined: the data has no name. */
  #dataId(): string | undefined {
    return dataIdIn(this.#context.parts.memory.found.directory);
  }

  async #untilWalEnd(): Promise<void> {
    const { histories, parts: { clock, memory } } = this.#context;
    const isKnown = histories.areFound ? isWhole(memory.diskEnd) : memory.diskEnd !== null;
    const waitMs = histories.areFound ? REMOVAL_WAIT_MS : WAL_END_WAIT_MS;
    if (!isKnown) await atMost(clock, waitMs, this.#context.readWalEnd());
  }

  /** The tracked server accepts connections, or it has ended. */
  async untilReady(signal: AbortSignal): Promise<string | null> {
    const { guard, memory, clock } = this.#context.parts;
    const begun = guard.view().postmaster?.pid ?? null;
    let askDueMs = clock.now() + ASK_MS;
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
      if (memory.restored !== null && clock.now() >= askDueMs) {
        askDueMs = clock.now() + ASK_MS;
        const refused = await this.#whyRefused();
        if (refused !== null) return refused;
      }
      await sleep(clock, POLL_MS, signal);
    }
  }

  /** Why a restored cluster will never let the agent in, which is what its start waits for; null: it may. */
  async #whyRefused(): Promise<string | null> {
    const { server, postgresql } = this.#context.parts;
    try {
      await server.with({ applicationName: "agent bootstrap" }, () => Promise.resolve());
      return null;
    } catch (error) {
      // Class 28: the user is not known, or not let in.
      const state = error instanceof Error ? sqlState(error.cause) : null;
      if (!state?.startsWith("28")) return null;
      return `the restored cluster does not let ${postgresql.superuser.username} in: ${errorText(error)}`;
    }
  }

  /**
   * Same role, same epoch, and the data that the server runs with: what is at its place once it has stopped
   * may be another directory, which nobody has decided to go on with. `step`: told when time has ended a step
   * of its stop.
   */
  async restart(signal: AbortSignal, step: StopProgress): Promise<string | null> {
    const { guard, memory } = this.#context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null) return "PostgreSQL does not run";
    const { writable, epoch } = postmaster;
    if (writable && epoch === null) return "PostgreSQL runs as a primary without an epoch";
    const { following } = memory;
    const data = this.#dataId();
    const stopped = await this.ending.stopInPlace(signal, step);
    if (stopped !== null) return stopped;
    const how = writable ? { epoch, follow: null } : { epoch: null, follow: following };
    return await this.start(how, signal, data);
  }

  async promote(epoch: number, signal: AbortSignal, watch: EndWatch): Promise<string | null> {
    const context = this.#context;
    const { guard, postgresql, hooks } = context.parts;
    if (guard.view().postmaster === null) return "PostgreSQL does not run";
    if (postgresql.prePromote !== null) {
      // No member writes until the hook has ended: a hook that hangs must not keep the lock from the others.
      const refused = await hooks.run("pre_promote", postgresql.prePromote, {
        signal,
        timeoutMs: postgresql.pgCtlTimeoutS * 1000,
      });
      if (refused !== null) return `${PRE_PROMOTE}: ${refused.text}`;
    }
    if (signal.aborted) return CANCELLED;
    const stays = await this.#staysOnItsTimeline(signal, watch);
    if (stays !== null) return stays;
    context.promoting = true;
    try {
      const failed = await this.#leaveRecovery(epoch, signal);
      if (failed !== null) return failed;
    } finally {
      context.promoting = false;
    }
    return await this.#becamePrimary();
  }

  /**
   * A server that has heard of a later timeline is on its way there. Where its WAL ends before that one
   * begins, and it is promoted, PostgreSQL takes that one for the timeline before: its history would name WAL
   * that it never had, by which others would follow it, or be rewound, with data of another history. No
   * reload turns the server back.
   */
  async #staysOnItsTimeline(signal: AbortSignal, watch: EndWatch): Promise<string | null> {
    const context = this.#context;
    const end = endOfWal(context.parts.memory.server);
    const ahead = end === null ? [] : timelinesAhead(context.dataDir, end);
    if (ahead.length === 0) return null;
    context.warn(
      `its WAL ends at ${formatLsn(end!.lsn)} of timeline ${end!.timeline}, before timeline ${
        ahead.at(-1)
      } ` +
        "begins, which it has heard of: PostgreSQL is started anew to be promoted from there",
    );
    watch.askEnd();
    const data = this.#dataId();
    const step: StopProgress = (kind, why) => context.warn(`${kind}: ${why}`);
    const stopped = await this.ending.stopInPlace(signal, step);
    if (stopped !== null) return stopped;
    watch.expectNoEnd();
    return await this.start({ epoch: null, follow: null, staysOnTimeline: true }, signal, data);
  }

  /** None where the end of its WAL is not known for sure: it may be on the later timeline already. */
  #timelineToStayOn(): Pick<RecoverySettings, "restore"> {
    const { dataDir, parts: { memory: { diskEnd } } } = this.#context;
    if (!isWhole(diskEnd) || timelinesAhead(dataDir, diskEnd).length === 0) return {};
    return { restore: { recovery_target_timeline: String(diskEnd.timeline) } };
  }

  async #leaveRecovery(epoch: number, signal: AbortSignal): Promise<string | null> {
    const { guard, files } = this.#context.parts;
    // The guard first: from its answer on, the server is fenced as a primary. The file alone promotes a
    // standby with the next signal that any of its processes sends to the postmaster. If the agent hung or
    // died here, no fence would end that server.
    const fenced = await ask((done) => guard.promote(epoch, done));
    if (!fenced.ok) return fenced.error;
    files.writePromoteTrigger();
    const reply = await ask((done) => guard.promote(epoch, done));
    if (!reply.ok) {
      files.removePromoteTrigger();
      return reply.error;
    }
    return await this.#untilPromoted(signal);
  }

  async #becamePrimary(): Promise<null> {
    const context = this.#context;
    const { files, memory } = context.parts;
    await this.#monitor.refresh();
    memory.following = null;
    files.unmarkFormerPrimary();
    files.unmarkWroteAlone();
    // The server has left recovery already; its files follow, so that nobody finds an upstream in them later,
    // and the settings of a primary count.
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
   * A primary, or a standby leader, whose pg_control still names an older timeline owes a checkpoint: until
   * it is done others cannot be rewound against it. It is owed until then, no matter which agent promoted the
   * server and how the first checkpoint ended.
   */
  checkpointIfOwed(): void {
    const { server, log, memory, guard, clock } = this.#context.parts;
    const status = memory.server?.status ?? null;
    const isSource = status !== null && (!status.inRecovery || memory.following?.remote === true);
    const owed = isSource && status.timeline !== null && status.checkpointTimeline !== status.timeline;
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
      primarySettings: epoch === null
        ? memory.found.control?.settings ?? null
        : memory.restored?.limits ?? null,
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
