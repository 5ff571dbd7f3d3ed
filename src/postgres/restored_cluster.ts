/**
 * A cluster that a command has restored (`bootstrap.method`), until it is open: how it recovers, and who may
 * connect meanwhile.
 *
 * Why it can acknowledge nothing before it may: a server that recovers to a target promotes itself there, at
 * a moment that nobody decides. So it is no standby in the eyes of the guard at any time. It is started as a
 * primary is: only by the holder of the lock, after the first acknowledged renewal, with the epoch. From its
 * first process on it counts as one that may write, it is frozen and ended with the lease, and the lock is
 * not released before none of its processes is left (src/lease/DESIGN.md). Ended in the midst of its
 * recovery, it is started again in the same way, and goes on: recovery.signal stays until PostgreSQL has
 * removed it at the end of recovery.
 */
import { RECOVERY_TARGETS } from "../config/server_files.ts";
import type { CustomBootstrap } from "../model/config.ts";
import { quoteUser } from "./default_hba.ts";
import { exists, join, modeIn, readText, removeFile, writeAtomically } from "./disk.ts";
import { unquoteConf } from "./quote.ts";
import { runProgram, succeeded } from "./run_program.ts";
import { RECOVERY_PARAMETERS } from "./server_conf.ts";

export interface RestoredCluster {
  /** Settings of its recovery; empty: none, it starts as it was left. */
  readonly recovery: { readonly [name: string]: string };
  /** Limits of the server that wrote its WAL (pg_control): recovery does not begin with less. */
  readonly limits: { readonly [parameter: string]: number };
  /** Who may connect until it is open. */
  readonly closed: AccessLines;
  /** The files as restored, with bootstrap.pg_hba; null: the file is not there. */
  readonly hba: string | null;
  readonly ident: string | null;
}

export interface AccessLines {
  readonly hba: readonly string[];
  readonly ident: readonly string[];
}

/** Settings that would make it follow somebody. */
const OF_STANDBYS: readonly string[] = ["primary_conninfo", "primary_slot_name", "promote_trigger_file"];

export type RecoveryPlan =
  | { readonly ok: true; readonly recovery: { readonly [name: string]: string }; readonly recovers: boolean }
  | { readonly ok: false; readonly error: string };

/**
 * As Patroni: `recovery_conf` where it is given; with `keep_existing_recovery_conf` what the command has
 * left; else no recovery. `archive`: the restore_command of the cluster's configuration; empty: none.
 */
export function planRecovery(
  custom: Pick<CustomBootstrap, "recoveryConf" | "keepExistingRecoveryConf">,
  dataDir: string,
  archive: string,
): RecoveryPlan {
  const given = Object.keys(custom.recoveryConf).length > 0;
  const kept = !given && custom.keepExistingRecoveryConf &&
    ["recovery.signal", "standby.signal"].some((name) => exists(join(dataDir, name)));
  if (!given && !kept) return { ok: true, recovery: {}, recovers: false };
  const recovery = { ...given ? custom.recoveryConf : settingsLeft(dataDir) };
  if (!recovery.restore_command && archive === "") {
    return {
      ok: false,
      error: "the recovery has no restore_command, without which PostgreSQL does not begin it",
    };
  }
  const hasTarget = RECOVERY_TARGETS.some((name) => recovery[name]);
  // PostgreSQL's own default is to pause there, for ever.
  if (hasTarget) recovery.recovery_target_action ??= "promote";
  if (recovery.recovery_target_action === "shutdown") {
    return { ok: false, error: "recovery_target_action is shutdown: the cluster would never be there" };
  }
  return { ok: true, recovery, recovers: true };
}

/** The settings of recovery that a tool has written, such as pgBackRest's. The last one counts. */
function settingsLeft(dataDir: string): { [name: string]: string } {
  const settings: { [name: string]: string } = {};
  for (const file of ["postgresql.conf", "postgresql.auto.conf"]) {
    for (const line of (readText(join(dataDir, file)) ?? "").split("\n")) {
      const [, name, value] = /^\s*([A-Za-z_]+)\s*(?:=|\s)\s*('(?:[^'\\]|''|\\.)*'|[^\s#']+)/.exec(line) ??
        [];
      if (name === undefined || !RECOVERY_PARAMETERS.has(name.toLowerCase())) continue;
      if (!OF_STANDBYS.includes(name.toLowerCase())) settings[name.toLowerCase()] = unquoteConf(value!);
    }
  }
  return settings;
}

/** standby.signal goes in any case: with it recovery would not end, and nobody could be the first primary. */
export function markRecovery(dataDir: string, recovers: boolean): void {
  removeFile(join(dataDir, "standby.signal"));
  if (recovers) writeAtomically(join(dataDir, "recovery.signal"), "", modeIn(dataDir, 0o600));
  else removeFile(join(dataDir, "recovery.signal"));
}

const IDENT_MAP = "agent_bootstrap";

/**
 * The superuser alone, from this host: whether the cluster stays is not decided yet. Its password is that of
 * another cluster, so that the agent comes in by its system user `own` (Patroni trusts every user of the
 * host).
 */
export function closedAccess(superuser: string, own: string | null): AccessLines {
  const user = quoteUser(superuser);
  const local = own === null ? "md5" : `peer map=${IDENT_MAP}`;
  return {
    hba: [`local all ${user} ${local}`, `host all ${user} samehost md5`],
    ident: own === null ? [`# ${IDENT_MAP}`] : [`${IDENT_MAP} ${quoteUser(own)} ${user}`],
  };
}

/** The name by which PostgreSQL knows this process; null: it has none. (The runtime goes by $USER.) */
export async function systemUser(): Promise<string | null> {
  const result = await runProgram("id", ["-un"]);
  return succeeded(result) ? result.stdout.trim() || null : null;
}
