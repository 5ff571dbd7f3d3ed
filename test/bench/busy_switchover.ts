/**
 * A switchover of a primary at work: 1 GB of its buffers is dirty, 100 clients are connected and idle, and 20
 * write as fast as they can. The write outage is that of one more client.
 */
import type pg from "pg";
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { atMost, type Measurement } from "./measurement.ts";
import { measureOutage } from "./outages.ts";
import { Pgbench } from "./pgbench.ts";

const IDLE_CLIENTS = 100;
const WRITING_CLIENTS = 20;
const DIRTY_BYTES = 1e9;
const HEALTHY_MS = 120_000;
/** Each takes some 1000 bytes. */
const ROWS = 1_050_000;

/** Buffers stay dirty: nothing writes them but the checkpoints of the switchover. */
export const BUSY_DCS = {
  ttl: 5,
  postgresql: {
    parameters: {
      max_connections: 200,
      shared_buffers: "1536MB",
      bgwriter_lru_maxpages: 0,
      checkpoint_timeout: "1h",
      max_wal_size: "20GB",
    },
  },
};

export async function measureBusySwitchover(
  cluster: Cluster,
  client: Client,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement> {
  await Pgbench.prepare(cluster, await cluster.waitHealthy());
  const dirtyMb: number[] = [];
  const measured = await measureOutage(
    cluster,
    client,
    {
      name: `switchover, ${WRITING_CLIENTS} writing and ${IDLE_CLIENTS} idle clients, 1 GB of buffers dirty`,
      goal: atMost(1, "s"),
      watchMs: 0,
      prepare: async (_, primary) => {
        dirtyMb.push(Math.round(await makeDirty(cluster, primary) / 1e6));
        await cluster.waitHealthy(HEALTHY_MS);
        const idle = await Promise.all(Array.from({ length: IDLE_CLIENTS }, () => cluster.connect(primary)));
        const pgbench = Pgbench.start(cluster, primary, { clients: WRITING_CLIENTS, rate: 0 });
        return async () => {
          await pgbench.stop();
          await Promise.all(idle.map(ended));
        };
      },
      harm: async (_, primary) => {
        await untilWriting(cluster, primary);
        await cluster.ctl("switchover", "--leader", primary.name, "--force");
        return "other";
      },
    },
    reps,
    say,
  );
  return { ...measured, note: `dirty before: ${dirtyMb.join(", ")} MB` };
}

/** Bytes that are dirty afterwards. */
async function makeDirty(cluster: Cluster, primary: Host): Promise<number> {
  const connection = await cluster.connect(primary);
  try {
    await connection.query("CREATE EXTENSION IF NOT EXISTS pg_buffercache");
    // The checkpoint after a promotion may still be at work, and clean what is being filled.
    return await waitFor("dirty buffers", HEALTHY_MS, async () => {
      await connection.query("DROP TABLE IF EXISTS filler");
      await connection.query("CREATE TABLE filler (n int, text text) WITH (autovacuum_enabled = false)");
      await connection.query(
        `INSERT INTO filler SELECT n, repeat(md5(n::text), 29) FROM generate_series(1, ${ROWS}) n`,
      );
      const { rows: [row] } = await connection.query<{ dirty: string }>(
        "SELECT count(*) * current_setting('block_size')::int AS dirty FROM pg_buffercache WHERE isdirty",
      );
      const dirty = Number(row!.dirty);
      if (dirty < DIRTY_BYTES) throw new Error(`only ${dirty} bytes are dirty`);
      return dirty;
    });
  } finally {
    await connection.end();
  }
}

async function untilWriting(cluster: Cluster, primary: Host): Promise<void> {
  await waitFor("the writing clients", HEALTHY_MS, async () => {
    const [row] = await cluster.query<{ n: string }>(
      primary,
      "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'pgbench' AND xact_start IS NOT NULL",
    );
    return Number(row!.n) >= WRITING_CLIENTS / 2;
  });
}

/** Its server has ended it, or it ends itself. */
async function ended(client: pg.Client): Promise<void> {
  await client.end().catch(() => undefined);
}
