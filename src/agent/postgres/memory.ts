/**
 * The executor's knowledge of PostgreSQL between looks, and the view made of it. Effects change it, and it
 * answers at once: a hung server or disk makes it old, never late.
 */
import type { Upstream } from "../../model/upstream.ts";
import type { GuardView, Postmaster } from "../../model/guard_view.ts";
import type { Lsn } from "../../model/lsn.ts";
import type {
  Displaced,
  FinishedAction,
  LongAction,
  PostgresState,
  PostgresView,
  QuietAction,
  RunningAction,
  Shutdown,
} from "../../model/postgres_view.ts";
import type { SyncSetting } from "../../model/sync_setting.ts";
import type { FoundDirectory } from "../../postgres/data_directory.ts";
import type { PendingRestart } from "../../postgres/parameters.ts";
import type { RestoredCluster } from "../../postgres/restored_cluster.ts";
import type { ServerStatus } from "../../postgres/status_query.ts";
import type { WalEnd } from "../../postgres/wal_end.ts";
import type { LossMemory } from "./loss_memory.ts";
import { furthest, isWhole, newServer, type ServerMemory } from "./server_memory.ts";
import { SyncMemory } from "./sync_memory.ts";

/** A server that ends by itself sooner than this counts as one that did not start. */
const LASTS_MS = 2000;

export class PostgresMemory {
  found: FoundDirectory = { directory: { kind: "absent" }, control: null };
  /** End of valid WAL on disk while no server runs; null: not known. */
  diskEnd: WalEnd | null = null;
  #following: Upstream | null = null;
  /** What a server that was found running follows is not known before its files have been read. */
  #isUpstreamKnown = false;
  /** A WAL receiver of the upstream before may live, or be about to begin. */
  #mayReceive = false;
  /** Changes of the upstream that are under way. */
  repointing = 0;
  action: RunningAction | null = null;
  last: { [kind in LongAction | QuietAction]?: FinishedAction } = {};
  /**
   * The timeline that the last failed promotion was to leave; null: none failed, or the others went on
   * without it.
   */
  #promotionFailedOn: number | null = null;
  displaced: Displaced | null = null;
  crashedAtMs: number | null = null;
  #unaskedEndMs: number | null = null;
  /** State to show while nothing runs; null: "stopped". */
  failure: PostgresState | null = null;
  customBootstrap = false;
  /** PostgreSQL (17 and later) keeps copies of another server's logical slots here. */
  syncedSlots = false;
  /** Bootstraps have failed here before this start of the agent: the next one waits until then. */
  bootstrapDueMs = 0;
  /** A restored cluster that is not open yet; null: there is none. */
  restored: RestoredCluster | null = null;
  /** How often its server has ended in its recovery. */
  #recoveryEnds = 0;
  /** Ends of rewinds since the start of the agent. */
  readonly rewinds = { ok: 0, failed: 0 };
  divergence: PostgresView["divergence"] = null;
  readonly loss: LossMemory = { other: null, taken: null, last: null };
  /**
   * The timeline of a primary against which pg_rewind found nothing to do; null: none. It goes by the control
   * file, which a server that was killed right after its promotion has left on the old timeline, while
   * recovery goes on to the new one.
   */
  rewoundInVain: number | null = null;
  /** The rewind that is about to fail, or has failed last, had no room on the disk. */
  rewindLacksRoom = false;
  timelineHistory: PostgresView["timelineHistory"] = [];
  stagedSlots: readonly string[] = [];
  /** MiB of WAL that slots may hold, where nobody has set it; null: not measured yet. */
  walBudgetMib: number | null = null;
  pendingRestart: PendingRestart | null = null;
  /** The synchronous ones. */
  readonly standbys = new SyncMemory(() => this.server);
  lastLookMs: number | null = null;
  /** The server has ended, and what it left on disk has not been read yet. */
  settling = false;
  /** When the directory was last read; null: not yet. */
  surveyedMs: number | null = null;
  server: ServerMemory | null = null;
  /** How many servers in a row have ended by themselves right after their start. */
  #endedSoon = 0;
  /** How many servers there have been. */
  servers = 0;

  /** Another postmaster than before, or none. */
  track(pid: number | null): void {
    if (pid === (this.server?.pid ?? null)) return;
    const isStarted = ["start", "restart", "promote"].includes(this.action?.kind ?? "");
    const startsWaiting = this.startsWaiting && isStarted;
    this.server = pid === null ? null : newServer(pid, this.diskEnd, startsWaiting);
    if (pid !== null) this.servers++;
    this.pendingRestart = null;
    this.displaced = null;
    // A server that has ended may have written since its history was compared, promoted by somebody else.
    if (this.divergence?.verdict === "same") this.divergence = null;
  }

  /**
   * The files that the last start was begun with name synchronous standbys: the checkpointer of that server
   * has every commit wait from its own start on. What is wanted since then says nothing about it.
   */
  startsWaiting = false;

  get following(): Upstream | null {
    return this.#following;
  }

  set following(upstream: Upstream | null) {
    this.#following = upstream;
    this.#isUpstreamKnown = true;
    this.#mayReceive = false;
  }

  /**
   * The files name nobody, and its WAL receiver is not proven gone. It follows nobody all the same: a member
   * that counted as followed would not be set as the upstream again.
   */
  followsNobodyYet(): void {
    this.following = null;
    this.#mayReceive = true;
  }

  /** The files name no upstream, no change of that is under way, and no WAL receiver lives or is to come. */
  #isCutOff(status: ServerStatus | null): boolean {
    return this.#isUpstreamKnown && this.#following === null && !this.#mayReceive && this.repointing === 0 &&
      (status?.receiverPid ?? null) === null;
  }

  get sync(): SyncSetting {
    return this.standbys.setting;
  }

  set sync(setting: SyncSetting) {
    this.standbys.setting = setting;
  }

  /** The work of the running action goes on. */
  moved(kind: LongAction, nowMs: number): void {
    if (this.action?.kind === kind) this.action = { ...this.action, movedMs: nowMs };
  }

  /** How an action ended: `failed` is what went wrong, null nothing. `from`: the source of a clone. */
  note(
    kind: LongAction | QuietAction,
    failed: string | null,
    detail: string,
    atMs: number,
    from?: string,
  ): void {
    if (kind === "rewind") this.rewinds[failed === null ? "ok" : "failed"]++;
    const failures = failed === null ? 0 : (this.last[kind]?.failures ?? 0) + 1;
    const source = from === undefined ? {} : { from };
    const room = kind === "rewind" && failed !== null && this.rewindLacksRoom
      ? { lacksRoom: true } as const
      : {};
    this.last[kind] = {
      kind,
      ok: failed === null,
      atMs,
      detail: failed ?? detail,
      failures,
      ...source,
      ...room,
    };
    if (kind !== "promote") return;
    const timeline = this.server?.status?.timeline ?? this.found.control?.timeline ?? null;
    this.#promotionFailedOn = failed === null ? null : timeline;
  }

  /** Another member was promoted since a promotion failed here: the next one is no repetition. */
  #forgetPromotion({ replicationState, receiverTimeline }: ServerStatus): void {
    if (this.#promotionFailedOn === null || replicationState !== "streaming") return;
    if ((receiverTimeline ?? 0) <= this.#promotionFailedOn) return;
    this.#promotionFailedOn = null;
    delete this.last.promote;
  }

  /** An answer of the server that is tracked. `syncTurn`: as it was when it was asked. */
  seen(answer: ServerStatus, nowMs: number, syncTurn = this.standbys.turn): void {
    const { server } = this;
    if (server === null) return;
    this.lastLookMs = nowMs;
    this.#forgetPromotion(answer);
    // Without a WAL receiver a standby names the timeline of its last checkpoint, which may be an older one.
    // A server never goes back to an older timeline while it runs.
    const timeline = Math.max(answer.timeline ?? 0, server.status?.timeline ?? 0);
    const status = { ...answer, timeline: timeline === 0 ? null : timeline };
    if (status.inRecovery) {
      const lsn = Math.max(status.receiveLsn ?? 0, status.replayLsn ?? 0, floorOn(server.floor, timeline));
      // On a new timeline, WAL of the old one beyond the switch does not count any more.
      const before = server.received?.timeline === timeline ? server.received.lsn : 0;
      server.received = { timeline, lsn: Math.max(lsn, before) };
      // PostgreSQL asks for WAL once it has replayed all that its disk has.
      const hasAll = status.replicationState === "streaming" && status.receiverPid !== null;
      if (hasAll && !isWhole(server.floor)) server.floor = server.received;
      server.replayedLsn = Math.max(status.replayLsn ?? 0, server.replayedLsn ?? 0);
    }
    if (status.flushed !== undefined) server.flushed = status.flushed;
    if (status.syncNames !== undefined) this.standbys.seen(status.syncNames, syncTurn);
    server.ready = true;
    server.status = status;
  }

  /**
   * A server has ended by itself. One that does so right after its start, again and again (a full disk, a
   * broken page), counts as one that did not start, so that the pause before the next start grows. The first
   * one is started again at once: that may have been anything.
   */
  endedByItself(nowMs: number, exitCode: number | null = null): void {
    this.failure = "crashed";
    this.#unaskedEndMs = nowMs;
    const { start } = this.last;
    if (start === undefined || !start.ok) return;
    // A recovery that cannot go on (a target that is not reached, WAL that is not there) ends in the same way
    // each time, however long it took.
    if (this.restored !== null && exitCode !== null && exitCode !== 0) {
      const detail = "PostgreSQL ended in its recovery: its log says why";
      const failures = ++this.#recoveryEnds;
      this.last = { ...this.last, start: { ...start, ok: false, atMs: nowMs, detail, failures } };
      return;
    }
    const livedMs = nowMs - start.atMs;
    this.#endedSoon = livedMs < LASTS_MS ? this.#endedSoon + 1 : 0;
    if (this.#endedSoon < 2) return;
    const detail = `PostgreSQL ended ${(livedMs / 1000).toFixed(1)} s after its start: its log says why`;
    this.last = {
      ...this.last,
      start: { ...start, ok: false, atMs: nowMs, detail, failures: this.#endedSoon - 1 },
    };
  }

  /**
   * A server was ended with its lease while it was starting. That says nothing about the recovery of a
   * restored cluster, which goes on under the next lease: only ends of its own count in a row.
   */
  endedWithLease(): void {
    if (this.restored !== null) delete this.last.start;
  }

  /** The shutdown of the server that is tracked has come so far. */
  shutdownAt(stage: Shutdown["stage"], nowMs: number): void {
    const { server } = this;
    if (server === null || server.shutdown?.stage === stage) return;
    const before = server.shutdown;
    const beganMs = before === null || before.stage === "announced" ? nowMs : before.beganMs;
    server.shutdown = { stage, beganMs, stageMs: nowMs };
  }

  /**
   * `paused`: nothing is started on the agent's own initiative, so a server that ended by itself is just
   * stopped.
   */
  view(guard: GuardView, paused = false): PostgresView {
    const { server, found } = this;
    const { postmaster } = guard;
    const process = this.#process(guard);
    const up = server !== null && server.pid === postmaster?.pid;
    const status = up ? server.status : null;
    const standby = status?.inRecovery ?? false;
    const primary = status !== null && !status.inRecovery;
    const stopped = process === "none";
    return {
      directory: found.directory,
      process,
      doomed: guard.doomed ?? false,
      writable: postmaster?.writable ?? false,
      epoch: postmaster?.epoch ?? null,
      foundUnder: postmaster?.foundUnder ?? null,
      inRecovery: status?.inRecovery ?? null,
      timeline: status?.timeline ?? this.diskEnd?.timeline ?? found.control?.timeline ?? null,
      walLsn: primary ? status.walLsn : null,
      // For a stopped server: the end of valid WAL on its disk, by which a successor is chosen.
      receivedLsn: stopped ? this.diskEnd?.lsn ?? null : standby && up ? server.received?.lsn ?? null : null,
      replayedLsn: standby && up ? server.replayedLsn : null,
      walEnd: stopped ? isWhole(this.diskEnd) ? this.diskEnd : null : standby && up ? furthest(server) : null,
      replayedAt: status?.replayedAt ?? null,
      replayPaused: status?.replayPaused ?? false,
      replicationState: status?.replicationState ?? null,
      following: this.following?.name ?? null,
      cutOff: this.#isCutOff(status),
      followingUrl: this.following?.connUrl ?? null,
      lastLookMs: this.lastLookMs,
      postmasterStartTime: status?.startedAt ?? null,
      serverVersion: status?.serverVersion ?? null,
      systemId: status?.systemId ?? found.control?.systemId ?? null,
      pendingRestart: this.pendingRestart,
      crashedAtMs: this.crashedAtMs,
      ...(this.#unaskedEndMs === null ? {} : { unaskedEndMs: this.#unaskedEndMs }),
      action: this.action,
      shutdown: up ? server.shutdown : null,
      last: { ...this.last },
      bootstrapDueMs: this.bootstrapDueMs,
      displaced: up ? this.displaced : null,
      checkpointAfterPromote: status !== null && status.checkpointTimeline === status.timeline,
      divergence: this.divergence,
      ...(this.rewoundInVain === null ? {} : { rewoundInVain: true }),
      ...(this.loss.last === null ? {} : { lost: this.loss.last }),
      timelineHistory: this.timelineHistory,
      state: this.#state(process, paused),
      replication: status?.replication ?? [],
      slots: up ? server.slots : [],
      wroteUnder: up ? server.wroteUnder : null,
      stagedSlots: this.stagedSlots,
      sync: this.standbys.view(up ? server : null),
    };
  }

  get #starting(): PostgresState {
    return this.restored === null ? "starting" : "starting after custom bootstrap";
  }

  #process(guard: GuardView): PostgresView["process"] {
    const { postmaster } = guard;
    // Before the guard's first answer it is unknown whether a server runs: nothing may be started.
    if (guard.state === "none" && guard.lastAnswerMs === null) return "starting";
    if (postmaster !== null) return this.#serverProcess(postmaster);
    if (guard.anyProcess) return "orphans";
    if (this.settling) return "stopping";
    return this.surveyedMs !== null ? "none" : "starting";
  }

  #serverProcess(postmaster: Postmaster): PostgresView["process"] {
    if (postmaster.phase === "frozen") return "frozen";
    const own = this.server?.pid === postmaster.pid ? this.server : null;
    if (postmaster.phase === "ending" || own?.shutdown) return "stopping";
    return own?.ready ? "running" : "starting";
  }

  #state(process: PostgresView["process"], paused: boolean): PostgresState {
    switch (this.action?.kind) {
      case "bootstrap":
      case "finish-bootstrap":
        return this.customBootstrap ? "running custom bootstrap script" : "initializing new cluster";
      case "clone":
        return "creating replica";
      case "start":
        return this.#starting;
      case "restart":
        return "restarting";
      case "stop":
        // Prepared by a CHECKPOINT, it is a running primary still.
        if (process !== "running") return "stopping";
    }
    switch (process) {
      case "running":
      case "frozen":
        return "running";
      case "starting":
        return this.#starting;
      case "stopping":
      case "orphans":
        return "stopping";
      case "none": {
        const state = this.failure ?? (this.crashedAtMs !== null ? "crashed" : "stopped");
        return paused && state === "crashed" ? "stopped" : state;
      }
    }
  }
}

function floorOn(floor: WalEnd | null, timeline: number): Lsn {
  return floor !== null && floor.timeline === timeline ? floor.lsn : 0;
}
