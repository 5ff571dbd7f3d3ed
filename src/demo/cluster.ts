/**
 * A cluster of processes on this machine, driven from outside: started, watched through REST, hurt by
 * signals, and removed without a trace whatever happens. Used by `agent demo`, the benchmark, the chaos runs
 * and the end-to-end tests.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import pg from "pg";
import type { JsonObject } from "../model/json.ts";
import { Client } from "./client.ts";
import { CLIENT_TABLE } from "./client_process.ts";
import { Host } from "./host.ts";
import { type NodeAddresses, nodeConfig, type Secrets, toYaml } from "./node_config.ts";
import { freePorts } from "./ports.ts";
import { describeView, isHealthy, MAX_LAG_BYTES } from "./health.ts";
import { type ClientCertificate, clusterView } from "./rest.ts";
import { run, type RunResult } from "./run.ts";
import { lookupUser, type SystemUser } from "./system_user.ts";
import { waitFor } from "./wait_for.ts";

/** Ctrl-C, kill, and a terminal that is closed: nothing may be left running. */
const ENDING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

export interface ClusterOptions {
  /** The executable that is `agent`. */
  readonly binary: string;
  readonly size?: number;
  /**
   * Number of nodes that found the cluster; the others name these as their partners and join it. @default all
   */
  readonly founders?: number;
  /** Number of witnesses, which are the last nodes. @default 0 */
  readonly witnesses?: number;
  readonly scope?: string;
  /** Into bootstrap.dcs: ttl, primary_start_timeout ... */
  readonly dcs?: JsonObject;
  /** Into the file of each node. */
  readonly override?: (name: string) => JsonObject;
  /** Runs agents and PostgreSQL as this user. Only root can ask for it. */
  readonly user?: string | null;
  /** Network address and namespace of node 1, 2, ... */
  readonly place?: (index: number) => { readonly address: string; readonly namespace: string };
  /** Gives the directory of a node a file system of its own; returns what takes it away. @default none */
  readonly disk?: (directory: string) => () => void;
  /** Put before the agent's command of a node, once it is the user's: env(1) with settings. @default nothing */
  readonly wrap?: (directory: string) => readonly string[];
  /** For REST APIs that `override` has made HTTPS. @default plain HTTP */
  readonly clientCertificate?: ClientCertificate;
  /** Time between two looks at the health of all; longer where many clusters share a host. @default 20 */
  readonly lookEveryMs?: number;
  /** Clients pause so many times longer between two questions. @default 1 */
  readonly clientSlowness?: number;
  /** Runs the client process; the path of its settings is appended. */
  readonly clientCommand?: readonly string[];
}

/**
 * The lines that a standby's PostgreSQL logs twice a second while it has no primary to stream from; they
 * would fill every excerpt.
 */
const WITHOUT_PRIMARY =
  /could not connect to the primary server|Is the server running on that host|waiting for WAL to become/;
const HEALTHY_DEADLINE_MS = 120_000;
/** To a server that is up: on a loaded machine it takes a while. */
const CONNECT_TIMEOUT_MS = 10_000;
/** The answer to a short statement, on a loaded machine. */
const QUERY_TIMEOUT_MS = 20_000;
const IDS_PER_CLIENT = 1e9;

export class Cluster {
  readonly #clients: Client[] = [];
  readonly #removeHandlers: () => void;
  readonly #removeDisks: readonly (() => void)[];
  #destroyed = false;

  readonly options: ClusterOptions;
  readonly directory: string;
  readonly hosts: readonly Host[];
  /** The secrets that connections are made with; a test that changes a password sets the new one. */
  secrets: Secrets;
  readonly scope: string;

  private constructor(
    options: ClusterOptions,
    directory: string,
    hosts: readonly Host[],
    secrets: Secrets,
    scope: string,
    removeDisks: readonly (() => void)[],
  ) {
    this.options = options;
    this.#removeDisks = removeDisks;
    this.directory = directory;
    this.hosts = hosts;
    this.secrets = secrets;
    this.scope = scope;
    const onExit = () => this.destroyNow();
    const onSignal = (name: NodeJS.Signals) => {
      this.destroyNow();
      process.exit(128 + constants.signals[name]);
    };
    process.on("exit", onExit);
    for (const name of ENDING) process.on(name, onSignal);
    this.#removeHandlers = () => {
      process.off("exit", onExit);
      for (const name of ENDING) process.off(name, onSignal);
    };
  }

  /** Directories and YAML files are made; nothing is started yet. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    const size = options.size ?? 3;
    const scope = options.scope ?? "demo";
    const user = options.user ? lookupUser(options.user) : null;
    const directory = mkdtempSync(join(tmpdir(), "agent-cluster-"));
    // Closed to others even when it belongs to the user of the agents.
    chmodSync(directory, 0o700);
    // As on hosts of their own: the same ports, at different addresses. All of 127.0.0.0/8 is this machine.
    const [raftPort, restPort, postgresPort] = await freePorts(3) as [number, number, number];
    const all: NodeAddresses[] = Array.from({ length: size }, (_, i) => ({
      name: `node${i + 1}`,
      address: options.place?.(i + 1).address ?? `127.0.0.${i + 1}`,
      raftPort,
      restPort,
      postgresPort,
    }));
    const secrets = makeSecrets();
    const binary = user ? readableBinary(options.binary, user, directory) : options.binary;
    const removeDisks: (() => void)[] = [];
    const hosts = all.map((node, i) => {
      const home = join(directory, node.name);
      mkdirSync(home, { mode: 0o700 });
      if (options.disk) removeDisks.push(options.disk(home));
      const host = new Host(home, node, {
        binary,
        prefix: [
          ...(options.place ? ["ip", "netns", "exec", options.place(i + 1).namespace] : []),
          ...asUser(user),
          ...options.wrap?.(home) ?? [],
        ],
        env: { ...process.env, ...(user ? { USER: user.name, LOGNAME: user.name } : {}) },
        ...(options.clientCertificate ? { clientCertificate: options.clientCertificate } : {}),
        command: i < size - (options.witnesses ?? 0) ? "run" : "witness",
      });
      const { postgresql, ...common } = nodeConfig({
        scope,
        node,
        all: all.slice(0, options.founders ?? size),
        directory: home,
        secrets,
        dcs: options.dcs ?? {},
        override: options.override?.(node.name) ?? {},
      });
      const config = host.settings.command === "run" ? { ...common, postgresql: postgresql! } : common;
      writeFileSync(host.configFile, toYaml(config), { mode: 0o600 });
      if (user) { for (const path of [home, host.configFile]) chownSync(path, user.uid, user.gid); }
      return host;
    });
    if (user) chownSync(directory, user.uid, user.gid);
    return new Cluster(options, directory, hosts, secrets, scope, removeDisks);
  }

  start(): void {
    for (const host of this.hosts) host.start();
  }

  host(name: string): Host {
    const found = this.hosts.find((one) => one.name === name);
    if (!found) throw new Error(`no host is called ${name}`);
    return found;
  }

  /** The nodes that are not witnesses. */
  get members(): Host[] {
    return this.hosts.filter(({ settings }) => settings.command === "run");
  }

  others(host: Host): Host[] {
    return this.hosts.filter((one) => one !== host);
  }

  /** The node whose /primary answers 200, when exactly one does. */
  async primary(): Promise<Host | null> {
    const answers = await Promise.all(this.hosts.map((host) => host.answers("/primary")));
    const primaries = this.hosts.filter((_, i) => answers[i]);
    return primaries.length === 1 ? primaries[0]! : null;
  }

  waitForPrimary(
    deadlineMs = HEALTHY_DEADLINE_MS,
    fits: (host: Host) => boolean = () => true,
  ): Promise<Host> {
    return waitFor("a primary", deadlineMs, async () => {
      const host = await this.primary();
      return host !== null && fits(host) ? host : null;
    });
  }

  /**
   * Waits until one of `hosts` is primary and all the others stream from it on its timeline, at most
   * `maxLagBytes` behind as far as it knows (more, and a switchover may be refused), and until each of them
   * shows all that: a member hears of another one a moment later, and any of them may be asked next. Returns
   * the primary.
   */
  async waitHealthy(
    deadlineMs = HEALTHY_DEADLINE_MS,
    hosts: readonly Host[] = this.members,
    maxLagBytes = MAX_LAG_BYTES,
  ): Promise<Host> {
    let last = "nothing answered";
    try {
      return await waitFor("a healthy cluster", deadlineMs, async () => {
        const primary = await this.primary();
        if (primary === null || !hosts.includes(primary)) {
          last = "there is no primary";
          return null;
        }
        const names = hosts.map((host) => host.name);
        const others = hosts.filter((host) => host !== primary);
        const replicas = await Promise.all(others.map((host) => host.answers("/replica")));
        for (const host of [primary, ...others]) {
          const view = await clusterView(host.restAddress, host.settings.clientCertificate);
          last = `by ${host.name}: ${describeView(view)}`;
          if (!isHealthy(view, primary.name, names, host === primary ? maxLagBytes : Infinity)) return null;
        }
        const silent = others.find((_, i) => !replicas[i]);
        if (silent !== undefined) last = `/replica of ${silent.name} does not answer 200; ${last}`;
        return silent === undefined ? primary : null;
      }, this.options.lookEveryMs);
    } catch (error) {
      throw new Error(`${(error as Error).message} (last seen: ${last})`);
    }
  }

  /**
   * Runs `agent ctl` against this cluster and returns its output; throws with it when the exit code is not 0.
   */
  async ctl(...args: string[]): Promise<string> {
    const result = await this.tryCtl(...args);
    if (result.code !== 0) {
      throw new Error(`agent ctl ${args.join(" ")} ended with ${result.code}: ${result.output}`);
    }
    return result.output;
  }

  tryCtl(...args: string[]): Promise<RunResult> {
    return this.tryCtlAt(this.hosts[0]!, ...args);
  }

  /** As tryCtl, with the file of that host, and from its place. */
  async tryCtlAt(host: Host, ...args: string[]): Promise<RunResult> {
    const [program, ...rest] = [
      ...host.settings.prefix,
      this.options.binary,
      "ctl",
      "-c",
      host.configFile,
      ...args,
    ];
    return await run(program!, rest, this.directory);
  }

  /** A connection to one node's PostgreSQL as superuser; close it. A statement has no limit of time with 0. */
  async connect(host: Host, database = "postgres", queryTimeoutMs = 0): Promise<pg.Client> {
    const client = new pg.Client({
      host: host.addresses.address,
      port: host.addresses.postgresPort,
      user: "postgres",
      password: this.secrets.superuser,
      database,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: queryTimeoutMs,
    });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }

  /** One short statement on one node; a server that hangs fails it. */
  async query<Row extends object>(host: Host, sql: string): Promise<Row[]> {
    const client = await this.connect(host, "postgres", QUERY_TIMEOUT_MS);
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /**
   * Starts a client process that writes to the primary among `hosts`. `prefix`: put before its command, to
   * run it in another network namespace.
   */
  startClient(hosts: readonly Host[] = this.members, prefix: readonly string[] = []): Client {
    const command = [...prefix, ...(this.options.clientCommand ?? [this.options.binary, "__client"])];
    const client = new Client(command, this.directory, {
      targets: hosts.map((host) => ({
        node: host.name,
        host: host.addresses.address,
        port: host.addresses.postgresPort,
      })),
      user: "postgres",
      password: this.secrets.superuser,
      database: "postgres",
      firstId: this.#clients.length * IDS_PER_CLIENT + 1,
      slowness: this.options.clientSlowness ?? 1,
    });
    this.#clients.push(client);
    return client;
  }

  /** The ids that clients have written and that this node holds. */
  async presentIds(host: Host): Promise<Set<number>> {
    const rows = await this.query<{ id: string }>(host, `SELECT id FROM ${CLIENT_TABLE}`);
    return new Set(rows.map((row) => Number(row.id)));
  }

  /** Ends everything and removes the directory. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    await Promise.all(this.#clients.map((client) => client.stop()));
    await Promise.all(this.hosts.map((host) => host.powerOff()));
    for (const host of this.hosts) host.removeSharedMemory();
    this.#leave();
    this.#removeDirectory();
  }

  destroyNow(): void {
    if (this.#destroyed) return;
    for (const client of this.#clients) client.kill();
    for (const host of this.hosts) {
      host.powerOffNow();
      host.removeSharedMemory();
    }
    this.#leave();
    this.#removeDirectory();
  }

  /** Ends only the clients: the cluster goes on without this process. */
  async leaveRunning(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    this.#leave();
  }

  #removeDirectory(): void {
    for (const remove of this.#removeDisks) remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #leave(): void {
    this.#destroyed = true;
    this.#removeHandlers();
  }

  /** The last lines of every agent's log, for the report of a failure. */
  logs(lines = 40): string {
    return this.hosts.map((host) => {
      const told = host.log().split("\n").filter((line) => !WITHOUT_PRIMARY.test(line));
      return `--- ${host.name}\n${told.slice(-lines - 1).join("\n")}`;
    }).join("\n");
  }
}

function asUser(user: SystemUser | null): string[] {
  return user ? ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups", "--"] : [];
}

/** The executable, or a copy of it where the user may not run it at its place. */
function readableBinary(binary: string, user: SystemUser, directory: string): string {
  const [program, ...args] = [...asUser(user), "test", "-x", binary, "-a", "-r", binary];
  if (spawnSync(program!, args, { cwd: "/" }).status === 0) return binary;
  const copy = join(directory, "agent");
  copyFileSync(binary, copy);
  chmodSync(copy, 0o755);
  return copy;
}

function makeSecrets(): Secrets {
  const secret = () => randomBytes(12).toString("hex");
  return { superuser: secret(), replication: secret(), rewind: secret(), raft: secret(), restapi: secret() };
}
