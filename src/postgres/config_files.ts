/**
 * Puts the configuration of PostgreSQL on disk as Patroni does (docs/compatibility.md section 3.5), so that a
 * directory can move between the two: postgresql.conf is the agent's, the user's lies in
 * postgresql.base.conf. Never signals the server.
 */
import type { Upstream } from "../brain/actions.ts";
import type { EffectivePostgresql, LocalConfig, PostgresqlConfig } from "../model/config.ts";
import { checkConf } from "./check_conf.ts";
import type { ConfigInForce } from "./config_in_force.ts";
import { FORMER_PRIMARY, WROTE_ALONE, wroteAlone } from "./data_directory.ts";
import {
  exists,
  join,
  makeDirectory,
  move,
  readText,
  removeFile,
  syncPath,
  writeAtomically,
  writeDurably,
} from "./disk.ts";
import type { Programs } from "./programs.ts";
import {
  isManaged,
  NO_RECOVERY,
  parseRecoverySettings,
  type RecoverySettings,
  renderLines,
  renderServerConf,
  stripAutoConf,
  usableSettings,
} from "./server_conf.ts";

const FILE_MODE = 0o600;

export interface ConfigFilesOptions {
  readonly config: ConfigInForce;
  readonly programs: Programs;
  readonly warn: (text: string) => void;
}

export class ConfigFiles {
  readonly file: string;
  readonly #dataDir: string;
  readonly #configDir: string;
  /** Settings that `postgres` has accepted, as JSON, and what had to be left out of them. */
  #checked: { readonly settings: string; readonly refused: readonly string[] } | null = null;
  /** Undefined: nothing was written yet. */
  #intent: Upstream | null | undefined = undefined;

  readonly #options: ConfigFilesOptions;

  constructor(options: ConfigFilesOptions) {
    this.#options = options;
    const { dataDir, configDir } = options.config.postgresql;
    this.#dataDir = dataDir;
    this.#configDir = configDir;
    this.file = join(this.#configDir, "postgresql.conf");
  }

  /** Recovery settings now on disk; none when the file is not the agent's yet. */
  recovery(): RecoverySettings {
    return parseRecoverySettings(readText(this.file) ?? "") ?? NO_RECOVERY;
  }

  /**
   * Parameters that are configured and left out of the file, as this version of PostgreSQL refuses them or
   * their values.
   */
  leftOut(): readonly string[] {
    return this.#checked?.refused ?? [];
  }

  following(): Upstream | null {
    return this.recovery().following;
  }

  /**
   * The upstream that the files are to name: as they were written last, whatever became of them since; as
   * found, before they were written for the first time (undefined: they name nobody that is known). The
   * server follows once it has reloaded.
   */
  intended(): Upstream | null | undefined {
    return this.#intent !== undefined ? this.#intent : this.following() ?? undefined;
  }

  /**
   * Writes everything but the signal files. Names of those that were changed: a running server has them to
   * reload.
   */
  async write(effective: EffectivePostgresql, recovery: RecoverySettings): Promise<readonly string[]> {
    // One that was moved away is not begun anew by its configuration: half a directory would be in the way of
    // a copy.
    if (!exists(this.#dataDir)) throw new Error(`${this.#dataDir} is not there: no configuration is written`);
    makeDirectory(this.#configDir, 0o700);
    this.#adoptUsersFile();
    this.#intent = recovery.following;
    const settings = await this.#acceptedSettings(effective);
    const lines = (name: string, content: readonly string[] | null) =>
      content !== null && writeAtomically(this.#path(name), renderLines(content), FILE_MODE);
    const written: readonly (readonly [string, boolean])[] = [
      ["postgresql.conf", writeAtomically(this.file, this.#render(settings, recovery), FILE_MODE)],
      ["postgresql.auto.conf", this.#cleanAutoConf(settings)],
      ["pg_hba.conf", lines("pg_hba.conf", effective.pgHba)],
      ["pg_ident.conf", lines("pg_ident.conf", effective.pgIdent)],
    ];
    return written.filter(([, changed]) => changed).map(([name]) => name);
  }

  /** On disk when it resolves, the directory entry included. */
  async sync(): Promise<void> {
    await syncPath(this.file);
    await syncPath(this.#configDir);
  }

  markStandby(): void {
    writeAtomically(join(this.#dataDir, "standby.signal"), "", FILE_MODE);
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
    await writeDurably(join(this.#dataDir, FORMER_PRIMARY), "", FILE_MODE);
  }

  unmarkFormerPrimary(): void {
    removeFile(join(this.#dataDir, FORMER_PRIMARY));
  }

  /**
   * `timeline`: on which the server writes now. The lowest one stays. In place when it returns, on disk when
   * it resolves.
   */
  async markWroteAlone(timeline: number): Promise<void> {
    const known = wroteAlone(this.#dataDir);
    if (known !== null && known <= timeline) return;
    await writeDurably(join(this.#dataDir, WROTE_ALONE), `${timeline}\n`, FILE_MODE);
  }

  /** The WAL that it wrote alone has become the cluster's, or was taken out of it. */
  unmarkWroteAlone(): void {
    removeFile(join(this.#dataDir, WROTE_ALONE));
  }

  markPrimary(): void {
    this.unmarkFormerPrimary();
    this.unmarkWroteAlone();
    removeFile(join(this.#dataDir, "standby.signal"));
    removeFile(join(this.#dataDir, "recovery.signal"));
  }

  writePromoteTrigger(): void {
    writeAtomically(this.#promoteTrigger(), "", FILE_MODE);
  }

  removePromoteTrigger(): void {
    removeFile(this.#promoteTrigger());
  }

  #promoteTrigger(): string {
    return join(this.#dataDir, "promote");
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
    writeAtomically(base, found.find((one) => one !== null && !isManaged(one)) ?? "", FILE_MODE);
  }

  #cleanAutoConf(settings: { readonly [name: string]: string }): boolean {
    const file = join(this.#dataDir, "postgresql.auto.conf");
    const text = readText(file);
    return text !== null && writeAtomically(file, stripAutoConf(text, settings), FILE_MODE);
  }

  /** All settings but those that this version of PostgreSQL refuses, which are warned about. */
  async #acceptedSettings(effective: EffectivePostgresql): Promise<{ [name: string]: string }> {
    const { local, postgresql } = this.#options.config;
    const { usable, refused } = usableSettings(managedSettings(local, postgresql, effective));
    const key = JSON.stringify(usable);
    if (this.#checked?.settings !== key) {
      const complaints = await this.#complaints(usable);
      for (const name of [...refused, ...complaints]) {
        this.#options.warn(
          `Removing unexpected parameter=${name} value=${usable[name] ?? ""} from the config`,
        );
      }
      this.#checked = { settings: key, refused: complaints };
    }
    const left = this.#checked.refused;
    return Object.fromEntries(Object.entries(usable).filter(([name]) => !left.includes(name)));
  }

  async #complaints(settings: { readonly [name: string]: string }): Promise<string[]> {
    const trial = this.#path(".postgresql.conf.trial");
    const left: string[] = [];
    try {
      // Unknown names are reported first, bad values only when there are none left.
      for (let round = 0; round < 4; round++) {
        const rest = Object.entries(settings).filter(([name]) => !left.includes(name));
        writeAtomically(trial, this.#render(Object.fromEntries(rest), NO_RECOVERY), FILE_MODE);
        const result = await checkConf(this.#options.programs, this.#dataDir, trial);
        if (result.ok) break;
        const ours = result.complaints.map((name) =>
          rest.find(([one]) => one.toLowerCase() === name.toLowerCase())?.[0]
        )
          .filter((name) => name !== undefined);
        if (ours.length === 0) {
          this.#options.warn(`postgres does not accept its configuration files: ${result.output}`);
          break;
        }
        left.push(...ours);
      }
    } finally {
      removeFile(trial);
    }
    return left;
  }
}

/**
 * Everything that goes into the file: the controlled parameters too, although the command line repeats them.
 */
export function managedSettings(
  local: LocalConfig,
  postgresql: PostgresqlConfig,
  effective: EffectivePostgresql,
): { [name: string]: string } {
  return {
    ...effective.parameters,
    ...effective.recoveryConf,
    ...effective.controlled,
    listen_addresses: postgresql.listenAddresses.join(","),
    port: String(postgresql.port),
    cluster_name: local.scope,
  };
}
