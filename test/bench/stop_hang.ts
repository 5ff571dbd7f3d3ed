/** The helpers of PostgreSQL that can keep a shutdown waiting, and how each is made to hang. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { commandLine, signal } from "../../src/demo/processes.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { findPrograms } from "../../src/postgres/programs.ts";

const BEGIN_MS = 30_000;

/** While `hang` lies beside the data directory, it ignores whatever can be ignored. */
const ARCHIVE =
  "[ -e ../hang ] || exit 0; trap '' TERM INT HUP QUIT; while [ -e ../hang ]; do sleep 0.1; done";

/** What the helpers need: an archiver, logical walsenders, an autovacuum that begins soon and takes long. */
export const STOP_DCS: JsonObject = {
  postgresql: {
    parameters: {
      wal_level: "logical",
      archive_mode: "on",
      archive_command: ARCHIVE,
      autovacuum_naptime: "1s",
    },
  },
};

export interface Hang {
  readonly name: string;
  /** Resolves when it hangs, to what lets it go on again. */
  hang(cluster: Cluster, primary: Host): Promise<() => Promise<void> | void>;
}

async function helper(host: Host, title: string): Promise<number> {
  return await waitFor(
    `${title} of ${host.name}`,
    BEGIN_MS,
    () => host.postgresProcesses().find((pid) => commandLine(pid).join(" ").includes(title)),
  );
}

function stopped(pid: number): () => void {
  if (!signal(pid, "SIGSTOP")) throw new Error(`process ${pid} has ended before it could be stopped`);
  return () => void signal(pid, "SIGCONT");
}

const byTitle = (name: string, title: string): Hang => ({
  name,
  hang: async (_, primary) => stopped(await helper(primary, title)),
});

/**
 * A session that runs `sql` (none: is idle); the process whose title contains `title`, or its own, is
 * stopped.
 */
const session = (name: string, setting: string, sql: string, title: string | null): Hang => ({
  name,
  async hang(cluster, primary) {
    const connection = await cluster.connect(primary);
    const pid = (await connection.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]!.pid;
    if (setting !== "") await connection.query(setting);
    if (sql !== "") connection.query(sql).catch(() => undefined); // Ends with the server.
    const goOn = stopped(title === null ? pid : await helper(primary, title));
    return () => {
      goOn();
      connection.end().catch(() => undefined); // Has ended with the server.
    };
  },
});

/** A program that receives WAL; it stops, or the WAL sender that serves it does. */
const receiver = (name: string, program: "pg_receivewal" | "pg_recvlogical", sender: boolean): Hang => ({
  name,
  async hang(cluster, primary) {
    const { address, postgresPort } = primary.addresses;
    const logical = program === "pg_recvlogical";
    const user = logical ? "postgres" : "replicator";
    const target = `host=${address} port=${postgresPort} user=${user} application_name=taker`;
    const directory = mkdtempSync(join(cluster.directory, "taker-"));
    const programs = findPrograms({ binDir: null, binName: {}, dataDir: primary.dataDir });
    const path = join(dirname(programs.path("pg_basebackup")), program);
    const env = { ...process.env, PGPASSWORD: cluster.secrets[logical ? "superuser" : "replication"] };
    const ownArgs = logical
      ? ["--slot=taker", "--create-slot", "--if-not-exists", "--start", "-f", join(directory, "changes")]
      : ["-D", directory, "--no-loop"];
    const database = logical ? `${target} dbname=postgres` : target;
    const child: ChildProcess = spawn(path, ["-d", database, ...ownArgs], { env, stdio: "ignore" });
    const senderPid = await waitFor(`the WAL sender of ${program}`, BEGIN_MS, async () => {
      const rows = await cluster.query<{ pid: number }>(
        primary,
        "SELECT pid FROM pg_stat_replication WHERE application_name = 'taker' AND state = 'streaming'",
      );
      return rows[0]?.pid;
    });
    const goOn = stopped(sender ? senderPid : child.pid!);
    return () => {
      goOn();
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    };
  },
});

const autovacuumWorker: Hang = {
  name: "autovacuum worker",
  async hang(cluster, primary) {
    await cluster.query(
      primary,
      `CREATE TABLE IF NOT EXISTS vacuumed (id int, filler text)
         WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
               autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)`,
    );
    await cluster.query(
      primary,
      "INSERT INTO vacuumed SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n",
    );
    await cluster.query(primary, "DELETE FROM vacuumed");
    return stopped(await helper(primary, "autovacuum worker"));
  },
};

const archiveCommand: Hang = {
  name: "archive_command",
  hang(_, primary) {
    const file = join(primary.directory, "hang");
    writeFileSync(file, "");
    return Promise.resolve(() => rmSync(file, { force: true }));
  },
};

const replicationSender: Hang = {
  name: "WAL sender of the other standby",
  async hang(cluster, primary) {
    // The last one: a switchover goes to the first.
    const name = cluster.others(primary).at(-1)!.name;
    const rows = await cluster.query<{ pid: number }>(
      primary,
      `SELECT pid FROM pg_stat_replication WHERE application_name = '${name}'`,
    );
    return stopped(rows[0]!.pid);
  },
};

export const HANGS: readonly Hang[] = [
  { name: "nothing", hang: () => Promise.resolve(() => {}) },
  session("client's backend", "", "", null),
  session("parallel worker", "SET force_parallel_mode = on", "SELECT pg_sleep(600)", "parallel worker"),
  byTitle("logical replication launcher", "logical replication launcher"),
  byTitle("walwriter", "walwriter"),
  byTitle("background writer", "background writer"),
  byTitle("checkpointer", "checkpointer"),
  byTitle("autovacuum launcher", "autovacuum launcher"),
  autovacuumWorker,
  byTitle("archiver", "archiver"),
  archiveCommand,
  replicationSender,
  receiver("WAL sender of pg_receivewal", "pg_receivewal", true),
  receiver("pg_receivewal itself", "pg_receivewal", false),
  receiver("WAL sender of pg_recvlogical", "pg_recvlogical", true),
  receiver("pg_recvlogical itself", "pg_recvlogical", false),
  {
    name: "postmaster",
    hang: (_, primary) => Promise.resolve(stopped(primary.postmasterPid()!)),
  },
];
