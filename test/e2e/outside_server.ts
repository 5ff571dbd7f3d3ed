/** A PostgreSQL outside of a cluster, with its own database system. It listens on 127.0.0.1, and trusts. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { Cluster } from "../../src/demo/cluster.ts";
import { freePorts } from "../../src/demo/ports.ts";
import { run } from "../../src/demo/run.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { findPrograms } from "../../src/postgres/programs.ts";

const LIMIT_MS = 120_000;
const TAIL_LINES = 15;

export class OutsideServer {
  readonly #stopNow = () => void this.#child.kill("SIGKILL");

  readonly connection: pg.Client;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(connection: pg.Client, port: number, child: ChildProcess, logFile: string) {
    this.connection = connection;
    this.port = port;
    this.#child = child;
    this.#logFile = logFile;
    process.on("exit", this.#stopNow);
  }

  /** Its files are in the cluster's directory. It answers when it resolves. */
  static async start(
    cluster: Cluster,
    name: string,
    settings: readonly string[] = [],
  ): Promise<OutsideServer> {
    const { prefix } = cluster.hosts[0]!.settings;
    const programs = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
    const directory = join(cluster.directory, `${name}-${Math.random().toString(36).slice(2, 8)}`);
    const as = (program: "initdb" | "postgres", ...args: string[]) =>
      [...prefix, programs.path(program), "-D", directory, ...args] as [string, ...string[]];
    const [initdb, ...initArgs] = as("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync");
    const made = await run(initdb, initArgs, cluster.directory);
    if (made.code !== 0) throw new Error(`initdb of the ${name} ended with ${made.code}: ${made.output}`);
    const [port] = await freePorts(1) as [number];
    const place = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories="];
    const options = [...place, "fsync=off", ...settings].flatMap((one) => ["-c", one]);
    const logFile = `${directory}.log`;
    const log = openSync(logFile, "a");
    const [postgres, ...args] = as("postgres", ...options);
    const child = spawn(postgres, args, { cwd: cluster.directory, stdio: ["ignore", log, log] });
    closeSync(log);
    try {
      const connection = await waitFor(`the ${name}'s PostgreSQL`, LIMIT_MS, async () => {
        const to = { host: "127.0.0.1", port, user: "postgres", database: "postgres" };
        const one = new pg.Client({ ...to, connectionTimeoutMillis: LIMIT_MS });
        one.on("error", () => undefined);
        await one.connect();
        return one;
      });
      return new OutsideServer(connection, port, child, logFile);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  async stop(): Promise<void> {
    process.off("exit", this.#stopNow);
    await this.connection.end().catch(() => undefined); // its server may be gone
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGQUIT");
    await ended;
  }

  /** The end of its log. */
  tail(): string {
    return readFileSync(this.#logFile, "utf8").split("\n").slice(-TAIL_LINES).join("\n");
  }
}
