/**
 * The peer: Debian's Patroni with an etcd on each of three nodes, on loopback, with PostgreSQL as this
 * program's nodes have it. Started, watched through REST, and removed without a trace.
 */
import { spawn } from "node:child_process";
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { stopProcessesIn } from "../../src/demo/host.ts";
import { type NodeAddresses, nodeConfig, toYaml } from "../../src/demo/node_config.ts";
import { freePorts } from "../../src/demo/ports.ts";
import { commandLine, processesIn, signal } from "../../src/demo/processes.ts";
import { rest } from "../../src/demo/rest.ts";
import { SharedMemory } from "../../src/demo/shared_memory.ts";
import { findUser, lookupUser, type SystemUser } from "../../src/demo/system_user.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { run } from "../../src/demo/run.ts";
import type { JsonObject } from "../../src/model/json.ts";

const DEBIAN_POSTGRES = "/usr/lib/postgresql";
const PROGRAMS = ["patroni", "patronictl", "etcd"];

/** What is missing on this machine, in words; null: the peer can be run. */
export function peerIsMissing(): string | null {
  const missing = PROGRAMS.filter((name) => Bun.which(name) === null);
  return missing.length === 0
    ? null
    : `${missing.join(", ")} not found (Debian: apt-get install patroni etcd-server python3-etcd)`;
}

/** "patroni 3.0.2, etcd 3.4.23". */
export async function peerVersions(): Promise<string> {
  const patroni = await run("patroni", ["--version"], "/");
  const etcd = await run("etcd", ["--version"], "/");
  return `${patroni.output.trim()}, etcd ${/Version: (\S+)/.exec(etcd.output)?.[1] ?? "unknown"}`;
}

export interface PeerNode {
  readonly name: string;
  readonly directory: string;
  readonly addresses: NodeAddresses;
}

interface Secrets {
  readonly superuser: string;
  readonly replication: string;
  readonly rewind: string;
  readonly raft: string;
  readonly restapi: string;
}

const SECRETS: Secrets = {
  superuser: "super",
  replication: "repl",
  rewind: "rewind",
  raft: "unused",
  restapi: "rest",
};

export class PeerCluster {
  readonly directory: string;
  readonly nodes: readonly PeerNode[];
  readonly #user: SystemUser | null;
  readonly #etcd: (node: PeerNode) => string[];
  readonly #sharedMemory = new SharedMemory();
  readonly #onExit = () => this.#endNow();

  private constructor(
    directory: string,
    nodes: readonly PeerNode[],
    user: SystemUser | null,
    etcd: (node: PeerNode) => string[],
  ) {
    this.directory = directory;
    this.nodes = nodes;
    this.#user = user;
    this.#etcd = etcd;
    process.on("exit", this.#onExit);
  }

  /** `dcs`: into bootstrap.dcs. Nothing is started yet. */
  static async create(userName: string | null, dcs: JsonObject): Promise<PeerCluster> {
    const user = userName === null || findUser(userName) === null ? null : lookupUser(userName);
    const directory = mkdtempSync(join(tmpdir(), "agent-peer-"));
    chmodSync(directory, 0o700);
    const [client, peer, restPort, postgresPort] = await freePorts(4) as [number, number, number, number];
    const nodes = [1, 2, 3].map((i): PeerNode => ({
      name: `peer${i}`,
      directory: join(directory, `peer${i}`),
      addresses: { name: `peer${i}`, address: `127.0.0.${i}`, raftPort: peer, restPort, postgresPort },
    }));
    const url = (node: PeerNode, port: number) => `http://${node.addresses.address}:${port}`;
    for (const node of nodes) {
      mkdirSync(node.directory, { mode: 0o700 });
      writeFileSync(configOf(node), toYaml(patroniConfig(node, nodes, client, dcs)), { mode: 0o600 });
      if (user) { for (const path of [node.directory, configOf(node)]) chownSync(path, user.uid, user.gid); }
    }
    if (user) chownSync(directory, user.uid, user.gid);
    const etcd = (node: PeerNode) => [
      "etcd",
      ...[
        "--name",
        node.name,
        "--data-dir",
        join(node.directory, "etcd"),
        "--logger",
        "zap",
        "--log-level",
        "error",
      ],
      ...["--listen-client-urls", url(node, client), "--advertise-client-urls", url(node, client)],
      ...["--listen-peer-urls", url(node, peer), "--initial-advertise-peer-urls", url(node, peer)],
      ...["--initial-cluster", nodes.map((one) => `${one.name}=${url(one, peer)}`).join(",")],
    ];
    return new PeerCluster(directory, nodes, user, etcd);
  }

  start(): void {
    for (const node of this.nodes) this.#spawn(node, "etcd.log", this.#etcd(node));
    for (const node of this.nodes) this.#spawn(node, "patroni.log", ["patroni", configOf(node)]);
  }

  #spawn(node: PeerNode, log: string, command: readonly string[]): void {
    const file = openSync(join(node.directory, log), "a");
    const user = this.#user;
    const [program, ...args] = [
      ...user ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups", "--"] : [],
      ...command,
    ];
    const env = { ...process.env, HOME: node.directory };
    const options = { cwd: node.directory, env, detached: true };
    const child = spawn(program!, args, { ...options, stdio: ["ignore", file, file] });
    closeSync(file);
    child.on("error", (error) => {
      throw new Error(`${command[0]} of ${node.name} did not start: ${error.message}`);
    });
    child.unref();
  }

  /** The node whose /primary answers 200, when exactly one of `nodes` does. */
  async primary(nodes = this.nodes): Promise<PeerNode | null> {
    const found = await Promise.all(nodes.map((node) => answers(node, "/primary")));
    return found.filter(Boolean).length === 1 ? nodes[found.indexOf(true)]! : null;
  }

  /** One is the primary, and the two others stream from it and are replicas by their own word. */
  waitHealthy(deadlineMs: number): Promise<PeerNode> {
    return waitFor("a healthy cluster of Patroni", deadlineMs, async () => {
      const primary = await this.primary();
      if (primary === null) return null;
      const { text } = await rest(addressOf(primary), "/patroni", { timeoutMs: 1000 });
      const { replication = [] } = JSON.parse(text) as { replication?: { state: string }[] };
      if (replication.filter(({ state }) => state === "streaming").length < this.nodes.length - 1) {
        return null;
      }
      const others = this.nodes.filter((node) => node !== primary);
      const ready = await Promise.all(others.map((node) => answers(node, "/replica")));
      return ready.every(Boolean) ? primary : null;
    });
  }

  /** The processes that stand where this program's agent and guard do. */
  daemons(node: PeerNode): { readonly patroni: number; readonly etcd: number } {
    const pids = processesIn(node.directory);
    const pidOf = (program: RegExp) => pids.find((pid) => program.test(commandLine(pid).join(" ")));
    const patroni = pidOf(/python\S* \S*bin\/patroni /);
    const etcd = pidOf(/^\S*etcd --name /);
    if (patroni === undefined || etcd === undefined) throw new Error(`a daemon of ${node.name} does not run`);
    return { patroni, etcd };
  }

  listCommand(node: PeerNode): string[] {
    return ["patronictl", "-c", configOf(node), "list"];
  }

  logs(): string {
    const files = this.nodes.flatMap(({ directory }) =>
      ["etcd.log", "patroni.log"].map((name) => join(directory, name))
    );
    const tail = (file: string) => readFileSync(file, "utf8").split("\n").slice(-40).join("\n");
    return files.filter((file) => existsSync(file)).map((file) => `--- ${file}\n${tail(file)}`).join("\n");
  }

  /** The node's host loses its power. */
  async powerOff(node: PeerNode): Promise<void> {
    this.#sharedMemory.note(processesIn(join(node.directory, "data")));
    await stopProcessesIn(node.directory);
  }

  async destroy(): Promise<void> {
    process.off("exit", this.#onExit);
    for (const node of this.nodes) await this.powerOff(node);
    this.#remove();
  }

  #endNow(): void {
    this.#sharedMemory.note(processesIn(this.directory));
    for (let round = 0; round < 50; round++) {
      const pids = processesIn(this.directory);
      if (pids.length === 0) break;
      for (const pid of pids) signal(pid, "SIGKILL");
    }
    this.#remove();
  }

  #remove(): void {
    this.#sharedMemory.remove();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function configOf(node: PeerNode): string {
  return join(node.directory, "patroni.yml");
}

function addressOf({ addresses }: PeerNode): string {
  return `${addresses.address}:${addresses.restPort}`;
}

async function answers(node: PeerNode, path: string): Promise<boolean> {
  try {
    return (await rest(addressOf(node), path, { timeoutMs: 1000 })).status === 200;
  } catch {
    return false; // no answer is an answer: not healthy
  }
}

/** Patroni looks in its PATH alone, where Debian has no server programs. */
function newestPostgres(): string {
  const roots = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES) : [];
  const version = roots.map(Number).filter((one) => one > 0).sort((a, b) => b - a)[0];
  if (version !== undefined) return join(DEBIAN_POSTGRES, String(version), "bin");
  const initdb = Bun.which("initdb");
  if (initdb === null) throw new Error("no initdb was found");
  return dirname(initdb);
}

/** This program's file, which is Patroni's, with the three etcds in the place of raft. */
function patroniConfig(
  node: PeerNode,
  nodes: readonly PeerNode[],
  clientPort: number,
  dcs: JsonObject,
): JsonObject {
  const { raft: _, ...common } = nodeConfig({
    scope: "peer",
    node: node.addresses,
    all: nodes.map(({ addresses }) => addresses),
    directory: node.directory,
    secrets: SECRETS,
    dcs,
    override: { postgresql: { bin_dir: newestPostgres() } },
  });
  return { ...common, etcd3: { hosts: nodes.map(({ addresses }) => `${addresses.address}:${clientPort}`) } };
}
