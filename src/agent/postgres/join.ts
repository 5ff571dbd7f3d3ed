/**
 * Makes or replaces the data directory: bootstrap, rewind and set aside (comparison.ts decides between them,
 * copy.ts makes copies). Never while a process of PostgreSQL may live in it. Each
 * operation resolves to null, or to a text that says what went wrong.
 */
import type { PostgresAction } from "../../brain/actions.ts";
import type { Upstream } from "../../model/upstream.ts";
import { unavailableBootstrap } from "../../config/unavailable.ts";
import { archiveReady } from "../../postgres/archive_ready.ts";
import { wasShutDown } from "../../postgres/control_file.ts";
import { exists, join } from "../../postgres/disk.ts";
import { initializeDirectory } from "../../postgres/initdb.ts";
import { hasSeveralHosts } from "../../postgres/recovery_settings.ts";
import { owesCheckpoint } from "../../postgres/replication_source.ts";
import { rewindDirectory, whyNoRewind } from "../../postgres/rewind.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import { singleUserArguments } from "../../postgres/single_user.ts";
import { forgetMadeSlots } from "../../postgres/made_slots.ts";
import { clearUnfinished, stagingPath } from "../../postgres/staging.ts";
import { upstreamConninfo } from "../../postgres/upstream.ts";
import { walRoom } from "../../postgres/wal_budget.ts";
import { hasArchive, HistoryComparison, settingOf } from "./comparison.ts";
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
import { WalLoss } from "./loss.ts";
import type { PostgresRun } from "./run.ts";
import { CANCELLED } from "./stop.ts";
import { ask } from "./wait.ts";

/** A failed rewind with less room than this has failed for the lack of it. */
const ROOM_SEGMENTS = 4;

type SetAside = Extract<PostgresAction, { readonly kind: "set-aside" }>;

export class PostgresJoin {
  readonly #context: PostgresContext;
  readonly #run: PostgresRun;
  readonly comparison: HistoryComparison;
  readonly #loss: WalLoss;

  constructor(context: PostgresContext, run: PostgresRun) {
    this.#context = context;
    this.#run = run;
    this.comparison = new HistoryComparison(context);
    this.#loss = new WalLoss(context);
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

  /**
   * A full disk fails it, and says nothing of whether it is possible: the copy that would take its place
   * needs more room. Nothing is changed without room for one segment, so that what is lost can still be kept.
   */
  async rewind(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
    const { memory } = this.#context.parts;
    await this.#context.survey();
    const full = await this.#whyNoRoom(1);
    memory.rewindLacksRoom = full !== null;
    if (full !== null) return full;
    const failed = await this.#rewindNow(from, signal, progress);
    // One that was cut short has no valid directory, and another rule.
    if (failed !== null && memory.found.directory.kind === "valid") {
      memory.rewindLacksRoom = await this.#whyNoRoom(ROOM_SEGMENTS) !== null;
    }
    return failed;
  }

  async #whyNoRoom(segments: number): Promise<string | null> {
    const { dataDir, parts: { memory: { found: { control } } } } = this.#context;
    if (control === null) return null;
    const { freeBytes } = await walRoom(dataDir, control.segmentBytes);
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    return freeBytes >= segments * control.segmentBytes
      ? null
      : `the disk is full: ${mib(freeBytes)} are free for pg_wal, and a rewind begins with ` +
        `${mib(segments * control.segmentBytes)}. Make room`;
  }

  async #rewindNow(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
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
    // Before the crash recovery: its checkpoint adds WAL, and may remove some.
    await this.#loss.note(signal, progress);
    if (signal.aborted) return CANCELLED;
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
      restoreWal: hasArchive(context) &&
        (programs.major >= 15 || postgresql.configDir === postgresql.dataDir),
      whyGone: (lsn) => this.comparison.whyGone(from, lsn),
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
    if (directory.kind === "valid") await this.#loss.note();
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

  async #archive(signal: AbortSignal): Promise<void> {
    const failed = await archiveReady({
      dataDir: this.#context.dataDir,
      archiveMode: settingOf(this.#context, "archive_mode"),
      command: settingOf(this.#context, "archive_command"),
      signal,
    });
    if (failed !== null) this.#context.warn(`WAL that was not archived yet: ${failed}`);
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
