/**
 * Puts the configuration of PostgreSQL on disk as Patroni does (docs/compatibility.md section 3.5), so that a
 * directory can move between the two: postgresql.conf is the agent's, the user's lies in
 * postgresql.base.conf. Never signals the server.
 */
import type { Upstream } from "../model/upstream.ts";
import type { EffectivePostgresql, LocalConfig, PostgresqlConfig, ServerRole } from "../model/config.ts";
import { forRole } from "../config/roles.ts";
import { type AccessFile, writeAccessFile } from "./access_files.ts";
import { checkConf } from "./check_conf.ts";
import type { ConfigInForce } from "./config_in_force.ts";
import { FORMER_PRIMARY, JOINED, WROTE_ALONE, wroteAlone } from "./data_directory.ts";
import {
  exists,
  join,
  makeDirectory,
  modeIn,
  move,
  readText,
  removeFile,
  syncPath,
  writeAtomically,
  writeDurably,
} from "./disk.ts";
import type { Programs } from "./programs.ts";
import { NO_SYNC, parseSetting, type SyncSetting } from "../sync/setting.ts";
import { keepsLogicalSlots } from "./slots.ts";
import {
  isManaged,
  NO_RECOVERY,
  parseAutoSyncNames,
  parseRecoverySettings,
  parseSyncNames,
  parseWalBudget,
  type RecoverySettings,
  renderServerConf,
  stripAutoConf,
  usableSettings,
} from "./server_conf.ts";
import { accepted, describeVerdict, type Settings, trySettings, type Verdict } from "./trial.ts";

/** But where the group may read the data directory. */
const FILE_MODE = 0o600;

export interface ConfigFilesOptions {
  readonly config: ConfigInForce;
  readonly programs: Programs;
  /** See wal_budget.ts. */
  readonly walBudgetMib: () => number | null;
  /** synchronous_standby_names; null: as configured. */
  readonly syncNames: () => string | null;
  /** Others have set these synchronous standbys in a file since the agent wrote its own. */
  readonly othersSync: (names: string) => void;
  readonly warn: (text: string) => void;
}

export class ConfigFiles {
  readonly file: string;
  readonly #dataDir: string;
  readonly #configDir: string;
  /** Settings that `postgres` has judged, as JSON, and its verdict. */
  #checked: { readonly settings: string; readonly verdict: Verdict } | null = null;
  /** Undefined: nothing was written yet. */
  #intent: Upstream | null | undefined = undefined;
  /** The synchronous standbys that were written last; undefined: none were. */
  #syncWritten: string | null | undefined = undefined;

  readonly #options: ConfigFilesOptions;

  constructor(options: ConfigFilesOptions) {
    this.#options = options;
    const { dataDir, configDir } = options.config.postgresql;
    this.#dataDir = dataDir;
    this.#configDir = configDir;
    this.file = join(this.#configDir, "postgresql.conf");
  }

  /** False: no agent has written the server's configuration yet. */
  isManaged(): boolean {
    return !isUnmanagedConf(this.#configDir);
  }

  /** Recovery settings now on disk; none when the file is not the agent's yet. */
  recovery(): RecoverySettings {
    return parseRecoverySettings(readText(this.file) ?? "") ?? NO_RECOVERY;
  }

  /** The limit of what slots may hold that the agent wrote last; null: none. */
  walBudgetMib(): number | null {
    return parseWalBudget(readText(this.file) ?? "");
  }

  /** The synchronous standbys that the agent wrote last; none when it has decided on none. */
  syncSetting(): SyncSetting {
    return parseSetting(parseSyncNames(readText(this.file) ?? "") ?? "") ?? NO_SYNC;
  }

  /**
   * Parameters that are configured and left out of the file, as this version of PostgreSQL refuses them or
   * their values.
   */
  leftOut(): readonly string[] {
    return this.#checked?.verdict.refused ?? [];
  }

  /** Values in the file that take the place of configured ones, which are outside of their range. */
  clamped(): Settings {
    return this.#checked?.verdict.clamped ?? {};
  }

  following(): Upstream | null {
    return this.recovery().following;
  }

  /**
   * The upstream for the files: the one last written, even if the files have changed since; before the first
   * write, the one found (undefined: no known member). The server follows once it has reloaded.
   */
  intended(): Upstream | null | undefined {
    return this.#intent !== undefined ? this.#intent : this.following() ?? undefined;
  }

  /**
   * Writes everything but the signal files, for a server that has this role. Names of those that were
   * changed: a running server has them to reload.
   */
  async write(
    effective: EffectivePostgresql,
    recovery: RecoverySettings,
    role: ServerRole,
  ): Promise<readonly string[]> {
    // A directory that was moved away is not created again for its configuration: half a directory would
    // block a copy.
    if (!exists(this.#dataDir)) throw new Error(`${this.#dataDir} is not there: no configuration is written`);
    makeDirectory(this.#configDir, modeIn(this.#dataDir, 0o700));
    this.#adoptUsersFile();
    const settings = await this.#acceptedSettings(forRole(effective, role));
    const access = (name: AccessFile["name"]) =>
      writeAccessFile(
        { name, path: this.#path(name), present: this.#existing(name), mode: this.#fileMode },
        effective,
        role,
      );
    const present = readText(this.file);
    const before = this.#syncWritten;
    // A server that reloads without the file keeps what it has.
    if (present !== null) this.#tellOthersSync(parseSyncNames(present) ?? "", before);
    const isChanged = writeAtomically(this.file, this.#render(settings, recovery), this.#fileMode);
    // Not before: what could not be written, as on a full disk, is asked for again. The upkeep of the files
    // would do it otherwise, beside what the member is known to follow.
    this.#intent = recovery.following;
    this.#syncWritten = this.#options.syncNames();
    const written: readonly (readonly [string, boolean])[] = [
      ["postgresql.conf", isChanged],
      ["postgresql.auto.conf", this.#cleanAutoConf(settings, before)],
      ["pg_hba.conf", access("pg_hba.conf")],
      ["pg_ident.conf", access("pg_ident.conf")],
    ];
    return written.filter(([, changed]) => changed).map(([name]) => name);
  }

  /** On disk when it resolves, the directory entry included. */
  async sync(): Promise<void> {
    await syncPath(this.file);
    await syncPath(this.#configDir);
  }

  markStandby(): void {
    writeAtomically(join(this.#dataDir, "standby.signal"), "", this.#fileMode);
    removeFile(join(this.#dataDir, "recovery.signal"));
  }

  /**
   * True when it was missing: after a crash of one of its processes the server would recover as a primary.
   */
  mendStandbySignal(): boolean {
    if (exists(join(this.#dataDir, "standby.signal"))) return false;
    this.markStandby();
    return true;
  }

  /** Before standby.signal is written, which is all that tells a standby from a former primary otherwise. */
  async markFormerPrimary(): Promise<void> {
    await writeDurably(join(this.#dataDir, FORMER_PRIMARY), "", this.#fileMode);
  }

  unmarkFormerPrimary(): void {
    removeFile(join(this.#dataDir, FORMER_PRIMARY));
  }

  /** The directory is a part of the history of the cluster of that founding. */
  async markJoined(founding: string): Promise<void> {
    await writeDurably(join(this.#dataDir, JOINED), `${founding}\n`, this.#fileMode);
  }

  /**
   * `timeline`: on which the server writes now. The lowest one stays. In place when it returns, on disk when
   * it resolves.
   */
  async markWroteAlone(timeline: number): Promise<void> {
    const known = wroteAlone(this.#dataDir);
    if (known !== null && known <= timeline) return;
    await writeDurably(join(this.#dataDir, WROTE_ALONE), `${timeline}\n`, this.#fileMode);
  }

  /** The WAL that it wrote alone has become the cluster's, or was removed. */
  unmarkWroteAlone(): void {
    removeFile(join(this.#dataDir, WROTE_ALONE));
  }

  markPrimary(): void {
    this.unmarkFormerPrimary();
    this.unmarkWroteAlone();
    removeFile(join(this.#dataDir, "standby.signal"));
    removeFile(join(this.#dataDir, "recovery.signal"));
  }

  /** Before the first start of a restored cluster, whose recovery.signal stays where it is. */
  markRestored(): void {
    this.unmarkFormerPrimary();
    this.unmarkWroteAlone();
    removeFile(join(this.#dataDir, "standby.signal"));
  }

  /** null: there is no such file. */
  accessText(name: AccessFile["name"]): string | null {
    return readText(this.#existing(name));
  }

  putAccess(name: AccessFile["name"], text: string): void {
    writeAtomically(this.#path(name), text, this.#fileMode);
  }

  writePromoteTrigger(): void {
    writeAtomically(this.#promoteTrigger(), "", this.#fileMode);
  }

  removePromoteTrigger(): void {
    removeFile(this.#promoteTrigger());
  }

  #promoteTrigger(): string {
    return join(this.#dataDir, "promote");
  }

  get #fileMode(): number {
    return modeIn(this.#dataDir, FILE_MODE);
  }

  /** initdb and copies put files into the data directory, also where the configuration lives elsewhere. */
  #existing(name: string): string {
    const inData = join(this.#dataDir, name);
    return !exists(this.#path(name)) && exists(inData) ? inData : this.#path(name);
  }

  #path(name: string): string {
    return join(this.#configDir, name);
  }

  #render(settings: { readonly [name: string]: string }, recovery: RecoverySettings): string {
    return renderServerConf({
      include: this.#options.config.postgresql.customConf ?? "postgresql.base.conf",
      hbaFile: settings.hba_file ?? this.#existing("pg_hba.conf"),
      identFile: settings.ident_file ?? this.#existing("pg_ident.conf"),
      settings,
      recovery,
      walBudgetMib: this.#options.walBudgetMib(),
      syncNames: this.#options.syncNames(),
    });
  }

  /** The first contact with a directory: the user's postgresql.conf becomes postgresql.base.conf, once. */
  #adoptUsersFile(): void {
    if (this.#options.config.postgresql.customConf !== null) return;
    const base = this.#path("postgresql.base.conf");
    if (exists(base)) return;
    const text = readText(this.file);
    if (text !== null && !isManaged(text)) return move(this.file, base);
    const found = ["postgresql.base.conf", "postgresql.conf"].map((name) =>
      readText(join(this.#dataDir, name))
    );
    writeAtomically(base, found.find((one) => one !== null && !isManaged(one)) ?? "", this.#fileMode);
  }

  #cleanAutoConf(settings: Settings, syncBefore: string | null | undefined): boolean {
    const file = join(this.#dataDir, "postgresql.auto.conf");
    const text = readText(file);
    if (text === null) return false;
    this.#tellOthersSync(parseAutoSyncNames(text), syncBefore);
    return writeAtomically(file, stripAutoConf(text, settings, this.#options.syncNames()), this.#fileMode);
  }

  /** The server may have read what others have written, although it is taken back at once. */
  #tellOthersSync(names: string | null, written: string | null | undefined): void {
    if (typeof written === "string" && names !== null && names !== written) this.#options.othersSync(names);
  }

  /** All settings as this version of PostgreSQL takes them; the others are warned about, once. */
  async #acceptedSettings(effective: EffectivePostgresql): Promise<Settings> {
    const { usable, refused } = this.#usable(effective);
    const key = JSON.stringify(usable);
    if (this.#checked?.settings !== key) {
      const verdict = await this.#try(usable, ".postgresql.conf.trial");
      if (verdict.problem !== null) {
        this.#options.warn(`postgres does not accept its configuration files: ${verdict.problem}`);
      }
      const all = { ...verdict, refused: [...refused, ...verdict.refused] };
      for (const line of describeVerdict(usable, all)) this.#options.warn(line);
      this.#checked = { settings: key, verdict };
    }
    return accepted(usable, this.#checked.verdict);
  }

  /** What becomes of these settings, for people: nothing is changed. */
  async judge(effective: EffectivePostgresql): Promise<readonly string[]> {
    const { usable, refused } = this.#usable(effective);
    const verdict = await this.#try(usable, ".postgresql.conf.proposed");
    return describeVerdict(usable, { ...verdict, refused: [...refused, ...verdict.refused] });
  }

  #usable(effective: EffectivePostgresql) {
    const { config: { local, postgresql }, programs } = this.#options;
    return usableSettings(managedSettings(local, postgresql, effective, programs.major));
  }

  async #try(settings: Settings, name: string): Promise<Verdict> {
    const trial = this.#path(name);
    const { programs } = this.#options;
    try {
      return await trySettings(settings, async (some) => {
        writeAtomically(trial, this.#render(some, NO_RECOVERY), this.#fileMode);
        return await checkConf(programs, this.#dataDir, trial);
      });
    } finally {
      removeFile(trial);
    }
  }
}

/** There is a postgresql.conf, and no agent has written it. */
export function isUnmanagedConf(configDir: string): boolean {
  const text = readText(join(configDir, "postgresql.conf"));
  return text !== null && !isManaged(text);
}

/**
 * Everything that goes into the file: the controlled parameters too, although the command line repeats them.
 */
export function managedSettings(
  local: LocalConfig,
  postgresql: PostgresqlConfig,
  effective: EffectivePostgresql,
  major: number,
): { [name: string]: string } {
  return {
    ...effective.parameters,
    ...(effective.logicalSlots ? logicalSlotSettings(major) : {}),
    ...effective.recoveryConf,
    ...effective.controlled,
    listen_addresses: postgresql.listenAddresses.join(","),
    port: String(postgresql.port),
    cluster_name: local.scope,
  };
}

/**
 * The primary keeps the catalog rows that a standby's copy of a slot needs only as long as that one says so,
 * whatever is configured.
 */
function logicalSlotSettings(major: number): { [name: string]: string } {
  return {
    hot_standby_feedback: "on",
    ...(keepsLogicalSlots(major) ? { sync_replication_slots: "on" } : {}),
  };
}
