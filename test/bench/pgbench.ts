/**
 * pgbench beside the faults: connections that are made once and must survive, and a line for each
 * transaction. A client that loses its connection is given up by pgbench, so an error of any client shows,
 * and nothing hides it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { run } from "../../src/demo/run.ts";
import { findPrograms } from "../../src/postgres/programs.ts";

export interface PgbenchOptions {
  readonly clients: number;
  /** Transactions a second of all clients; 0: as fast as it goes. */
  readonly rate: number;
  /** Put before its command, to run it beside the primary (Network.inside). @default nothing */
  readonly inside?: readonly string[];
}

export interface PgbenchResult {
  readonly transactions: number;
  readonly errors: readonly string[];
  /** From the moment a transaction was due to its confirmation. Sorted. */
  readonly latenciesMs: Float64Array;
}

/** Rows are 100,000 times this: enough for clients to seldom wait for each other. */
const SCALE = 20;
/** Longer than any run: it is ended by a signal. */
const SECONDS = 86_400;

export class Pgbench {
  readonly #cluster: Cluster;
  readonly #child: ChildProcess;
  readonly #prefix: string;
  readonly #ended: Promise<void>;
  #said = "";

  private constructor(cluster: Cluster, primary: Host, { clients, rate, inside = [] }: PgbenchOptions) {
    this.#cluster = cluster;
    this.#prefix = `pgbench-${Math.random().toString(36).slice(2, 8)}`;
    const [command, ...args] = [
      ...inside,
      program(),
      ...connection(primary),
      ...["-n", "-c", String(clients), "-j", "2", "-T", String(SECONDS)],
      ...(rate > 0 ? ["-R", String(rate)] : []),
      ...["-l", "--log-prefix", this.#prefix, "postgres"],
    ];
    const child = spawn(command!, args, {
      cwd: cluster.directory,
      env: environment(cluster),
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (chunk: Buffer) => (this.#said += chunk.toString()));
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.on("close", () => resolve());
      child.on("error", (error) => {
        this.#said += `pgbench: error: ${error.message}\n`;
        resolve();
      });
    });
  }

  /** Makes its tables. */
  static async prepare(cluster: Cluster, primary: Host): Promise<void> {
    const args = [...connection(primary), "-i", "-q", "-s", String(SCALE), "postgres"];
    const { code, output } = await run(program(), args, cluster.directory, {
      env: environment(cluster),
      timeoutMs: 300_000,
    });
    if (code !== 0) throw new Error(`pgbench -i ended with ${code}: ${output}`);
  }

  static start(cluster: Cluster, primary: Host, options: PgbenchOptions): Pgbench {
    return new Pgbench(cluster, primary, options);
  }

  /** What clients have complained of so far. */
  errors(): string[] {
    return this.#said.split("\n").filter((line) => /error|fatal/i.test(line));
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it. The last lines of its log may be missing: it buffers them. */
  async stop(): Promise<PgbenchResult> {
    // Of its own accord it ends only when every client has failed.
    const errors = this.running ? this.errors() : [...this.errors(), "pgbench ended by itself"];
    this.#child.kill("SIGKILL");
    await this.#ended;
    const latencies: number[] = [];
    for (const name of readdirSync(this.#cluster.directory).filter((one) => one.startsWith(this.#prefix))) {
      // client, transaction, latency in microseconds, ...
      for (const line of readFileSync(join(this.#cluster.directory, name), "latin1").split("\n")) {
        const latencyUs = Number(line.split(" ", 3)[2]);
        if (!Number.isNaN(latencyUs)) latencies.push(latencyUs / 1000);
      }
    }
    return { transactions: latencies.length, errors, latenciesMs: Float64Array.from(latencies).sort() };
  }
}

function program(): string {
  const programs = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
  return join(dirname(programs.path("pg_basebackup")), "pgbench");
}

function connection({ addresses }: Host): string[] {
  return ["-h", addresses.address, "-p", String(addresses.postgresPort), "-U", "postgres"];
}

function environment(cluster: Cluster): NodeJS.ProcessEnv {
  return { ...process.env, PGPASSWORD: cluster.secrets.superuser };
}
