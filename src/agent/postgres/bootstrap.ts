/**
 * The end of a bootstrap, on the running first primary: roles, the user's script, and the mark taken away.
 */
import { join, removeFile, writeAtomically } from "../../postgres/disk.ts";
import { formatPgpass } from "../../postgres/pgpass.ts";
import { createRoles, rolesOf } from "../../postgres/roles.ts";
import type { PostgresContext } from "./context.ts";
import { openRestored } from "./custom_bootstrap.ts";

const ROLES_LIMIT_MS = 30_000;

/** Resolves to null, or to what went wrong; may be repeated. */
export async function finishBootstrap(context: PostgresContext, signal: AbortSignal): Promise<string | null> {
  const { server, postgresql, local, memory } = context.parts;
  const { bootstrap } = local;
  if (Object.keys(bootstrap.users).length > 0) {
    context.warn(
      "bootstrap.users is deprecated: create users by bootstrap.post_bootstrap, or after the bootstrap",
    );
  }
  await server.with(
    { applicationName: "agent bootstrap", statementTimeoutMs: ROLES_LIMIT_MS },
    (connection) => createRoles(connection, rolesOf(postgresql, bootstrap, memory.restored !== null)),
  );
  if (bootstrap.postBootstrap !== null) {
    memory.customBootstrap = true;
    const failed = await postBootstrap(context, bootstrap.postBootstrap, signal);
    memory.customBootstrap = false;
    if (failed !== null) {
      memory.failure = "custom bootstrap failed";
      return `post_bootstrap: ${failed}`;
    }
  }
  await openRestored(context);
  return null;
}

/** The cluster's records name this directory: from here on it is a data directory like any other. */
export async function sealBootstrap(context: PostgresContext): Promise<void> {
  const { marker, tries } = context.parts;
  await marker.remove();
  tries.done();
  await context.survey();
  context.info("initialized a new cluster");
}

async function postBootstrap(
  context: PostgresContext,
  command: string,
  signal: AbortSignal,
): Promise<string | null> {
  const { server, postgresql, ownDir, hooks } = context.parts;
  const { username, password } = postgresql.superuser;
  const where = server.way();
  if (where === null) return "PostgreSQL listens nowhere";
  const passfile = join(ownDir, "post_bootstrap.pgpass");
  try {
    const entries = password === null ? [] : [{ host: "*", port: "*", username, password }];
    writeAtomically(passfile, formatPgpass(entries), 0o600);
    const failed = await hooks.run("post_bootstrap", command, {
      args: [connectionUrl(where, username)],
      env: { PGPASSFILE: passfile, PGOPTIONS: "-c synchronous_commit=local -c statement_timeout=0" },
      signal,
    });
    return failed?.text ?? null;
  } finally {
    removeFile(passfile);
  }
}

/** Without the password, which is in the file that PGPASSFILE names. */
function connectionUrl({ host, port }: { host: string; port: number }, username: string): string {
  const user = encodeURIComponent(username);
  if (host.startsWith("/")) {
    return `postgres://${user}@/postgres?host=${encodeURIComponent(host)}&port=${port}`;
  }
  return `postgres://${user}@${host.includes(":") ? `[${host}]` : host}:${port}/postgres`;
}
