/**
 * The first data directory of a cluster from a command of the user's own (`bootstrap.method`): restored from
 * a backup, and recovered, also to a point in time. Resolves to null, or to a text that says what went wrong.
 */
import { forRole } from "../../config/roles.ts";
import type { CustomBootstrap } from "../../model/config.ts";
import { bootstrapHba } from "../../postgres/default_hba.ts";
import { asArguments, type MethodCall, readMade, runMethod, settleMade } from "../../postgres/method.ts";
import { closedAccess, markRecovery, planRecovery, systemUser } from "../../postgres/restored_cluster.ts";
import { NO_RECOVERY } from "../../postgres/server_conf.ts";
import { clearUnfinished } from "../../postgres/staging.ts";
import { writeThrough } from "../../postgres/write_through.ts";
import type { PostgresContext } from "./context.ts";

export async function customBootstrap(
  context: PostgresContext,
  custom: CustomBootstrap,
  signal: AbortSignal,
): Promise<string | null> {
  const { programs, local, marker } = context.parts;
  const { dataDir } = context;
  if (marker.read() !== null) await clearUnfinished(dataDir, marker);
  context.info(`Running custom bootstrap script: ${custom.command}`);
  const own = custom.noParams ? [] : asArguments({ scope: local.scope, datadir: dataDir });
  const call: MethodCall = {
    name: custom.name,
    command: custom.command,
    args: [...own, ...asArguments(custom.options)],
    env: {},
    timeLimitS: custom.timeLimitS,
    what: "bootstrap",
    marker,
    parts: [],
    signal,
  };
  const failed = await context.lendDirectory(() => runMethod(call));
  if (failed !== null) return failed;
  const unusable = await prepare(context, custom);
  if (unusable !== null) return unusable;
  const unfinished = await writeThrough(programs, dataDir, signal);
  if (unfinished !== null) return unfinished;
  await marker.keepForCommand("bootstrap");
  return null;
}

/** Makes a cluster that can be started out of the directory that the command has left. */
async function prepare(context: PostgresContext, custom: CustomBootstrap): Promise<string | null> {
  const { programs, postgresql, local, marker, memory, files } = context.parts;
  const { dataDir } = context;
  const made = await readMade(programs, dataDir, marker.read());
  if (!made.ok) return `${custom.name} has ended without an error, and ${made.error}`;
  settleMade(dataDir);
  const { recoveryConf, parameters } = forRole(context.dynamic.postgresql, "primary");
  const archive = recoveryConf.restore_command ?? parameters.restore_command ?? "";
  const plan = planRecovery(custom, dataDir, archive);
  if (!plan.ok) return `${custom.name}: ${plan.error}`;
  const hba = files.accessText("pg_hba.conf");
  const added = hba === null || local.bootstrap.pgHba.length > 0
    ? bootstrapHba(postgresql, local.bootstrap.pgHba)
    : [];
  memory.restored = {
    recovery: plan.recovery,
    limits: made.control.settings,
    closed: closedAccess(postgresql.superuser.username, await systemUser()),
    hba: `${hba ?? "local all all scram-sha-256\n"}\n${added.join("\n")}\n`,
    ident: files.accessText("pg_ident.conf"),
  };
  markRecovery(dataDir, plan.recovers);
  return null;
}

/** The roles are made, and the user's script has run: from now on it is configured as any primary is. */
export async function openRestored(context: PostgresContext): Promise<void> {
  const { memory, files } = context.parts;
  const { restored } = memory;
  if (restored === null) return;
  if (restored.hba !== null) files.putAccess("pg_hba.conf", restored.hba);
  files.putAccess("pg_ident.conf", restored.ident ?? "");
  memory.restored = null;
  await context.writeConfig(() => NO_RECOVERY, "primary");
  await context.reload();
}
