/**
 * `agent demo`: a cluster of three nodes on this machine, with a real PostgreSQL and a client that writes all
 * the time. It switches over, kills the primary's host, brings it back, and says what the client noticed.
 * Exit code 0 only if the cluster did all of it.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Cluster } from "../src/demo/cluster.ts";
import { runClient } from "../src/demo/client_process.ts";
import { report, runDemo } from "../src/demo/demo.ts";
import { stopProcessesIn } from "../src/demo/host.ts";
import { findUser } from "../src/demo/system_user.ts";
import { MAX_TTL_S } from "../src/model/limits.ts";
import { DEMO_EXAMPLES, DEMO_OPTIONS } from "./demo_options.ts";
import { findPrograms, type Programs, ProgramsError } from "../src/postgres/programs.ts";

export const DEMO_HELP = `Usage: agent demo [--ttl SECONDS] [--keep] [--user NAME]

Runs a cluster of three nodes on this machine in one temporary directory: bootstrap, switchover, death of the
primary's host, failover, return of the host, while a client writes all the time. Needs PostgreSQL's programs.

${DEMO_OPTIONS.map(([option, help]) => `  ${option.padEnd(18)}  ${help}`).join("\n")}

Examples:
${DEMO_EXAMPLES.map((example) => `  ${example}`).join("\n")}
`;

/** Returns the exit code. `args`: what follows "demo" on the command line. */
export async function demoCommand(args: readonly string[]): Promise<number> {
  let options;
  try {
    options = parseArgs({
      args: [...args],
      options: {
        ttl: { type: "string", default: "5" },
        keep: { type: "boolean", default: false },
        stop: { type: "string" },
        user: { type: "string" },
        // The client process of a cluster; not for people.
        client: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    return usageError((error as Error).message);
  }
  if (options.client !== undefined) {
    await runClient(options.client);
    return 0;
  }
  if (options.help) {
    process.stdout.write(DEMO_HELP);
    return 0;
  }
  if (options.stop !== undefined) return await stopKept(options.stop);
  const ttlS = Number(options.ttl);
  if (!Number.isInteger(ttlS) || ttlS < 2 || ttlS > MAX_TTL_S) {
    return usageError(`--ttl takes whole seconds, from 2 to ${MAX_TTL_S}`);
  }

  const user = chooseUser(options.user);
  if (typeof user === "object" && user !== null) return fail(user.error);
  let programs: Programs;
  try {
    programs = findPrograms({ binDir: null, binName: {}, dataDir: "" });
  } catch (error) {
    if (error instanceof ProgramsError) return fail(`${error.message} (Debian: apt-get install postgresql)`);
    throw error;
  }
  say(`agent demo: three nodes on this machine, PostgreSQL ${programs.versionText}, ttl ${ttlS} s`);
  if (user !== null) {
    say(`started as root, and PostgreSQL refuses to run as root: the nodes run as the user ${user}`);
  }
  return await withCluster(ttlS, user, options.keep);
}

async function withCluster(ttlS: number, user: string | null, keep: boolean): Promise<number> {
  const cluster = await Cluster.create({ binary: process.execPath, user, dcs: { ttl: ttlS } });
  say(`everything lies in ${cluster.directory}`);
  try {
    const outcome = await runDemo(cluster, ttlS, say);
    if (keep) {
      await cluster.leaveRunning();
      say(howToReach(cluster));
    }
    say(report(outcome));
    return outcome.failures.length === 0 ? 0 : 1;
  } catch (error) {
    say("");
    say(cluster.logs());
    return fail(`the demonstration failed: ${(error as Error).message}`);
  } finally {
    await cluster.destroy();
  }
}

/** The user that runs the nodes; null: the one that runs this program. */
function chooseUser(asked: string | undefined): string | null | { error: string } {
  if (process.getuid?.() !== 0) {
    return asked === undefined ? null : { error: "--user needs root: without it the nodes run as you" };
  }
  const name = asked ?? "postgres";
  const user = findUser(name);
  if (user === null) {
    return { error: `PostgreSQL refuses to run as root, and there is no user ${name}: name one with --user` };
  }
  return user.uid === 0
    ? { error: "PostgreSQL refuses to run as root: name an ordinary user with --user" }
    : name;
}

function howToReach(cluster: Cluster): string {
  const password = join(cluster.directory, "pgpass");
  writeFileSync(password, `*:*:*:postgres:${cluster.secrets.superuser}\n`, { mode: 0o600 });
  const nodes = cluster.hosts.map((host) =>
    `  ${host.name}: PGPASSFILE=${password} psql "host=${host.addresses.address} port=${host.addresses.postgresPort} ` +
    `user=postgres dbname=postgres"\n         curl http://${host.restAddress}/cluster`
  );
  return [
    "",
    `The cluster goes on running in ${cluster.directory}:`,
    ...nodes,
    `  ${process.execPath} ctl -c ${cluster.hosts[0]!.configFile} list`,
    `To end it and to remove it: ${process.execPath} demo --stop ${cluster.directory}`,
    "",
  ].join("\n");
}

async function stopKept(directory: string): Promise<number> {
  if (!/\/agent-cluster-[^/]+\/?$/.test(directory)) {
    return fail(`${directory} is not the directory of a demonstration`);
  }
  await stopProcessesIn(directory.replace(/\/$/, ""));
  rmSync(directory, { recursive: true, force: true });
  say(`ended and removed: ${directory}`);
  return 0;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function fail(text: string): number {
  process.stderr.write(`Error: ${text}\n`);
  return 1;
}

function usageError(text: string): number {
  process.stderr.write(`Error: ${text}\n\n${DEMO_HELP}`);
  return 2;
}
