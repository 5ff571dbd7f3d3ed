/** The common context of the executor's parts: one PostgreSQL, its programs, files and guard. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../../raft/mod.ts";
import type { Upstream } from "../../model/upstream.ts";
import { formatLsn, type Lsn } from "../../model/lsn.ts";
import type { ServerCertificateFiles } from "../../model/certificate.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import { errorText } from "../../postgres/error_text.ts";
import type {
  DynamicConfig,
  EffectivePostgresql,
  LocalConfig,
  PostgresqlConfig,
  ServerRole,
} from "../../model/config.ts";
import { forRole, withAccess } from "../../config/roles.ts";
import type { BootstrapTries } from "../../postgres/bootstrap_tries.ts";
import type { Callbacks } from "../../postgres/callbacks.ts";
import type { Hooks } from "../../postgres/hooks.ts";
import type { ConfigFiles } from "../../postgres/config_files.ts";
import type { ConfigInForce } from "../../postgres/config_in_force.ts";
import type { ControlFile } from "../../postgres/control_file.ts";
import { markNewData } from "../../postgres/data_id.ts";
import { type FoundDirectory, readDataDirectory } from "../../postgres/data_directory.ts";
import { type DataMark, type KnownData, type OtherData, otherDataIn } from "../../postgres/data_mark.ts";
import type { LocalServer } from "../../postgres/local_server.ts";
import type { PgpassFile } from "../../postgres/pgpass.ts";
import type { Programs } from "../../postgres/programs.ts";
import { recoverySettings, standbySettings } from "../../postgres/recovery_settings.ts";
import { NO_RECOVERY, type RecoverySettings } from "../../postgres/server_conf.ts";
import { prepareDataDir } from "../../postgres/staging.ts";
import type { UnfinishedMarker } from "../../postgres/unfinished.ts";
import { walBudgetMib, walRoom } from "../../postgres/wal_budget.ts";
import { findWalEnd, type WalEnd } from "../../postgres/wal_end.ts";
import { readingOf } from "./disk_end.ts";
import type { PostgresMemory } from "./memory.ts";
import { StrayHistories } from "./stray_histories.ts";
import { WorkQueue } from "../../lib/work_queue.ts";
import { ask, atMost } from "./wait.ts";

/** Reading the end of WAL holds up the view for this long at most; it goes on in the background. */
const WAL_END_WAIT_MS = 300;
const WAL_END_LIMIT_MS = 30_000;

export interface ContextParts {
  /** In force when they are read: a reload replaces both. */
  readonly local: LocalConfig;
  readonly postgresql: PostgresqlConfig;
  readonly config: ConfigInForce;
  readonly programs: Programs;
  readonly files: ConfigFiles;
  readonly server: LocalServer;
  readonly guard: GuardPort;
  readonly clock: Clock;
  readonly log: Log;
  readonly marker: UnfinishedMarker;
  readonly tries: BootstrapTries;
  readonly mark: DataMark;
  readonly pgpass: PgpassFile;
  readonly callbacks: Callbacks;
  readonly hooks: Hooks;
  /** Directory of the agent outside of the data directory. */
  readonly ownDir: string;
  readonly memory: PostgresMemory;
  /** Something in memory is new. */
  readonly changed: () => void;
  /** What a running server says that it uses. */
  readonly certificatesUsed: (files: ServerCertificateFiles) => void;
}

/** The role of a standby that follows `upstream`. */
export function standbyRole(upstream: Upstream | null): "standby_leader" | "replica" {
  return upstream?.remote ? "standby_leader" : "replica";
}

export class PostgresContext {
  /** Files are written by one at a time: a start, a follow and a new configuration may come together. */
  readonly #writing = new WorkQueue();
  readonly #surveying = new WorkQueue();
  /** The reading of the end of WAL that is under way, and what it is of: no second one is begun of that. */
  #reading: { readonly of: string; readonly work: Promise<void> } | null = null;
  /** Why the last one failed: said once. */
  #endFailure = "";
  #looksAtRoom = false;
  /** The settings for following a remote primary, as they were last. */
  #remote: RecoverySettings | null = null;
  /** Files have changed, and the running server was not told to reload yet. */
  reloadOwed = false;
  /** The guard was told to promote the server, which has not left recovery yet. */
  promoting = false;

  readonly parts: ContextParts;
  readonly histories: StrayHistories;
  dynamic: DynamicConfig;

  constructor(parts: ContextParts, dynamic: DynamicConfig) {
    this.parts = parts;
    this.dynamic = dynamic;
    this.histories = new StrayHistories(this);
    parts.memory.walBudgetMib = parts.files.walBudgetMib();
    parts.memory.sync = parts.files.syncSetting();
    parts.memory.standbys.keeps = dynamic.synchronousMode !== "off";
  }

  get dataDir(): string {
    return this.parts.postgresql.dataDir;
  }

  warn = (text: string): void => {
    this.parts.log.warning("postgresql", text);
  };

  info = (text: string): void => {
    this.parts.log.info("postgresql", text);
  };

  /** Reads the directory and, when no server runs in it, the end of its WAL, for which it waits so long. */
  survey(walWaitMs = WAL_END_WAIT_MS): Promise<void> {
    return this.#surveying.take(async () => {
      const { parts } = this;
      const { memory } = parts;
      const look = () =>
        readDataDirectory(parts.programs, this.dataDir, parts.marker, parts.files.isManaged());
      const { known } = parts.mark;
      let found = await look();
      if (this.#needsName(found, known)) {
        await markNewData(this.dataDir, parts.mark);
        found = await look();
      }
      // Nothing writes WAL here without changing pg_control at its end.
      if (!isDeepStrictEqual(found.control, memory.found.control)) memory.diskEnd = null;
      memory.found = found;
      if (parts.guard.view().postmaster === null && memory.diskEnd === null) {
        await atMost(parts.clock, walWaitMs, this.readWalEnd());
      }
      memory.surveyedMs = parts.clock.now();
      parts.changed();
    });
  }

  /** A directory from before data had names, or with the name of data that it does not hold. */
  #needsName({ directory }: FoundDirectory, known: KnownData): boolean {
    if (directory.kind !== "valid") return false;
    if (directory.dataId === undefined) return !directory.unmanaged;
    const other = otherDataIn(directory, known, this.dataDir);
    if (other === null) return false;
    this.warn(
      `${
        described(other, directory.control.checkpointLsn, this.dataDir)
      } It does not count as the data that this member had`,
    );
    return true;
  }

  /**
   * The end of valid WAL on disk, kept in memory while no server runs. However long it takes, it is read to
   * its end, also when a server has been started meanwhile: without it that one has no vote.
   */
  async readWalEnd(): Promise<void> {
    const { found: { control }, servers } = this.parts.memory;
    if (control === null) return;
    const of = JSON.stringify([servers, control]);
    if (this.#reading?.of !== of) this.#reading = { of, work: this.#readToEnd(control) };
    const reading = this.#reading;
    await reading.work;
    if (this.#reading === reading) this.#reading = null;
  }

  /** Never rejects. */
  async #readToEnd(control: ControlFile): Promise<void> {
    const { memory, programs, changed } = this.parts;
    const take = readingOf(memory);
    try {
      let from: WalEnd | undefined;
      for (;;) {
        const end = await findWalEnd(programs, this.dataDir, control, WAL_END_LIMIT_MS, from);
        this.#endFailure = "";
        if (!take(end)) return;
        changed();
        if (!end.isPart) return;
        if (from?.timeline === end.timeline && from.lsn === end.lsn) {
          return this.warn(`the WAL on disk cannot be read beyond ${formatLsn(end.lsn)}`);
        }
        from = end;
      }
    } catch (error) {
      const text = errorText(error);
      if (text !== this.#endFailure) this.warn(`cannot find the end of WAL on disk: ${text}`);
      this.#endFailure = text;
    }
  }

  /** How much WAL slots may hold here is known from now on. True when it has changed. */
  async lookAtRoom(): Promise<boolean> {
    const { memory } = this.parts;
    const { control } = memory.found;
    if (control === null || this.#looksAtRoom) return false;
    this.#looksAtRoom = true;
    try {
      const { freeBytes, walBytes } = await walRoom(this.dataDir, control.segmentBytes);
      const budget = walBudgetMib(freeBytes, walBytes, memory.walBudgetMib);
      const changed = budget !== memory.walBudgetMib;
      memory.walBudgetMib = budget;
      return changed;
    } catch (error) {
      this.parts.log.debug("wal_room", `the room for WAL is not known: ${errorText(error)}`);
      return false;
    } finally {
      this.#looksAtRoom = false;
    }
  }

  /**
   * Recovery settings for following a member or a remote primary; null: nobody. Makes the connection
   * possible, too.
   */
  recoveryFor(follow: Upstream | null): RecoverySettings {
    const { standbyCluster } = this.dynamic;
    if (follow === null) return { ...NO_RECOVERY, settings: standbySettings(standbyCluster, null) };
    const { pgpass, postgresql, local, programs } = this.parts;
    pgpass.allow(follow.connUrl);
    // The standby leader is about to be promoted: its stream is not disturbed on the way.
    if (follow.remote && standbyCluster === null && this.#remote !== null) return this.#remote;
    const settings = recoverySettings(follow, {
      credentials: postgresql.replication,
      passfile: postgresql.pgpass,
      applicationName: local.name,
      major: programs.major,
      // Slot synchronization (17 and later) needs a database to connect to.
      database: programs.major >= 17 ? "postgres" : null,
      useSlots: this.dynamic.postgresql.useSlots,
      standbyCluster,
    });
    if (follow.remote) this.#remote = settings;
    return settings;
  }

  /**
   * The role whose settings are in the files. A standby that is being promoted keeps those of a replica until
   * it has left recovery: a file with those of a primary must not be what its promotion fails by.
   */
  get role(): ServerRole {
    if (this.parts.guard.view().postmaster?.writable && !this.promoting) return "primary";
    return standbyRole(this.parts.memory.following);
  }

  /** The settings of PostgreSQL for its present role. */
  get inForce(): EffectivePostgresql {
    return forRole(this.#effective, this.role);
  }

  /**
   * Only PostgreSQL itself can drop its copies of logical slots that are no longer configured, and only as
   * long as it keeps them alike.
   */
  get #effective(): EffectivePostgresql {
    const { postgresql } = this.dynamic;
    return this.parts.memory.syncedSlots ? { ...postgresql, logicalSlots: true } : postgresql;
  }

  /**
   * Writes all configuration files; names of those that changed, which a running server has to reload.
   * `role`: of a server that is not started yet.
   */
  writeConfig(recovery: () => RecoverySettings, role?: ServerRole): Promise<readonly string[]> {
    return this.#writing.take(() => {
      const { displaced, restored } = this.parts.memory;
      // The directory at this place now is not the one that the server would read.
      if (displaced !== null) throw new Error(`no configuration is written: ${displaced.why}`);
      if (restored === null) {
        return this.parts.files.write(this.#effective, recovery(), role ?? this.role);
      }
      const closed = withAccess(this.#effective, restored.closed);
      const settings = { ...recovery(), restore: restored.recovery };
      return this.parts.files.write(closed, settings, role ?? this.role);
    });
  }

  /** Tells the server to reload. False: that failed, and the next upkeep does it. */
  async reload(): Promise<boolean> {
    const { guard, server } = this.parts;
    const reply = await ask((done) => guard.signal("reload", done));
    this.reloadOwed = !reply.ok;
    server.changed();
    if (!reply.ok) this.warn(`PostgreSQL was not told to reload its configuration: ${reply.error}`);
    return reply.ok;
  }

  /** The same as whyBusy, and takes the lock of the directory that is there now. */
  async takeDirectory(): Promise<string | null> {
    const busy = this.whyBusy();
    if (busy !== null) return busy;
    const reply = await ask((done) => this.parts.guard.claim(done));
    return reply.ok ? null : reply.error;
  }

  /**
   * Runs a command of the user's own that makes the data directory. It finds the directory without a file of
   * the agent's, and the directory has its owner all the same (guard/lent_directory.ts).
   */
  async lendDirectory(command: () => Promise<string | null>): Promise<string | null> {
    const lent = await ask((done) => this.parts.guard.lend(done));
    if (!lent.ok) return lent.error;
    const failed = await command();
    // It may have removed the directory, and failed then.
    prepareDataDir(this.dataDir);
    const taken = await this.takeDirectory();
    return failed ?? taken;
  }

  /** null when the directory may be changed: no server, no process of one. */
  whyBusy(): string | null {
    const view = this.parts.guard.view();
    if (view.state === "none") return "the guard does not answer: whether PostgreSQL runs is not known";
    if (view.postmaster !== null) return "PostgreSQL runs";
    return view.anyProcess ? "processes of PostgreSQL are left" : null;
  }
}

function described(other: OtherData, checkpointLsn: Lsn, dataDir: string): string {
  const now = formatLsn(checkpointLsn);
  const putBack = "Somebody has put a backup in its place.";
  switch (other.kind) {
    case "elsewhere":
      return `${dataDir} holds data that was not made on this host: its name (agent.data_id) is not known here. Somebody has ` +
        "put a copy in its place.";
    case "backup":
      return `${dataDir} has a backup_label, and a server has run from the data of that name. ${putBack}`;
    case "shut-down":
      return `${dataDir} holds less than it did: it is shut down at ${now}, from where a primary has gone on since. ${putBack}`;
    case "earlier":
      return `${dataDir} holds less than it did: its last checkpoint was at ${
        formatLsn(other.seen.checkpointLsn)
      }, and is at ` +
        `${now}. ${putBack}`;
  }
}
