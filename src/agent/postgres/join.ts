/**
 * Makes or replaces the data directory: bootstrap, rewind, set aside, and the comparison of histories that
 * decides between them (copy.ts makes copies). Never while a process of PostgreSQL may live in it. Each
 * operation resolves to null, or to a text that says what went wrong.
 */
import type { PostgresAction } from "../../brain/actions.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { Upstream } from "../../model/upstream.ts";
import { unavailableBootstrap } from "../../config/unavailable.ts";
import { archiveReady } from "../../postgres/archive_ready.ts";
import { wasShutDown } from "../../postgres/control_file.ts";
import { historyOnDisk, wroteAlone } from "../../postgres/data_directory.ts";
import { exists, join } from "../../postgres/disk.ts";
import { errorText } from "../../postgres/error_text.ts";
import {
  compareHistories,
  type HistoryVerdict,
  type LocalPosition,
  ONE_TIMELINE,
} from "../../postgres/history.ts";
import { initializeDirectory } from "../../postgres/initdb.ts";
import { hasSeveralHosts } from "../../postgres/recovery_settings.ts";
import { owesCheckpoint, ReplicationSource } from "../../postgres/replication_source.ts";
import { rewindDirectory, whyNoRewind } from "../../postgres/rewind.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import { singleUserArguments } from "../../postgres/single_user.ts";
import { forgetMadeSlots } from "../../postgres/made_slots.ts";
import { holdsWal, segmentName } from "../../postgres/source_wal.ts";
import { clearUnfinished, stagingPath } from "../../postgres/staging.ts";
import { compareWal } from "../../postgres/same_wal.ts";
import { upstreamConninfo } from "../../postgres/upstream.ts";
import type { PostgresContext } from "./context.ts";
import type { Progress } from "./copy.ts";
import { customBootstrap } from "./custom_bootstrap.ts";
import {
  forgetHistory,
  mayRemoveDirectory,
  moveAside,
  moveCommandsDataAway,
  whyNotMine,
} from "./empty_directory.ts";
import type { PostgresRun } from "./run.ts";
import { CANCELLED } from "./stop.ts";
import { ask } from "./wait.ts";

type SetAside = Extract<PostgresAction, { readonly kind: "set-aside" }>;

export class PostgresJoin {
  readonly #context: PostgresContext;
  readonly #run: PostgresRun;

  constructor(context: PostgresContext, run: PostgresRun) {
    this.#context = context;
    this.#run = run;
  }

  async bootstrap(signal: AbortSignal): Promise<string | null> {
    const context = this.#context;
    const { programs, local, postgresql, marker, ownDir, memory, tries } = context.parts;
    const busy = await whyNotMine(context);
    if (busy !== null) return busy;
    const { custom = null } = local.bootstrap;
    memory.customBootstrap = custom !== null;
    const unavailable = unavailableBootstrap(context.dynamic) ?? await moveCommandsDataAway(context);
    if (unavailable !== null) return unavailable;
    const { warn } = context;
    tries.begin(Date.now());
    const failed = custom !== null
      ? await customBootstrap(context, custom, signal)
      : await initializeDirectory({ programs, local, postgresql, marker, ownDir, signal, warn });
    if (failed === null) memory.failure = null;
    else tries.failed(Date.now());
    forgetHistory(context);
    await context.survey();
    return failed;
  }

  async rewind(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
    const context = this.#context;
    const { programs, postgresql, marker, pgpass, files, memory } = context.parts;
    const busy = await context.takeDirectory();
    if (busy !== null) return busy;
    await context.survey();
    const { directory } = memory.found;
    if (directory.kind !== "valid") return `the data directory is ${directory.kind}`;
    const impossible = whyNoRewind(directory.control);
    if (impossible !== null) return impossible;
    pgpass.allow(from.connUrl);
    const conninfo = this.#conninfo(from);
    if (conninfo === null) return `${from.name} has no usable address: ${from.connUrl}`;
    if (from.remote && await this.#owesCheckpoint(from)) return null;
    await context.writeConfig(() => NO_RECOVERY);
    const unclean = await this.#shutDownCleanly(signal, progress);
    if (unclean !== null) return unclean;
    if (signal.aborted) return CANCELLED;
    await this.#archive(signal);
    context.info(`running pg_rewind from ${from.name}`);
    const result = await rewindDirectory({
      programs,
      dataDir: postgresql.dataDir,
      configFile: files.file,
      // Before 15 pg_rewind reads the command from a postgresql.conf in the data directory.
      restoreWal: this.#hasArchive && (programs.major >= 15 || postgresql.configDir === postgresql.dataDir),
      whyGone: (lsn) => this.#whyGone(from, lsn),
      marker,
      conninfo,
      passfile: pgpass.path,
      signal,
      onProgress: progress,
    });
    if (result.ok) {
      files.unmarkWroteAlone();
      files.markStandby();
      if (result.needed) {
        forgetMadeSlots(postgresql.dataDir);
        await marker.remove();
      }
      context.info(result.needed ? "pg_rewind is done" : "no rewind required");
      const primary = memory.divergence?.timelineOfOther ?? null;
      forgetHistory(context);
      if (!result.needed) memory.rewoundInVain = primary;
    }
    await context.survey();
    if (result.ok) return null;
    return result.damaged ? `${result.error} (the data directory is half-written now)` : result.error;
  }

  /**
   * Until its first checkpoint after a promotion a server's control file names the old timeline, and
   * pg_rewind would find nothing to do. No status tells that of a remote primary. The histories are compared
   * again then.
   */
  async #owesCheckpoint(remote: Upstream): Promise<boolean> {
    const context = this.#context;
    const { postgresql: { rewind: credentials }, local, memory, clock } = context.parts;
    if (!await owesCheckpoint(remote.connUrl, credentials, local.name)) return false;
    const detail = `${remote.name} has not made a checkpoint since its promotion: waiting before the rewind`;
    context.info(detail);
    memory.divergence = {
      from: remote.name,
      timelineOfOther: memory.divergence?.timelineOfOther ?? 0,
      verdict: "unknown",
      detail,
      atMs: clock.now(),
    };
    return true;
  }

  /** The keeper may ask for it again while it is at work. */
  async setAside({ why, onRequest, after, keep }: Omit<SetAside, "kind">): Promise<string | null> {
    const context = this.#context;
    const { postgresql, marker, memory } = context.parts;
    const busy = await context.takeDirectory();
    if (busy !== null) return busy;
    await context.survey();
    const { directory } = memory.found;
    if (directory.kind === "absent" || directory.kind === "empty") return null;
    const begun = directory.kind === "half-written" ? directory.what : null;
    const mayRemove = onRequest === true || mayRemoveDirectory(context, after);
    const byCommand = marker.read()?.content === "command";
    if (keep || (byCommand && begun === "clone" && this.#goesOn())) {
      // The next copy begins with a method that goes on from it, and moves it aside where that fails.
      await marker.writeForCommand("clone", null, [], "kept");
    } else if (byCommand) await moveAside(context, why, mayRemove);
    else if (begun === "clone" || (begun === "bootstrap" && !this.#isInitialized())) {
      // Half a copy, or an unfinished initdb, holds nothing worth keeping.
      context.info(`removing an unfinished ${begun} from ${postgresql.dataDir}`);
      await clearUnfinished(postgresql.dataDir, marker);
      await marker.remove();
    } else {
      await moveAside(context, why, mayRemove);
    }
    forgetHistory(context);
    memory.following = null;
    await context.survey();
    return null;
  }

  /** The directory is a part of the history of the cluster of that founding. */
  async joined(founding: string): Promise<string | null> {
    const { files } = this.#context.parts;
    files.unmarkFormerPrimary();
    await files.markJoined(founding);
    await this.#context.survey();
    return null;
  }

  /** `content`: WAL itself is compared as well, where both are on one timeline. */
  async compareHistory(other: Upstream, content = false): Promise<void> {
    const { clock, memory, changed, postgresql, local } = this.#context.parts;
    const note = (
      timelineOfOther: number,
      verdict: "same" | "diverged" | "unknown",
      detail: string,
      { noRewind, walGone }: { readonly noRewind?: string; readonly walGone?: string } = {},
    ) => {
      const known = memory.divergence;
      if (known?.verdict !== verdict || known.from !== other.name) {
        this.#context.info(`history compared with ${other.name}: ${verdict} (${detail})`);
      }
      memory.divergence = {
        from: other.name,
        timelineOfOther,
        verdict,
        detail,
        atMs: clock.now(),
        ...(noRewind === undefined ? {} : { noRewind }),
        ...(walGone === undefined ? {} : { walGone }),
      };
      changed();
    };
    const position = await this.#position();
    if (position === null) return note(0, "unknown", "this member's position is not known");
    let source: ReplicationSource | null = null;
    try {
      const open = other.remote ? ReplicationSource.openPrimary : ReplicationSource.open;
      source = await open(other.connUrl, postgresql.replication, local.name);
      const identity = await source.identify();
      const history = await source.history(identity.timeline);
      const inRecovery = await source.inRecovery();
      const end = content ? this.#endOnDisk(position) : position;
      const compared = await this.#withContent(
        compareHistories(end, { ...identity, history, inRecovery }),
        content && end.timeline === identity.timeline && !inRecovery ? end : null,
        other,
      );
      const { verdict, detail } = compared;
      const noRewind = memory.rewoundInVain === identity.timeline
        ? "pg_rewind finds nothing to do"
        : compared.noRewind;
      const next = Math.max(position.lsn, memory.server?.received?.lsn ?? memory.diskEnd?.lsn ?? 0);
      // At the other's own end the next segment may not be there yet.
      const isBehind = verdict === "same" && next < identity.lsn;
      const walGone = isBehind ? await this.#whyGone(other, next) ?? undefined : undefined;
      note(identity.timeline, verdict, detail, { noRewind, walGone });
    } catch (error) {
      note(0, "unknown", `${other.name}: ${errorText(error)}`);
    } finally {
      source?.close();
    }
  }

  /** How far the local history goes, by the rules for standbys (replayed) and former primaries (written). */
  async #position(): Promise<LocalPosition | null> {
    const context = this.#context;
    const { memory, guard } = context.parts;
    const alone = wroteAlone(context.dataDir);
    const history = (timeline: number) => historyOnDisk(context.dataDir, timeline);
    if (guard.view().postmaster !== null) {
      const status = memory.server?.status ?? null;
      const lsn = status?.inRecovery ? status.replayLsn : status?.walLsn;
      if (!status?.systemId || status.timeline === null || !lsn) return null;
      const { systemId, timeline } = status;
      return { systemId, timeline, lsn, wroteAlone: alone, history: history(timeline) };
    }
    const { control, directory } = memory.found;
    if (control === null || directory.kind !== "valid") return null;
    const { systemId, timeline } = control;
    if (control.clusterState.endsWith("recovery") && control.clusterState !== "in crash recovery") {
      const lsn = control.minRecoveryLsn || control.redoLsn;
      return { systemId, timeline, lsn, wroteAlone: alone, history: history(timeline) };
    }
    if (memory.diskEnd === null) await context.readWalEnd();
    return memory.diskEnd === null
      ? null
      : { systemId, timeline, lsn: memory.diskEnd.lsn, wroteAlone: alone, history: history(timeline) };
  }

  /**
   * A standby that starts replays what its disk holds before it streams. That may be on a later timeline than
   * the control file's, which names the one of the last checkpoint.
   */
  #endOnDisk(position: LocalPosition): LocalPosition {
    const { dataDir, parts: { memory: { diskEnd } } } = this.#context;
    if (diskEnd === null || diskEnd.timeline < position.timeline) return position;
    const { timeline, lsn } = diskEnd;
    if (timeline === position.timeline) return { ...position, lsn: Math.max(position.lsn, lsn) };
    return { ...position, timeline, lsn, history: historyOnDisk(dataDir, timeline) };
  }

  /** `at`: where WAL is compared as well; null: it is not. */
  async #withContent(
    verdict: HistoryVerdict,
    at: LocalPosition | null,
    other: Upstream,
  ): Promise<HistoryVerdict> {
    const { parts: { postgresql, local, memory }, dataDir, warn } = this.#context;
    const { control } = memory.found;
    if (verdict.verdict !== "same" || at === null || control === null) return verdict;
    const place = { dataDir, timeline: at.timeline, end: at.lsn, segmentBytes: control.segmentBytes };
    try {
      const is = await compareWal(place, other.connUrl, postgresql.rewind, local.name);
      if (is !== "different") return verdict;
    } catch (error) {
      warn(`the WAL of ${other.name} cannot be compared with this member's: ${errorText(error)}`);
      return verdict;
    }
    const detail = `this member's WAL of timeline ${at.timeline} up to ${
      formatLsn(at.lsn)
    } is not the primary's`;
    return { verdict: "diverged", detail, noRewind: ONE_TIMELINE };
  }

  /** pg_rewind works only on a directory with a completed shutdown checkpoint. */
  async #shutDownCleanly(signal: AbortSignal, progress: Progress): Promise<string | null> {
    const context = this.#context;
    const { memory, programs, files, guard, clock } = context.parts;
    const { control } = memory.found;
    if (control === null || wasShutDown(control)) return null;
    if (control.clusterState === "in archive recovery") {
      progress("ending recovery");
      const started = await this.#run.start({ epoch: null, follow: null }, signal);
      if (started !== null) return started;
      const stopped = await this.#run.ending.stop("fast", false, signal);
      await context.survey();
      return stopped;
    }
    if (exists(join(context.dataDir, "backup_label")) && programs.major >= 15) {
      return "crash recovery from a backup_label cannot be done without a server";
    }
    progress("crash recovery in single-user mode");
    context.info("doing crash recovery in a single user mode");
    files.markPrimary();
    const beganMs = clock.now();
    // The guard starts it like any server: it is PostgreSQL in the data directory, although it serves no
    // clients.
    const spec = { ...this.#run.startSpec(null), args: singleUserArguments(context.dataDir, files.file) };
    const reply = await ask((done) => guard.start(spec, done));
    if (!reply.ok) return reply.error;
    const gone = await this.#run.ending.untilGone(signal);
    if (gone !== null) return gone;
    await context.survey();
    const recovered = memory.found.control;
    if (recovered !== null && wasShutDown(recovered)) return null;
    const seconds = (clock.now() - beganMs) / 1000;
    return `crash recovery in single-user mode failed after ${
      seconds.toFixed(1)
    } s: PostgreSQL's log says why`;
  }

  get #hasArchive(): boolean {
    return this.#setting("restore_command") !== "";
  }

  /** Why `other` cannot send the WAL from `lsn` on; null: it can, or does not say. */
  async #whyGone(other: Upstream, lsn: Lsn): Promise<string | null> {
    const { postgresql, local, memory, log } = this.#context.parts;
    const { control } = memory.found;
    // With an archive the WAL may come from there.
    if (this.#hasArchive || control === null) return null;
    const segment = segmentName(lsn, control.segmentBytes);
    try {
      if (await holdsWal(other.connUrl, postgresql.rewind, local.name, segment)) return null;
    } catch (error) {
      log.debug("wal_gone", `the WAL of ${other.name}: ${errorText(error)}`);
      return null;
    }
    return `${other.name} has removed the WAL from ${formatLsn(lsn)} on that this member needs`;
  }

  async #archive(signal: AbortSignal): Promise<void> {
    const failed = await archiveReady({
      dataDir: this.#context.dataDir,
      archiveMode: this.#setting("archive_mode"),
      command: this.#setting("archive_command"),
      signal,
    });
    if (failed !== null) this.#context.warn(`WAL that was not archived yet: ${failed}`);
  }

  #setting(name: string): string {
    const { parameters, recoveryConf } = this.#context.dynamic.postgresql;
    return recoveryConf[name] ?? parameters[name] ?? "";
  }

  #conninfo(from: Upstream): string | null {
    const { postgresql, pgpass, local, programs } = this.#context.parts;
    return upstreamConninfo({
      upstream: from,
      credentials: postgresql.rewind,
      passfile: pgpass.path,
      applicationName: local.name,
      major: programs.major,
      database: "postgres",
      readWrite: from.remote === true && hasSeveralHosts(from),
    });
  }

  #goesOn(): boolean {
    const [first] = this.#context.parts.postgresql.createReplicaMethods;
    return first !== undefined && first !== "basebackup" && first.keepData;
  }

  /** initdb has finished, and its files were moved up. */
  #isInitialized(): boolean {
    const { dataDir } = this.#context;
    return !exists(stagingPath(dataDir)) && exists(join(dataDir, "PG_VERSION"));
  }
}
