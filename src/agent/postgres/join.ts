/**
 * Makes or replaces the data directory: bootstrap, copy, rewind, set aside, and the comparison of histories
 * that decides between them. Never while a process of PostgreSQL may live in it. Each operation resolves to
 * null, or to a text that says what went wrong.
 */
import type { Upstream } from "../../brain/actions.ts";
import { unavailableBootstrap } from "../../config/unavailable.ts";
import { archiveReady } from "../../postgres/archive_ready.ts";
import { cloneDirectory } from "../../postgres/basebackup.ts";
import { wasShutDown } from "../../postgres/control_file.ts";
import { wroteAlone } from "../../postgres/data_directory.ts";
import { exists, join } from "../../postgres/disk.ts";
import { errorText } from "../../postgres/error_text.ts";
import { compareHistories, type LocalPosition } from "../../postgres/history.ts";
import { initializeDirectory } from "../../postgres/initdb.ts";
import { ReplicationSource } from "../../postgres/replication_source.ts";
import { rewindDirectory, whyNoRewind } from "../../postgres/rewind.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import { prune, setAside } from "../../postgres/set_aside.ts";
import { singleUserArguments } from "../../postgres/single_user.ts";
import { forgetMadeSlots } from "../../postgres/slots.ts";
import { slotName } from "../../model/slot_name.ts";
import { clearUnfinished, prepareDataDir, stagingPath } from "../../postgres/staging.ts";
import { upstreamConninfo } from "../../postgres/upstream.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresRun } from "./run.ts";
import { CANCELLED } from "./stop.ts";
import { ask } from "./wait.ts";

export type Progress = (detail: string) => void;

export class PostgresJoin {
  readonly #context: PostgresContext;
  readonly #run: PostgresRun;

  constructor(context: PostgresContext, run: PostgresRun) {
    this.#context = context;
    this.#run = run;
  }

  async bootstrap(signal: AbortSignal): Promise<string | null> {
    const context = this.#context;
    const { programs, local, postgresql, marker, ownDir, memory } = context.parts;
    const busy = await this.#whyNotMine();
    if (busy !== null) return busy;
    memory.failure = "initdb failed";
    const unavailable = unavailableBootstrap(local.bootstrap, context.dynamic);
    if (unavailable !== null) return unavailable;
    const failed = await initializeDirectory({
      programs,
      local,
      postgresql,
      marker,
      ownDir,
      signal,
      warn: context.warn,
    });
    if (failed === null) memory.failure = null;
    this.#forgetHistory();
    await context.survey();
    return failed;
  }

  async clone(from: Upstream, signal: AbortSignal, progress: Progress): Promise<string | null> {
    const context = this.#context;
    const { programs, postgresql, marker, pgpass, local, files } = context.parts;
    const busy = await this.#whyNotMine();
    if (busy !== null) return busy;
    pgpass.allow(from.connUrl);
    const conninfo = this.#conninfo(from, "replication");
    if (conninfo === null) return `${from.name} has no usable address: ${from.connUrl}`;
    context.info(`trying to bootstrap from leader '${from.name}'`);
    const failed = await cloneDirectory({
      programs,
      postgresql,
      marker,
      from,
      conninfo,
      passfile: pgpass.path,
      applicationName: local.name,
      slot: context.dynamic.postgresql.useSlots ? slotName(local.name) : null,
      signal,
      onProgress: (text) => progress(`from ${from.name}, ${text}`),
      warn: context.warn,
    });
    if (failed === null) {
      files.markStandby();
      forgetMadeSlots(postgresql.dataDir);
      await marker.remove();
      context.info("replica has been created using basebackup");
    } else if (/no space left/i.test(failed)) {
      const keep = this.#mayRemove() ? 0 : 1;
      await prune(postgresql.dataDir, keep, context.info);
    }
    this.#forgetHistory();
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
    const conninfo = this.#conninfo(from, "rewind");
    if (conninfo === null) return `${from.name} has no usable address: ${from.connUrl}`;
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
      restoreWal: this.#setting("restore_command") !== "",
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
      this.#forgetHistory();
      if (!result.needed) memory.rewoundInVain = primary;
    }
    await context.survey();
    if (result.ok) return null;
    return result.damaged ? `${result.error} (the data directory is half-written now)` : result.error;
  }

  /** The keeper may ask for it again while it is at work. */
  async setAside(why: string, onRequest: boolean): Promise<string | null> {
    const context = this.#context;
    const { postgresql, marker, memory } = context.parts;
    const busy = await context.takeDirectory();
    if (busy !== null) return busy;
    await context.survey();
    const { directory } = memory.found;
    if (directory.kind === "absent" || directory.kind === "empty") return null;
    const begun = directory.kind === "half-written" ? directory.what : null;
    if (begun === "clone" || (begun === "bootstrap" && !this.#isInitialized())) {
      // Half a copy, or what initdb had not finished, is nothing that anybody could want back.
      context.info(`removing an unfinished ${begun} from ${postgresql.dataDir}`);
      await clearUnfinished(postgresql.dataDir, marker);
      await marker.remove();
    } else {
      context.warn(`the data directory is set aside: ${why}`);
      await setAside({
        dataDir: postgresql.dataDir,
        now: new Date(),
        mayRemove: onRequest || this.#mayRemove(),
        beforeRemoval: (parts) => marker.write("clone", null, parts),
        info: context.info,
      });
      marker.forget();
    }
    this.#forgetHistory();
    memory.following = null;
    await context.survey();
    return null;
  }

  async compareHistory(other: Upstream): Promise<void> {
    const { clock, memory, changed, postgresql, local } = this.#context.parts;
    const note = (
      timelineOfOther: number,
      verdict: "same" | "diverged" | "unknown",
      detail: string,
      noRewind?: string,
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
      };
      changed();
    };
    const position = await this.#position();
    if (position === null) return note(0, "unknown", "this member's position is not known");
    let source: ReplicationSource | null = null;
    try {
      source = await ReplicationSource.open(other.connUrl, postgresql.replication, local.name);
      const identity = await source.identify();
      const history = await source.history(identity.timeline);
      const compared = compareHistories(position, { ...identity, history });
      const { verdict, detail } = compared;
      const noRewind = memory.rewoundInVain === identity.timeline
        ? "pg_rewind finds nothing to do"
        : compared.noRewind;
      note(identity.timeline, verdict, detail, noRewind);
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
    if (guard.view().postmaster !== null) {
      const status = memory.server?.status ?? null;
      const lsn = status?.inRecovery ? status.replayLsn : status?.walLsn;
      if (!status?.systemId || status.timeline === null || !lsn) return null;
      return { systemId: status.systemId, timeline: status.timeline, lsn, wroteAlone: alone };
    }
    const { control, directory } = memory.found;
    if (control === null || directory.kind !== "valid") return null;
    const { systemId, timeline } = control;
    if (control.clusterState.endsWith("recovery") && control.clusterState !== "in crash recovery") {
      return { systemId, timeline, lsn: control.minRecoveryLsn || control.redoLsn, wroteAlone: alone };
    }
    if (memory.diskEnd === null) await context.readWalEnd();
    return memory.diskEnd === null
      ? null
      : { systemId, timeline, lsn: memory.diskEnd.lsn, wroteAlone: alone };
  }

  /** pg_rewind works only on what a completed shutdown checkpoint has left. */
  async #shutDownCleanly(signal: AbortSignal, progress: Progress): Promise<string | null> {
    const context = this.#context;
    const { memory, programs, files, guard, clock } = context.parts;
    const { control } = memory.found;
    if (control === null || wasShutDown(control)) return null;
    if (control.clusterState === "in archive recovery") {
      progress("ending recovery");
      const started = await this.#run.start(null, null, signal);
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
    // The guard starts it as it starts any server: it is PostgreSQL in the data directory, although it serves
    // nobody.
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

  #conninfo(from: Upstream, as: "replication" | "rewind"): string | null {
    const { postgresql, pgpass, local, programs } = this.#context.parts;
    return upstreamConninfo({
      upstream: from,
      credentials: postgresql[as],
      passfile: pgpass.path,
      applicationName: local.name,
      major: programs.major,
      database: as === "rewind" ? "postgres" : null,
    });
  }

  /** null: the directory is there, empty of what anybody could want, and this agent has its lock. */
  async #whyNotMine(): Promise<string | null> {
    const context = this.#context;
    const unusable = context.whyBusy() ?? await this.#whyNotEmpty();
    if (unusable !== null) return unusable;
    prepareDataDir(context.dataDir);
    return await context.takeDirectory();
  }

  async #whyNotEmpty(): Promise<string | null> {
    await this.#context.survey();
    const { directory } = this.#context.parts.memory.found;
    if (directory.kind === "absent" || directory.kind === "empty") return null;
    if (directory.kind === "half-written" && directory.what !== "rewind") return null;
    return `the data directory is not empty (${directory.kind})`;
  }

  /** initdb has finished, and what it made was moved up. */
  #isInitialized(): boolean {
    const { dataDir } = this.#context;
    return !exists(stagingPath(dataDir)) && exists(join(dataDir, "PG_VERSION"));
  }

  #mayRemove(): boolean {
    const { postgresql } = this.#context.parts;
    return postgresql.removeDataDirectoryOnRewindFailure || postgresql.removeDataDirectoryOnDivergedTimelines;
  }

  #forgetHistory(): void {
    const { memory } = this.#context.parts;
    memory.divergence = memory.rewoundInVain = null;
    memory.crashedAtMs = null;
  }
}
