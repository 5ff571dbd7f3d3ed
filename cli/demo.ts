/**
 * `agent demo`: a cluster of three nodes on this machine, with a real PostgreSQL and a client that writes all
 * the time. It switches over, kills the primary's host, brings it back, and says what the client noticed.
 * Exit code 0 only if the cluster did all of it.
 */
import { existsSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "../src/demo/cluster.ts";
import { report, runDemo } from "../src/demo/demo.ts";
import { stopProcesses } from "../src/demo/host.ts";
import { keptProcesses, seenProcesses } from "../src/demo/kept.ts";
import { findUser } from "../src/demo/system_user.ts";
import { MAX_TTL_S } from "../src/model/limits.ts";
import { wholeNumber } from "./ctl/arguments.ts";
import type { Arguments } from "./ctl/command.ts";
import { findPrograms, type Programs, ProgramsError } from "../src/postgres/programs.ts";

/** Returns the exit code. Throws UsageError. */
export async function demoCommand(given: Arguments): Promise<number> {
  const stop = given.value("stop");
  if (stop !== null) return await stopKept(stop);
  const ttlS = wholeNumber("--ttl", given.value("ttl") ?? "3", 2, MAX_TTL_S);
  const user = chooseUser(given.value("user"));
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
  return await withCluster(ttlS, user, given.flag("keep"));
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
function chooseUser(asked: string | null): string | null | { error: string } {
  if (process.getuid?.() !== 0) {
    return asked === null ? null : { error: "--user needs root: without it the nodes run as you" };
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

async function stopKept(given: string): Promise<number> {
  if (!existsSync(given)) return fail(`${given} does not exist`);
  // As the kernel tells where processes work: an absolute path without links.
  const directory = realpathSync(given);
  if (!/\/agent-cluster-[^/]+$/.test(directory)) {
    return fail(`${directory} is not the directory of a demonstration`);
  }
  const look = () => keptProcesses(seenProcesses(), directory, process.pid);
  const { spared } = look();
  await stopProcesses(directory, () => look().theirs.map((one) => one.pid));
  rmSync(directory, { recursive: true, force: true });
  for (const { pid, name } of spared) say(`left alone: ${name} (pid ${pid}), which works in that directory`);
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
