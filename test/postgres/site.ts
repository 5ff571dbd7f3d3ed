/**
 * Members on loopback for the tests of the executor: each a real PostgreSQL under a real guard, driven by a
 * PostgresExecutor; no raft and no keeper, so the test itself is the one who decides.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { stringify } from "yaml";
import { PostgresExecutor } from "../../src/agent/postgres/executor.ts";
import type { WantedSlots } from "../../src/agent/postgres/port.ts";
import type { PostgresAction } from "../../src/brain/actions.ts";
import type { Upstream } from "../../src/model/upstream.ts";
import { freePorts } from "../../src/demo/ports.ts";
import { processesIn } from "../../src/demo/processes.ts";
import { SharedMemory } from "../../src/demo/shared_memory.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { GuardClient } from "../../src/guard/client.ts";
import type { GuardReply } from "../../src/guard/port.ts";
import { SystemClock } from "../../src/lib/clock.ts";
import { MemoryLog } from "../../src/lib/log.ts";
import type { DynamicConfig, LocalConfig } from "../../src/model/config.ts";
import { effectiveDynamic } from "../../src/config/dynamic.ts";
import { parseConfig } from "../../src/config/parse.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { deepMerge } from "../../src/model/merge.ts";
import { dataIdIn, type LongAction, type PostgresView } from "../../src/model/postgres_view.ts";
import { findPrograms } from "../../src/postgres/programs.ts";

/** The patience with whatever should come: far more than a loaded machine needs. */
export const LIMIT_MS = 120_000;
/** For bun, of a story of many steps: the step that fails is the one that says so. */
export const STORY_MS = 240_000;

/** Slots for these members, of which nothing else is known. */
export function slotsFor(...members: readonly string[]): WantedSlots {
  return { members, gone: [], elsewhere: [], permanent: [], positions: {} };
}
const guardProgram = join(import.meta.dir, "../../src/guard/testing.ts");

/** null when PostgreSQL can be run here; otherwise why not. */
export function whyNoPostgres(): string | null {
  if (process.getuid?.() === 0) return "PostgreSQL does not run as root: run these tests as an ordinary user";
  try {
    findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export class Site {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "agent-postgres-")));
  readonly members: TestMember[] = [];

  /** `override`: into the file; a function where it depends on the port of PostgreSQL. */
  async member(
    name: string,
    override: JsonObject | ((port: number) => JsonObject) = {},
    dcs: JsonObject = {},
  ): Promise<TestMember> {
    const [port] = await freePorts(1);
    const own = typeof override === "function" ? override(port!) : override;
    const member = new TestMember(this.root, name, port!, own, dcs);
    this.members.push(member);
    await member.connected();
    return member;
  }

  async remove(): Promise<void> {
    for (const member of this.members) await member.remove();
    // What is on its way of ending may still write.
    await waitFor("the directory is removed", LIMIT_MS, () => {
      rmSync(this.root, { recursive: true, force: true });
      return !existsSync(this.root);
    });
  }
}

/** Runs `body` with a site that is gone afterwards; a failure comes with the members' logs. */
export async function withSite(body: (site: Site) => Promise<void>): Promise<void> {
  const site = new Site();
  try {
    await body(site);
  } catch (error) {
    const logs = site.members.map((one) => `--- ${one.name}\n${one.log.lines.join("\n")}\n${one.describe()}`);
    throw new Error(`${error instanceof Error ? error.stack : String(error)}\n${logs.join("\n")}`, {
      cause: error,
    });
  } finally {
    await site.remove();
  }
}

export class TestMember {
  readonly clock = new SystemClock();
  readonly log = new MemoryLog();
  config: LocalConfig;
  readonly dataDir: string;
  readonly upstream: Upstream;
  guard: GuardClient;
  executor: PostgresExecutor;
  readonly #directory: string;
  readonly #guards: GuardClient[] = [];

  readonly name: string;
  readonly port: number;
  readonly #dcs: JsonObject;

  constructor(
    root: string,
    name: string,
    port: number,
    override: JsonObject,
    dcs: JsonObject,
  ) {
    this.name = name;
    this.port = port;
    this.#dcs = dcs;
    this.#directory = join(root, name);
    this.dataDir = join(this.#directory, "data");
    this.config = this.#parse(override);
    this.upstream = { name, connUrl: `postgres://127.0.0.1:${port}/postgres` };
    this.guard = this.#newGuard();
    this.executor = this.#newExecutor(this.guard);
  }

  get view(): PostgresView {
    return this.executor.view();
  }

  dynamic(dcs: JsonObject = {}): DynamicConfig {
    const base = { postgresql: { use_pg_rewind: true, parameters: { wal_keep_size: "16MB" } } };
    return effectiveDynamic(deepMerge([base, this.#dcs, dcs]), this.config).config;
  }

  /** Another agent of the same member, with another file. */
  async reconfigure(override: JsonObject): Promise<void> {
    this.config = this.#parse(override);
    this.restartAgent();
    await this.connected();
  }

  /** Another agent of the same member: adopts what runs. */
  restartAgent(): void {
    this.guard = this.#newGuard();
    this.executor = this.#newExecutor(this.guard);
  }

  async connected(): Promise<void> {
    await this.until("the guard answers and the directory is read", (view) => view.process !== "starting");
  }

  arm(epoch: number, leaseMs = 120_000): Promise<GuardReply> {
    return new Promise((resolve) => this.guard.arm(epoch, this.clock.now() + leaseMs, false, resolve));
  }

  /** Runs the action and waits for its end; returns what went wrong, or null. */
  async run(action: PostgresAction, kind: LongAction): Promise<string | null> {
    const before = this.view.last[kind];
    this.executor.run(action);
    const view = await this.until(
      `${action.kind} ends`,
      (now) => now.last[kind] !== undefined && now.last[kind] !== before && now.action === null,
    );
    const last = view.last[kind]!;
    return last.ok ? null : last.detail;
  }

  async must(action: PostgresAction, kind: LongAction): Promise<void> {
    const failed = await this.run(action, kind);
    if (failed !== null) throw new Error(`${action.kind} failed on ${this.name}: ${failed}`);
  }

  until(what: string, holds: (view: PostgresView) => boolean, limitMs = LIMIT_MS): Promise<PostgresView> {
    return waitFor(`${this.name}: ${what}`, limitMs, () => holds(this.view) ? this.view : null);
  }

  get dataId(): string | undefined {
    return dataIdIn(this.view.directory);
  }

  /** Puts other data into the directory while no server runs, and waits until the agent has seen that. */
  async replaceData(put: () => void): Promise<void> {
    const before = this.dataId;
    put();
    await this.until("other data is seen", () => this.dataId !== undefined && this.dataId !== before);
  }

  /** A first primary with a table. */
  async bootstrap(epoch = 1): Promise<void> {
    await this.must({ kind: "bootstrap" }, "bootstrap");
    await this.arm(epoch);
    await this.must({ kind: "start-primary", epoch }, "start");
    await this.must({ kind: "finish-bootstrap" }, "finish-bootstrap");
    this.executor.run({ kind: "seal-bootstrap" });
    await this.until("the bootstrap is sealed", (view) => view.directory.kind === "valid");
  }

  /** The copy of this member's data, which is a primary or a standby of `leader`. */
  asSource(leader: TestMember = this): Extract<PostgresAction, { kind: "clone" }> {
    const { systemId, timeline } = leader.view;
    if (systemId === null || timeline === null) throw new Error(`${leader.name} is not known to run`);
    return { kind: "clone", from: this.upstream, leader: leader.upstream, of: { systemId, timeline } };
  }

  async joinAsStandby(primary: TestMember): Promise<void> {
    await this.must(primary.asSource(), "clone");
    await this.must({ kind: "start-standby", follow: primary.upstream }, "start");
    await this.until("it streams", (view) => view.replicationState === "streaming");
  }

  /** `database`: another one than postgres. */
  async sql(text: string, database = "postgres"): Promise<{ [column: string]: unknown }[]> {
    const client = await this.session(database);
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** A session of a user's own. */
  async session(database = "postgres"): Promise<pg.Client> {
    const { username, password } = this.config.postgresql!.superuser;
    const client = new pg.Client({
      host: "127.0.0.1",
      port: this.port,
      user: username,
      password: password ?? undefined,
      database,
      connectionTimeoutMillis: 10_000,
    });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  /** By the socket, as the system user, while a restored cluster lets nobody else in. */
  async withSuperuser(text: string): Promise<void> {
    const client = new pg.Client({
      host: this.#directory,
      port: this.port,
      user: this.config.postgresql!.superuser.username,
      database: "postgres",
    });
    await client.connect();
    await client.query(text).finally(() => client.end());
  }

  describe(): string {
    return JSON.stringify({ view: this.view, guard: this.guard.view() });
  }

  async remove(): Promise<void> {
    const memory = new SharedMemory();
    memory.note(processesIn(this.dataDir));
    await new Promise<void>((resolve) => this.guard.kill(() => resolve()));
    for (const guard of this.#guards) await new Promise<void>((resolve) => guard.shutdown(resolve));
    memory.remove();
  }

  #newGuard(): GuardClient {
    const guard = new GuardClient({
      directory: this.config.raft.dataDir,
      dataDir: this.dataDir,
      command: [process.execPath, guardProgram, "guard"],
      clock: this.clock,
      log: this.log,
    });
    this.#guards.push(guard);
    return guard;
  }

  #newExecutor(guard: GuardClient): PostgresExecutor {
    const { config, clock, log } = this;
    return new PostgresExecutor({ config, dynamic: this.dynamic(), incarnation: 1, guard, clock, log });
  }

  #parse(override: JsonObject): LocalConfig {
    const raft = `127.0.0.1:${this.port + 1}`;
    const text = stringify(deepMerge([
      {
        scope: "test",
        name: this.name,
        raft: { self_addr: raft, partner_addrs: [], data_dir: join(this.#directory, "raft") },
        restapi: { listen: "127.0.0.1:8008", connect_address: "127.0.0.1:8008" },
        bootstrap: { initdb: ["data-checksums", "encoding=UTF8", "locale=C.UTF-8"] },
        postgresql: {
          listen: `127.0.0.1:${this.port}`,
          connect_address: `127.0.0.1:${this.port}`,
          data_dir: this.dataDir,
          pgpass: join(this.#directory, "pgpass"),
          authentication: {
            superuser: { username: "postgres", password: "super's secret" },
            replication: { username: "replicator", password: "rep:li\\cator" },
            rewind: { username: "rewind_user", password: "rewind" },
          },
          parameters: { unix_socket_directories: this.#directory, fsync: "off", log_min_messages: "fatal" },
        },
      },
      override,
    ]));
    const parsed = parseConfig([{ file: "test.yml", text }], {});
    if (parsed.config === null) throw new Error(JSON.stringify(parsed.issues));
    return parsed.config;
  }
}
