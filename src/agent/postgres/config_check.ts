/**
 * What a member says of a configuration before it becomes the cluster's: what PostgreSQL here would not take
 * as it is, and what would keep it from working at all.
 */
import { effectivePostgresqlSection } from "../../config/dynamic.ts";
import { forRole, SERVER_ROLES } from "../../config/roles.ts";
import type { ConfigCheck } from "../../model/config_check.ts";
import { NOTHING_FOUND } from "../../model/config_check.ts";
import type { DynamicConfig, EffectivePostgresql } from "../../model/config.ts";
import { dirname, exists, join, realPath } from "../../postgres/disk.ts";
import { errorText } from "../../postgres/error_text.ts";
import { missingProgram } from "../../postgres/hook_program.ts";
import { missingLibraries } from "../../postgres/preload_libraries.ts";
import { identities } from "../../postgres/replication_source.ts";
import { searchPath } from "../../postgres/run_program.ts";
import type { PostgresContext } from "./context.ts";
import { remoteCheck } from "./remote_check.ts";
import { WorkQueue } from "../../lib/work_queue.ts";

const LIB_DIR_QUERY = "SELECT setting FROM pg_catalog.pg_config WHERE name = 'PKGLIBDIR'";
const LIB_DIR_LIMIT_MS = 1000;

/** Looks at one configuration after the other: the files of a trial have one name. */
export function configChecker(context: PostgresContext): (proposed: DynamicConfig) => Promise<ConfigCheck> {
  const queue = new WorkQueue();
  const { memory, local } = context.parts;
  return async (proposed) => {
    const [remote, files] = await Promise.all([
      remoteCheck({
        systemId: memory.found.control?.systemId ?? null,
        present: context.dynamic.standbyCluster,
        proposed: proposed.standbyCluster,
        ask: (connUrl) => identities(connUrl, context.parts.postgresql.replication, local.name),
      }),
      queue.take(() => checkFiles(context, proposed)),
    ]);
    return {
      refusals: [...remote.refusals, ...files.refusals],
      warnings: [...remote.warnings, ...files.warnings],
    };
  };
}

/** Finds only what is new with `proposed`; without a directory of PostgreSQL, programs and libraries only. */
async function checkFiles(context: PostgresContext, proposed: DynamicConfig): Promise<ConfigCheck> {
  const { files, memory } = context.parts;
  const present = context.dynamic.postgresql;
  const commands = commandProblems(context, present, proposed.postgresql);
  const changed = SERVER_ROLES.filter((role) =>
    differs(forRole(present, role), forRole(proposed.postgresql, role))
  );
  if (changed.length === 0) {
    return commands.length === 0 ? NOTHING_FOUND : { refusals: commands, warnings: [] };
  }
  const refusals = [...commands, ...await libraryProblems(context, present, proposed.postgresql)];
  if (memory.found.directory.kind !== "valid" || memory.displaced !== null) return { refusals, warnings: [] };
  const warnings = new Set<string>();
  for (const role of changed) {
    const known = await files.judge(forRole(present, role));
    for (const line of await files.judge(forRole(proposed.postgresql, role))) {
      if (!known.includes(line)) warnings.add(line);
    }
  }
  return { refusals, warnings: [...warnings] };
}

function differs(a: EffectivePostgresql, b: EffectivePostgresql): boolean {
  const settings = ({ parameters, recoveryConf, controlled }: EffectivePostgresql) =>
    JSON.stringify([parameters, recoveryConf, controlled]);
  return settings(a) !== settings(b);
}

/** A `pre_promote` that cannot be started keeps every member from becoming the primary. */
function commandProblems(
  { parts: { local } }: PostgresContext,
  present: EffectivePostgresql,
  proposed: EffectivePostgresql,
): string[] {
  const { postgresql: own } = local;
  if (own === null) return [];
  const missing = ({ section }: EffectivePostgresql) => {
    const { callbacks, prePromote, beforeStop } = effectivePostgresqlSection({ postgresql: section }, own);
    const named = Object.entries({ ...callbacks, pre_promote: prePromote, before_stop: beforeStop });
    return named.flatMap(([key, command]) => {
      const program = missingProgram(command, searchPath());
      return program === null ? [] : [`${key} names ${program}, which is not there or cannot be run`];
    });
  };
  const known = missing(present);
  return missing(proposed).filter((text) => !known.includes(text));
}

async function libraryProblems(
  context: PostgresContext,
  present: EffectivePostgresql,
  proposed: EffectivePostgresql,
): Promise<string[]> {
  const missing = (effective: EffectivePostgresql, libDir: string) =>
    SERVER_ROLES.flatMap((role) =>
      missingLibraries(effective.roles[role].parameters, libDir, context.dataDir)
    ).map((one) => `${one.parameter} names ${one.library}, which is not there (looked for in ${libDir})`);
  // Nothing is asked for where no library is named.
  if (missing(proposed, "/nonexistent").length === 0) return [];
  const libDir = await findLibDir(context);
  if (libDir === null) return [];
  const known = missing(present, libDir);
  return [...new Set(missing(proposed, libDir))].filter((text) => !known.includes(text));
}

/** By the server's word while it answers; else where it lies beside the programs. null: not found. */
async function findLibDir(
  { parts: { server, programs, log, guard } }: PostgresContext,
): Promise<string | null> {
  if (guard.view().postmaster?.phase === "running") {
    try {
      const rows = await server.with(
        { applicationName: "agent config", statementTimeoutMs: LIB_DIR_LIMIT_MS },
        (connection) => connection.query(LIB_DIR_QUERY),
      );
      const told = rows[0]?.setting;
      if (told) return told;
    } catch (error) {
      log.debug("config_check", `where the libraries lie is not known: ${errorText(error)}`);
    }
  }
  const program = realPath(programs.path("postgres"));
  if (program === null) return null;
  const beside = join(dirname(dirname(program)), "lib");
  return exists(join(beside, "plpgsql.so")) ? beside : null;
}
