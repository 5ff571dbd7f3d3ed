/** The handle of a client with transactions: starts it, stops it, and reads its history. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { parseTransaction, type Transaction } from "./oracle/history.ts";
import type { TransactionSettings } from "./transactions_process.ts";

/** More than the patience with a transaction. */
const STOP_MS = 20_000;

export class TransactionClient {
  readonly #child: ChildProcess;
  readonly logFile: string;

  /** `prefix`: put before the command, to run it in another network namespace. */
  constructor(
    cluster: Cluster,
    hosts: readonly Host[],
    prefix: readonly string[],
    options: Pick<TransactionSettings, "client" | "workers" | "paceMs" | "seed">,
  ) {
    this.logFile = join(cluster.directory, `transactions-${options.client}.log`);
    const settings: TransactionSettings = {
      ...options,
      targets: hosts.map(({ name, addresses }) => ({
        node: name,
        host: addresses.address,
        port: addresses.postgresPort,
      })),
      user: "postgres",
      password: cluster.secrets.superuser,
      database: "postgres",
      logFile: this.logFile,
    };
    const settingsFile = `${this.logFile}.json`;
    writeFileSync(settingsFile, JSON.stringify(settings), { mode: 0o600 });
    const [program, ...args] = [
      ...prefix,
      process.execPath,
      join(import.meta.dir, "transactions_process.ts"),
      settingsFile,
    ];
    // It also ends when this process does: its standard input is closed then.
    this.#child = spawn(program!, args, { cwd: cluster.directory, stdio: ["pipe", "ignore", "inherit"] });
    this.#child.on("error", (error) => {
      throw new Error(`the client with transactions did not start: ${error.message}`);
    });
  }

  /** Ends it once its last transactions have ended. */
  async stop(): Promise<void> {
    const hasEnded = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    if (!hasEnded()) this.#child.kill("SIGTERM");
    await waitFor("the end of a client with transactions", STOP_MS, hasEnded);
    if (this.#child.exitCode !== 0) throw new Error("a client with transactions has failed");
  }

  history(): Transaction[] {
    if (!existsSync(this.logFile)) return [];
    return readFileSync(this.logFile, "utf8").split("\n").filter((line) => line !== "").map(parseTransaction);
  }
}
