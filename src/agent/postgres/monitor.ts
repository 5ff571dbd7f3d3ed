/**
 * Looks at the running server by SQL over one connection of its own, on which nothing else is asked while it
 * runs. At most one look is under way; one that takes longer than its limit has failed and its connection is
 * dropped.
 */
import type { Lsn } from "../../model/lsn.ts";
import type { Displaced } from "../../model/postgres_view.ts";
import type { Timer } from "../../../raft/mod.ts";
import { isUndeclared } from "../../model/guard_view.ts";
import { readProcess } from "../../lib/process_table.ts";
import { LimitedLog } from "../../lib/limited_log.ts";
import { errorText } from "../../postgres/error_text.ts";
import { type Connection, sqlState } from "../../postgres/connection.ts";
import { join, readText } from "../../postgres/disk.ts";
import { historyFileName, parseHistory } from "../../postgres/history.ts";
import { UnreachableError } from "../../postgres/local_server.ts";
import type { PostmasterPid } from "../../postgres/postmaster_pid.ts";
import { replayedTimeline } from "../../postgres/replayed_timeline.ts";
import { parseStatus, type ServerStatus, STATUS_QUERY } from "../../postgres/status_query.ts";
import type { PostgresContext } from "./context.ts";
import type { DirectoryListener } from "./directory_watch.ts";
import { WorkQueue } from "../../lib/work_queue.ts";

const IDLE_LOOK_MS = 1_000;
/** While the server starts, is promoted or stops. */
const BUSY_LOOK_MS = 100;
/** A look while nothing happens may be so early, with something else that wakes the agent. */
const EARLY_LOOK_MS = 100;
const LIMIT_MS = 2_000;
/** "The database system is starting up", "... is shutting down". */
const CANNOT_CONNECT_NOW = "57P03";

const END_SESSIONS = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity " +
  "WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()";

export interface MonitorListener {
  /** Before each look that is due by time alone. */
  readonly tick: () => void;
  /** The server has answered, and memory has what it said. */
  readonly seen: () => void;
}

export class PostgresMonitor implements DirectoryListener {
  #connection: { readonly pid: number; readonly to: Connection } | null = null;
  readonly #turns = new WorkQueue();
  /** A look that has not begun yet. */
  #queued: Promise<void> | null = null;
  #timer: Timer | null = null;
  #lastFailure = "";
  #renewing = false;
  readonly #limited: LimitedLog;
  /** The server of which it was said that it takes writes without the lock. */
  #saidAloneOf: number | null = null;
  /** The timeline whose history file is in memory. */
  #historyOf: number | null = null;

  readonly #context: PostgresContext;
  readonly #on: MonitorListener;

  constructor(context: PostgresContext, on: MonitorListener) {
    this.#context = context;
    this.#on = on;
    const { log, clock } = context.parts;
    this.#limited = new LimitedLog(log, () => clock.now());
    this.#schedule();
  }

  /** Resolves after a look that began after this call. Never rejects. */
  refresh(): Promise<void> {
    this.#queued ??= this.#turns.take(() => {
      this.#queued = null;
      return this.#once();
    });
    return this.#queued;
  }

  /**
   * The configuration was reloaded: looks come over a connection made by it from now on, once one can be
   * made.
   */
  renew(): void {
    this.#renewing = true;
  }

  /**
   * Ends the sessions of clients over the connection that stands; without one it does nothing. For a shutdown
   * whose postmaster hangs: it does not tell its backends, and clients would go on writing data that no
   * standby receives.
   */
  async endSessions(): Promise<void> {
    try {
      await this.ask(this.#connection?.pid ?? null, (connection) => connection.query(END_SESSIONS));
    } catch (error) {
      this.#context.parts.log.debug("end_sessions", `sessions were not ended: ${errorText(error)}`);
    }
  }

  /**
   * Asks the server of that pid between two looks, over the connection that stands; null: there is none. A
   * connection of its own costs the agent and PostgreSQL more than the question. Rejects when it fails.
   */
  ask<Answer>(
    pid: number | null,
    question: (connection: Connection) => Promise<Answer>,
  ): Promise<Answer | null> {
    return this.#turns.take(async () => {
      const connection = this.#connection;
      if (connection === null || connection.pid !== pid || connection.to.ended) return null;
      return await question(connection.to);
    });
  }

  /** The server has ended or will: the open connection belongs to it. */
  disconnect(): void {
    this.#connection?.to.close();
    this.#connection = null;
  }

  displaced(displaced: Displaced | null): void {
    const { memory, log, changed } = this.#context.parts;
    if (
      displaced?.why === memory.displaced?.why || memory.server === null || memory.server.shutdown !== null
    ) return;
    memory.displaced = displaced;
    if (displaced === null) log.info("data_directory", "the data directory is in its place again");
    else log.error("data_directory", displaced.why);
    changed();
  }

  /** The monitor's own connection would be one of those that the server waits for. */
  toldToEnd(pid: number): void {
    const { memory, clock, log, changed } = this.#context.parts;
    if (memory.server?.pid !== pid || memory.server.shutdown !== null) return;
    log.warning(
      "shutdown",
      `PostgreSQL (pid ${pid}) was told to shut down, and takes no connections any more`,
    );
    memory.shutdownAt("ending", clock.now());
    this.disconnect();
    changed();
  }

  #schedule(): void {
    const { clock, memory } = this.#context.parts;
    const busy = memory.action !== null || (memory.server !== null && !memory.server.ready);
    this.#timer?.cancel();
    this.#timer = clock.after(
      busy ? BUSY_LOOK_MS : IDLE_LOOK_MS,
      () => {
        this.#on.tick();
        this.refresh().finally(() => this.#schedule());
      },
      busy ? 0 : EARLY_LOOK_MS,
    );
  }

  async #once(): Promise<void> {
    const { guard, memory, clock, changed, server } = this.#context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null || postmaster.phase === "frozen" || memory.server?.pid !== postmaster.pid) return;
    const { pid } = postmaster;
    // A starting server says so in its file, which is cheaper than a refused connection.
    if (!memory.server.ready && !isReady(server.pidFile(), pid)) return;
    if (isStopped(pid)) {
      // The connection that stands is kept: it answers, and may be all that can end sessions (endSessions).
      this.#say(
        new Error(`its postmaster (pid ${pid}) is stopped, by SIGSTOP or a debugger: no client can connect`),
      );
      return changed();
    }
    try {
      const connection = await this.#connectionTo(pid);
      const syncTurn = memory.standbys.turn;
      const row = (await connection.queryKept("status", STATUS_QUERY))[0];
      if (row === undefined) throw new Error("no answer to the status query");
      const status = this.#onItsTimeline(parseStatus(row));
      const expected = memory.found.control?.systemId;
      if (expected !== undefined && status.systemId !== expected) {
        throw new Error(
          `another PostgreSQL (system identifier ${status.systemId}) answers in place of this member's`,
        );
      }
      if (!this.#renewing && this.#lastFailure !== "") {
        this.#lastFailure = "";
        this.#limited.add("info", "postgres_answers", "PostgreSQL answers again");
      }
      memory.seen(status, clock.now(), syncTurn);
      this.#on.seen();
      this.#noteData(status.checkpointLsn ?? null, !status.inRecovery);
      this.#noteWritesAlone();
      const timeline = memory.server?.status?.timeline ?? null;
      if (timeline !== null && timeline !== this.#historyOf) this.#readHistory(timeline);
    } catch (error) {
      this.#failed(pid, error);
    }
    changed();
  }

  /** An earlier checkpoint in this data tells later that a backup was put in its place. */
  #noteData(checkpointLsn: Lsn | null, inProduction: boolean): void {
    const { mark, memory: { found: { directory }, displaced } } = this.#context.parts;
    if (checkpointLsn === null || directory.kind !== "valid" || displaced !== null) return;
    if (directory.dataId === undefined) return;
    mark.note({ dataId: directory.dataId, checkpointLsn, inProduction }).catch((error: unknown) =>
      this.#limited.add("warning", "data_mark", `the last checkpoint cannot be noted: ${errorText(error)}`)
    );
  }

  /**
   * A server that the guard did not make a primary takes writes. Its writes are marked before the keeper,
   * which hears of this look afterwards, ends it: later nothing else shows them. The end does not wait for
   * the disk.
   */
  #noteWritesAlone(): void {
    const { guard, memory, files } = this.#context.parts;
    const status = memory.server?.status ?? null;
    const { postmaster } = guard.view();
    if (status === null || status.inRecovery || status.timeline === null) return;
    if (postmaster === null || postmaster.pid !== memory.server?.pid) return;
    if (memory.action?.kind === "promote") return;
    if (postmaster.writable && !(isUndeclared(postmaster) && this.#wasStandby())) return;
    if (this.#saidAloneOf !== postmaster.pid) {
      this.#saidAloneOf = postmaster.pid;
      this.#context.parts.log.error(
        "wrote_alone",
        `PostgreSQL (pid ${postmaster.pid}) takes writes on timeline ${status.timeline}, and others made it a primary: ` +
          "its writes are not in the cluster",
      );
    }
    files.markWroteAlone(status.timeline).catch((error: unknown) =>
      this.#context.warn(
        `the data directory cannot be marked as written without the lock: ${errorText(error)}`,
      )
    );
  }

  /**
   * By the configuration that the agent has written last. A primary has no upstream in it: somebody else has
   * started this server without standby.signal.
   */
  #wasStandby(): boolean {
    const { memory: { found: { directory } }, files } = this.#context.parts;
    return directory.kind === "valid" && directory.unmanaged !== true && files.following() !== null;
  }

  async #connectionTo(pid: number): Promise<Connection> {
    if (this.#connection !== null && (this.#connection.pid !== pid || this.#connection.to.ended)) {
      this.disconnect();
    }
    if (this.#connection === null) {
      this.#renewing = false;
      this.#connection = { pid, to: await this.#connect() };
    } else if (this.#renewing) await this.#replace(this.#connection.to, pid);
    return this.#connection.to;
  }

  #connect(): Promise<Connection> {
    return this.#context.parts.server.connect({
      applicationName: "agent heartbeat",
      statementTimeoutMs: LIMIT_MS,
      connectTimeoutMs: LIMIT_MS,
    });
  }

  async #replace(old: Connection, pid: number): Promise<void> {
    const { log } = this.#context.parts;
    try {
      this.#connection = { pid, to: await this.#connect() };
      this.#renewing = false;
      old.close();
    } catch (error) {
      const kind = kindOf(error);
      if (kind === this.#lastFailure) return;
      this.#lastFailure = kind;
      log.error(
        "credentials",
        `PostgreSQL cannot be reached with the configuration that was reloaded (${
          errorText(error)
        }). The connection from ` +
          "before goes on while it lasts, and nothing else can be done in PostgreSQL meanwhile: change the role's password " +
          "(ALTER ROLE), or correct postgresql.authentication.superuser and reload",
      );
    }
  }

  #failed(pid: number, error: unknown): void {
    const { memory, guard } = this.#context.parts;
    const state = sqlState(error);
    this.disconnect();
    if (state === CANNOT_CONNECT_NOW && memory.server?.pid === pid) {
      memory.server.ready = false;
      // It was told by others to end.
      const file = this.#context.parts.server.pidFile();
      if (file?.pid === pid && file.status === "stopping" && memory.server.shutdown === null) {
        memory.shutdownAt("ending", this.#context.parts.clock.now());
      }
    }
    if (guard.view().postmaster?.phase !== "running" || state === CANNOT_CONNECT_NOW) return;
    const hint = state?.startsWith("28") ? ": check postgresql.authentication.superuser and pg_hba" : "";
    this.#say(error, hint);
  }

  #say(error: unknown, hint = ""): void {
    const kind = kindOf(error);
    if (kind === this.#lastFailure) return;
    this.#lastFailure = kind;
    this.#limited.add("warning", "postgres_silent", `PostgreSQL does not answer: ${errorText(error)}${hint}`);
  }

  /** Between two looks a WAL receiver may have come to a new timeline, and have ended. */
  #onItsTimeline(status: ServerStatus): ServerStatus {
    const { dataDir, parts: { memory: { found: { control } } } } = this.#context;
    const { inRecovery, receiverTimeline, timeline, replayLsn } = status;
    if (!inRecovery || receiverTimeline !== null || control === null) return status;
    if (timeline === null || replayLsn === null) return status;
    const place = { timeline, lsn: replayLsn };
    return { ...status, timeline: replayedTimeline(dataDir, place, control.segmentBytes) };
  }

  #readHistory(timeline: number): void {
    const { memory } = this.#context.parts;
    const file = join(this.#context.dataDir, "pg_wal", historyFileName(timeline));
    const text = timeline <= 1 ? "" : readText(file);
    memory.timelineHistory = parseHistory(text ?? "");
    // A history file that is not there yet is looked for again.
    this.#historyOf = text === null ? null : timeline;
  }
}

/** The kind of an error, which stays the same while a failure lasts. */
function kindOf(error: unknown): string {
  return error instanceof UnreachableError ? error.kinds : errorText(error);
}

/** Connected clients go on, and new ones cannot connect. A look over an open connection would not notice. */
function isStopped(pid: number): boolean {
  return ["T", "t"].includes(readProcess(pid)?.state ?? "");
}

function isReady(file: PostmasterPid | null, pid: number): boolean {
  return file !== null && file.pid === pid && file.status !== "starting" && file.status !== null;
}
