/** The common context of the executor's parts: one PostgreSQL, its programs, files and guard. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../../raft/mod.ts";
import type { Upstream } from "../../brain/actions.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import { errorText } from "../../postgres/error_text.ts";
import type { DynamicConfig, LocalConfig, PostgresqlConfig } from "../../model/config.ts";
import type { Callbacks } from "../../postgres/callbacks.ts";
import type { ConfigFiles } from "../../postgres/config_files.ts";
import type { ConfigInForce } from "../../postgres/config_in_force.ts";
import { readDataDirectory } from "../../postgres/data_directory.ts";
import type { LocalServer } from "../../postgres/local_server.ts";
import type { PgpassFile } from "../../postgres/pgpass.ts";
import type { Programs } from "../../postgres/programs.ts";
import { NO_RECOVERY, type RecoverySettings } from "../../postgres/server_conf.ts";
import { slotName } from "../../model/slot_name.ts";
import type { UnfinishedMarker } from "../../postgres/unfinished.ts";
import { upstreamConninfo } from "../../postgres/upstream.ts";
import { findWalEnd } from "../../postgres/wal_end.ts";
import type { PostgresMemory } from "./memory.ts";
import { ask, atMost, WorkQueue } from "./wait.ts";

/** Reading the end of WAL holds up the view for this long at most; it goes on in the background. */
const WAL_END_WAIT_MS = 300;
/** A reading of the directory that is good enough to start on. */
const FRESH_MS = 500;
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
  readonly pgpass: PgpassFile;
  readonly callbacks: Callbacks;
  /** Directory of the agent outside of the data directory. */
  readonly ownDir: string;
  readonly memory: PostgresMemory;
  /** Something in memory is new. */
  readonly changed: () => void;
}

export class PostgresContext {
  /** Files are written by one at a time: a start, a follow and a new configuration may come together. */
  readonly #writing = new WorkQueue();
  readonly #surveying = new WorkQueue();
  /** Files were written that the running server has not been told of. */
  reloadOwed = false;

  readonly parts: ContextParts;
  dynamic: DynamicConfig;

  constructor(parts: ContextParts, dynamic: DynamicConfig) {
    this.parts = parts;
    this.dynamic = dynamic;
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

  /** Reads the directory and, when no server runs in it, the end of its WAL. */
  survey(): Promise<void> {
    return this.#surveying.take(async () => {
      const { parts } = this;
      const { memory } = parts;
      const found = await readDataDirectory(parts.programs, this.dataDir, parts.marker);
      // Nothing writes WAL here without changing pg_control at its end.
      if (!isDeepStrictEqual(found.control, memory.found.control)) memory.diskEnd = null;
      memory.found = found;
      if (parts.guard.view().postmaster === null && memory.diskEnd === null) {
        await atMost(parts.clock, WAL_END_WAIT_MS, this.readWalEnd());
      }
      memory.surveyedMs = parts.clock.now();
      parts.changed();
    });
  }

  /** Does the same as survey, unless that has only just been done. */
  async surveyIfOld(): Promise<void> {
    const { memory, clock } = this.parts;
    if (memory.settling || memory.surveyedMs === null || clock.now() - memory.surveyedMs > FRESH_MS) {
      await this.survey();
    }
  }

  /** The end of valid WAL on disk, kept in memory while no server runs. */
  async readWalEnd(): Promise<void> {
    const { memory, programs, guard, changed } = this.parts;
    const { control } = memory.found;
    if (control === null) return;
    try {
      const end = await findWalEnd(programs, this.dataDir, control, WAL_END_LIMIT_MS);
      if (memory.found.control !== control || guard.view().postmaster !== null) return;
      memory.diskEnd = end;
      changed();
    } catch (error) {
      this.warn(`cannot find the end of WAL on disk: ${errorText(error)}`);
    }
  }

  /** Recovery settings for following a member; null: nobody. Makes the connection possible, too. */
  recoveryFor(follow: Upstream | null): RecoverySettings {
    if (follow === null) return NO_RECOVERY;
    const { pgpass, postgresql, local, programs } = this.parts;
    pgpass.allow(follow.connUrl);
    const primaryConninfo = upstreamConninfo({
      upstream: follow,
      credentials: postgresql.replication,
      passfile: postgresql.pgpass,
      applicationName: local.name,
      major: programs.major,
      // Slot synchronization (17 and later) needs a database to connect to.
      database: programs.major >= 17 ? "postgres" : null,
    });
    if (primaryConninfo === null) throw new Error(`${follow.name} has no usable address: ${follow.connUrl}`);
    const primarySlotName = this.dynamic.postgresql.useSlots ? slotName(local.name) : null;
    return { following: follow, primaryConninfo, primarySlotName };
  }

  /** Writes all configuration files; names of those that changed, which a running server has to reload. */
  writeConfig(recovery: () => RecoverySettings): Promise<readonly string[]> {
    return this.#writing.take(() => {
      const { displaced } = this.parts.memory;
      // What lies at its place now is not what the server would read.
      if (displaced !== null) throw new Error(`no configuration is written: ${displaced.why}`);
      return this.parts.files.write(this.dynamic.postgresql, recovery());
    });
  }

  /** Tells the server to reload. If that fails now, the next upkeep does it. */
  async reload(): Promise<void> {
    const { guard, server } = this.parts;
    const reply = await ask((done) => guard.signal("reload", done));
    this.reloadOwed = !reply.ok;
    server.changed();
    if (!reply.ok) this.warn(`PostgreSQL was not told to reload its configuration: ${reply.error}`);
  }

  /** The same as whyBusy, and takes the lock of the directory that is there now. */
  async takeDirectory(): Promise<string | null> {
    const busy = this.whyBusy();
    if (busy !== null) return busy;
    const reply = await ask((done) => this.parts.guard.claim(done));
    return reply.ok ? null : reply.error;
  }

  /** null when the directory may be changed: no server, no process of one. */
  whyBusy(): string | null {
    const view = this.parts.guard.view();
    if (view.state === "none") return "the guard does not answer: whether PostgreSQL runs is not known";
    if (view.postmaster !== null) return "PostgreSQL runs";
    return view.anyProcess ? "processes of PostgreSQL are left" : null;
  }
}
