/**
 * The freeze of a real PostgreSQL that is busy: nothing is confirmed while it lasts, nothing fails when it is
 * over.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { commandLine, processesIn } from "../src/demo/processes.ts";
import { sleep, waitFor } from "../src/demo/wait_for.ts";
import { program } from "./postgres/programs.ts";
import { LIMIT_MS, type Site, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const LEASE_MS = 800;
const WRITERS = 4;
/** How long writers get no answer, at least: enough for any of them to be noticed. */
const FROZEN_MS = 300;

/** A primary with a lease that is renewed until it is told not to be, and clients that write all the time. */
class BusyPrimary {
  /** When each confirmed write was sent: a confirmation may be under way for long. */
  readonly confirmedSentMs: number[] = [];
  readonly errors: string[] = [];
  #renewing = true;
  #stopped = false;
  #running: Promise<unknown>[] = [];

  readonly member: TestMember;

  constructor(member: TestMember) {
    this.member = member;
  }

  async start(): Promise<void> {
    const { member } = this;
    await member.bootstrap();
    await member.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
    await new Promise<void>((resolve) => member.guard.end(1, () => resolve()));
    await member.arm(2, 2000);
    this.#running.push(this.#renew());
    await member.must({ kind: "start-primary", epoch: 2 }, "start");
    await member.sql("CREATE TABLE written (id bigserial PRIMARY KEY, at timestamptz DEFAULT now())");
    for (let i = 0; i < WRITERS; i++) this.#running.push(this.#write());
    await this.#confirmed();
  }

  connect(): Promise<pg.Client> {
    const client = new pg.Client({
      host: "127.0.0.1",
      port: this.member.port,
      user: "postgres",
      password: "super's secret",
      database: "postgres",
    });
    client.on("error", (error) => this.errors.push(error.message));
    return client.connect().then(() => client);
  }

  /** Lets the lease run out, looks at the frozen processes, and renews it. */
  async freezeAndThaw(): Promise<{ readonly processes: number }> {
    const { member } = this;
    await this.#confirmed();
    this.#renewing = false;
    await waitFor(
      "every process is seen stopped",
      LIMIT_MS,
      () => member.guard.view().postmaster?.phase === "frozen" && member.guard.view().allStopped === true,
      5,
    );
    const frozenMs = performance.now();
    const pids = processesIn(member.dataDir);
    const going = pids.filter((pid) => !isStopped(pid)).map((pid) => commandLine(pid).join(" "));
    await sleep(FROZEN_MS);
    expect(going).toEqual([]);
    // Confirmations of writes from before the freeze may still be on their way to this client, and only
    // those.
    expect(this.confirmedSentMs.filter((sentMs) => sentMs > frozenMs)).toEqual([]);
    this.#renewing = true;
    await this.#confirmed();
    expect(this.errors).toEqual([]);
    return { processes: pids.length };
  }

  /** Whatever runs ends by itself. */
  leave(): void {
    this.#stopped = true;
  }

  async end(): Promise<void> {
    this.leave();
    await Promise.all(this.#running);
    expect(this.errors).toEqual([]);
  }

  async #confirmed(): Promise<void> {
    const before = this.confirmedSentMs.length;
    await waitFor("writes are confirmed", LIMIT_MS, () => this.confirmedSentMs.length > before + WRITERS, 5);
  }

  async #renew(): Promise<void> {
    while (!this.#stopped) {
      if (this.#renewing) await this.member.arm(2, LEASE_MS);
      else await new Promise<void>((resolve) => this.member.guard.ping(() => resolve()));
      await sleep(100);
    }
  }

  async #write(): Promise<void> {
    const client = await this.connect();
    try {
      while (!this.#stopped) {
        const sentMs = performance.now();
        await client.query("INSERT INTO written DEFAULT VALUES");
        this.confirmedSentMs.push(sentMs);
      }
    } catch (error) {
      this.errors.push((error as Error).message);
    } finally {
      await client.end();
    }
  }
}

/**
 * Stopped, or gone, or with the stop queued: it runs no instruction of its own before it is stopped, but on a
 * busy machine may wait for a disk, or for a processor, until then.
 */
function isStopped(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const state = /^State:\s+(\S)/m.exec(status)?.[1];
    const pending = BigInt(`0x${/^ShdPnd:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
    return state === "T" || state === "Z" || (pending >> 18n & 1n) === 1n;
  } catch {
    return true; // gone
  }
}

async function busy(
  site: Site,
  body: (primary: BusyPrimary) => Promise<void>,
): Promise<void> {
  const member = await site.member("node-1", {}, {
    postgresql: {
      parameters: {
        max_connections: 620,
        wal_level: "logical",
        autovacuum_naptime: "1s",
        autovacuum_vacuum_cost_delay: "20ms",
        autovacuum_vacuum_cost_limit: 1,
      },
    },
  });
  const primary = new BusyPrimary(member);
  try {
    await primary.start();
    await body(primary);
    await primary.end();
  } finally {
    primary.leave();
  }
}

story("during a checkpoint", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const { member } = primary;
      await member.sql(
        "CREATE TABLE big AS SELECT g, repeat('x', 500) AS t FROM generate_series(1, 100000) g",
      );
      const checkpoint = member.sql("CHECKPOINT");
      await primary.freezeAndThaw();
      await checkpoint;
    })
  ), STORY_MS);

story("during a base backup", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const { member } = primary;
      const target = join(site.root, "backup");
      const { ended } = program(
        member,
        "pg_basebackup",
        "-D",
        target,
        "-c",
        "fast",
        "-X",
        "stream",
        "-r",
        "8M",
      );
      await waitFor("the backup runs", LIMIT_MS, async () =>
        (await member.sql("SELECT 1 FROM pg_stat_progress_basebackup WHERE phase ~ 'streaming database'"))
          .length > 0);
      await primary.freezeAndThaw();
      expect(await ended).toEqual({ code: 0, said: "" });
    })
  ), STORY_MS);

story("with a logical walsender", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const { member } = primary;
      await member.sql("CREATE PUBLICATION p FOR TABLE written");
      await member.sql("SELECT pg_create_logical_replication_slot('l', 'pgoutput')");
      const { child, ended, said } = program(
        member,
        "pg_recvlogical",
        ...["-d", "postgres", "--slot", "l", "--start", "-f", "/dev/null"],
        ...["-o", "proto_version=1", "-o", "publication_names=p"],
      );
      const position = async () =>
        (await member.sql("SELECT sent_lsn::text AS lsn FROM pg_stat_replication WHERE state = 'streaming'"))[
          0
        ]
          ?.["lsn"];
      const before = await waitFor("it streams", LIMIT_MS, position);
      await primary.freezeAndThaw();
      await waitFor("it goes on", LIMIT_MS, async () => {
        const now = await position();
        return now !== undefined && now !== before;
      });
      expect(said()).toBe("");
      expect(child.exitCode).toBeNull();
      child.kill("SIGKILL");
      await ended;
    })
  ), STORY_MS);

story("with 500 backends", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const clients = await Promise.all(Array.from({ length: 500 }, () => primary.connect()));
      const { processes } = await primary.freezeAndThaw();
      expect(processes).toBeGreaterThan(500);
      for (const client of clients) await client.query("SELECT 1");
      await Promise.all(clients.map((client) => client.end()));
    })
  ), STORY_MS);

story("during a parallel query", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const { member } = primary;
      await member.sql("CREATE TABLE wide AS SELECT g FROM generate_series(1, 300000) g; ANALYZE wide");
      const client = await primary.connect();
      await client.query(
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;" +
          "SET max_parallel_workers_per_gather = 2",
      );
      const sum = client.query<{ sum: string }>(
        "SELECT sum(x)::text FROM (SELECT sqrt(g * power(1.0001, g % 7)) > 0 AS b, md5(md5(md5(g::text))) AS h, g AS x " +
          "FROM wide a, generate_series(1, 4) r) t WHERE b AND h <> ''",
      );
      await waitFor(
        "it has workers",
        LIMIT_MS,
        async () =>
          (await member.sql("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'parallel worker'")).length >
            0,
      );
      await primary.freezeAndThaw();
      expect((await sum).rows[0]?.sum).toBe(String(4 * 300000 * 300001 / 2));
      await client.end();
    })
  ), STORY_MS);

story("during autovacuum", () =>
  withSite((site) =>
    busy(site, async (primary) => {
      const { member } = primary;
      await member.sql("CREATE TABLE dirty AS SELECT g FROM generate_series(1, 60000) g");
      await member.sql("DELETE FROM dirty");
      const worker = async () =>
        (await member.sql("SELECT pid FROM pg_stat_progress_vacuum WHERE relid = 'dirty'::regclass"))[0]
          ?.["pid"];
      const pid = await waitFor("the worker", LIMIT_MS, worker);
      await primary.freezeAndThaw();
      expect(await worker()).toBe(pid);
    })
  ), STORY_MS);
