/**
 * Arguments of the server: the parameters that must not be changed by files or ALTER SYSTEM
 * (docs/compatibility.md section 3.4).
 */
import type { EffectivePostgresql, LocalConfig, PostgresqlConfig } from "../model/config.ts";

/** A standby refuses to start, or stops replaying, with less of these than its primary has. */
export const NOT_BELOW_PRIMARY: readonly string[] = [
  "max_connections",
  "max_prepared_transactions",
  "max_locks_per_transaction",
  "max_worker_processes",
  "max_wal_senders",
];

export interface CommandLineInput {
  readonly local: LocalConfig;
  readonly postgresql: PostgresqlConfig;
  readonly effective: EffectivePostgresql;
  readonly configFile: string;
  /** Settings of the primary from pg_control when started as a standby, else null. */
  readonly primarySettings: { readonly [parameter: string]: number } | null;
}

/** The controlled parameters with the values that this start uses. */
export function controlledParameters(input: CommandLineInput): { [name: string]: string } {
  const { local, postgresql, effective, primarySettings } = input;
  const values: { [name: string]: string } = { ...effective.controlled };
  for (const name of primarySettings === null ? [] : NOT_BELOW_PRIMARY) {
    const atPrimary = primarySettings?.[name];
    const configured = Number(values[name]);
    if (atPrimary !== undefined && !(configured >= atPrimary)) values[name] = String(atPrimary);
  }
  return {
    ...values,
    listen_addresses: postgresql.listenAddresses.join(","),
    port: String(postgresql.port),
    cluster_name: local.scope,
  };
}

export function serverArguments(input: CommandLineInput): string[] {
  const args = ["-D", input.postgresql.dataDir, `--config-file=${input.configFile}`];
  for (const [name, value] of Object.entries(controlledParameters(input))) {
    // In the file only: a reload can change it there, and a command line would forbid that.
    if (name === "wal_keep_size" || name === "wal_keep_segments") continue;
    args.push(`--${name}=${value}`);
  }
  return args;
}
