/** Clients that write to all members at once (first_commits_process.ts), and what they got acknowledged. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import { FIRST_COMMITS_TABLE, type FirstCommitsSettings } from "./first_commits_process.ts";

/** At each member. */
export const PARKED = 10;
const COMING = 3;

export interface Ack {
  readonly id: number;
  readonly member: string;
  readonly kind: string;
  readonly atMs: number;
}

export class Sessions {
  readonly acks: Ack[] = [];
  readonly #child: ChildProcess;
  readonly #atExit = () => this.stop();
  #rest = "";

  private constructor(settings: FirstCommitsSettings) {
    process.on("exit", this.#atExit);
    const program = join(import.meta.dir, "first_commits_process.ts");
    this.#child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.on("error", (error) => {
      throw new Error(`the sessions did not start: ${error.message}`);
    });
    this.#child.stdin!.write(`${JSON.stringify(settings)}\n`);
    this.#child.stdout!.on("data", (chunk: Buffer) => this.#take(chunk.toString("latin1")));
  }

  /** With a table of their own, on a cluster that is healthy. */
  static async begin(cluster: Cluster): Promise<Sessions> {
    const primary = await cluster.waitHealthy();
    await cluster.query(primary, `CREATE TABLE ${FIRST_COMMITS_TABLE} (id bigint PRIMARY KEY)`);
    const targets = cluster.hosts.map(({ name, addresses: { address: host, postgresPort: port } }) => ({
      name,
      host,
      port,
    }));
    return new Sessions({ targets, password: cluster.secrets.superuser, parked: PARKED, coming: COMING });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [id, member, kind, atMs] = line.split(" ") as [string, string, string, string];
      this.acks.push({ id: Number(id), member, kind, atMs: Number(atMs) });
    }
  }

  stop(): void {
    process.off("exit", this.#atExit);
    this.#child.kill("SIGKILL");
  }
}
