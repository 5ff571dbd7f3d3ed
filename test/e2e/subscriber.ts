/**
 * A logical subscriber of a cluster: a PostgreSQL of its own, outside the cluster, with a subscription to
 * what a client writes, by a permanent slot of the cluster's configuration. Its table takes rows twice, and
 * numbers them in the order in which they come: a row that is missing, twice there or late is found.
 */
import type { Client } from "../../src/demo/client.ts";
import { CLIENT_TABLE } from "../../src/demo/client_process.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { OutsideServer } from "./outside_server.ts";

export const SLOT = "outside";
const PUBLICATION = "written";
const LIMIT_MS = 120_000;

/** What a comparison with the primary finds. All ids, in the order of their coming. */
export interface Received {
  readonly rows: number;
  /** On the primary, not at the subscriber. */
  readonly missing: readonly number[];
  readonly twice: readonly number[];
  /** Came after a later one. */
  readonly late: readonly number[];
  /** Only at the subscriber: a failover without synchronous mode has lost them. */
  readonly lostByCluster: readonly number[];
}

interface SlotRow {
  readonly wal_status: string | null;
  readonly restart_lsn: string | null;
  /** PostgreSQL 17 and later: a copy that has not caught up yet, and is gone with a promotion. */
  readonly temporary: boolean;
}

export class Subscriber {
  /** What the client wrote up to here came before the subscription. */
  #afterId = 0;
  readonly #cluster: Cluster;
  readonly #server: OutsideServer;

  private constructor(cluster: Cluster, server: OutsideServer) {
    this.#cluster = cluster;
    this.#server = server;
  }

  /** It has subscribed, and every member has the slot, when it resolves. */
  static async start(cluster: Cluster, client: Client): Promise<Subscriber> {
    // It comes back at once, when the new primary may not be ready for it.
    const soon = "wal_retrieve_retry_interval=100ms";
    const subscriber = new Subscriber(cluster, await OutsideServer.start(cluster, "subscriber", [soon]));
    try {
      await subscriber.#subscribe(client);
    } catch (error) {
      await subscriber.stop();
      throw subscriber.#explained(error);
    }
    return subscriber;
  }

  async #subscribe(client: Client): Promise<void> {
    const cluster = this.#cluster;
    const primary = await cluster.waitForPrimary();
    await client.waitForWrite(nowMs(), LIMIT_MS, primary.name);
    // Decoding looks it up among the catalog's rows of the change's time: it is older than the slot.
    await cluster.query(primary, `CREATE PUBLICATION ${PUBLICATION} FOR TABLE ${CLIENT_TABLE}`);
    await this.#configure({ [SLOT]: { type: "logical", database: "postgres", plugin: "pgoutput" } });
    await this.mustBeUsableOn(primary);
    this.#afterId = (await client.waitForWrite(nowMs(), LIMIT_MS)).id;
    const hosts = cluster.members.map(({ addresses }) => addresses.address).join();
    const { postgresPort } = cluster.members[0]!.addresses;
    const publisher = `host=${hosts} port=${postgresPort} dbname=postgres user=postgres ` +
      `password=${cluster.secrets.superuser} target_session_attrs=read-write connect_timeout=2`;
    await this.#server.connection.query(
      `CREATE TABLE ${CLIENT_TABLE} (id bigint NOT NULL, node text NOT NULL, came bigserial PRIMARY KEY)`,
    );
    const subscribe = `CREATE SUBSCRIPTION outside CONNECTION '${publisher}' PUBLICATION ${PUBLICATION} ` +
      `WITH (slot_name = ${SLOT}, create_slot = false, copy_data = false)`;
    // A standby that restarts with its copy of the slot ends a connection that libpq may be making to it.
    await waitFor("the subscription", LIMIT_MS, () => this.#server.connection.query(subscribe));
    await this.untilReceived((await client.waitForWrite(nowMs(), LIMIT_MS)).id);
    // Copies may need WAL from after the slot's first use.
    await this.untilCopied();
  }

  async #configure(slots: { readonly [slot: string]: object | null }): Promise<void> {
    const { secrets, members } = this.#cluster;
    const { status, text } = await members[0]!.rest("/config", {
      method: "PATCH",
      body: { slots },
      user: `agent:${secrets.restapi}`,
    });
    if (status !== 200) throw new Error(`PATCH /config: ${status} ${text}`);
  }

  /** Every member that runs has the slot, in use or to be used. */
  async untilCopied(): Promise<void> {
    await waitFor("the slot on every member", LIMIT_MS, async () => {
      for (const host of this.#cluster.members) {
        const slot = await this.#slotOn(host);
        if (slot === null) throw new Error(`${host.name} has none`);
        if (!isUsable(slot)) throw new Error(`that of ${host.name} is ${JSON.stringify(slot)}`);
      }
      return true;
    }, 100);
  }

  /** Waits for it; throws unless it can serve. */
  async mustBeUsableOn(primary: Host): Promise<void> {
    const slot = await waitFor(`the slot on ${primary.name}`, LIMIT_MS, () => this.#slotOn(primary), 100);
    if (!isUsable(slot)) throw new Error(`the slot of ${primary.name} is ${JSON.stringify(slot)}`);
  }

  async #slotOn(host: Host): Promise<SlotRow | null> {
    const [row] = await this.#cluster.query<SlotRow>(
      host,
      `SELECT wal_status, restart_lsn::text, temporary FROM pg_replication_slots WHERE slot_name = '${SLOT}'`,
    );
    return row ?? null;
  }

  async untilReceived(id: number): Promise<void> {
    try {
      await waitFor(`row ${id} at the subscriber`, LIMIT_MS, async () => {
        const { rows } = await this.#server.connection.query(
          `SELECT FROM ${CLIENT_TABLE} WHERE came > (SELECT max(came) - 100000 FROM ${CLIENT_TABLE}) AND id = ${id}`,
        );
        return rows.length > 0;
      }, 50);
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Compares with the primary what the client has written so far. */
  async compare(client: Client, primary: Host): Promise<Received> {
    const { id: last } = await client.waitForWrite(nowMs(), LIMIT_MS, primary.name);
    await this.untilReceived(last);
    const where = `WHERE id > ${this.#afterId} AND id <= ${last}`;
    const there = await this.#cluster.query<{ id: string }>(
      primary,
      `SELECT id FROM ${CLIENT_TABLE} ${where}`,
    );
    const here = await this.#server.connection.query<{ id: string }>(
      `SELECT id FROM ${CLIENT_TABLE} ${where} ORDER BY came`,
    );
    return compared(there.map(({ id }) => Number(id)), here.rows.map(({ id }) => Number(id)));
  }

  /** Takes the slot out of the configuration. */
  async leave(): Promise<void> {
    const primary = await this.#cluster.waitForPrimary();
    await this.#server.connection.query("ALTER SUBSCRIPTION outside DISABLE");
    await this.#server.connection.query("ALTER SUBSCRIPTION outside SET (slot_name = NONE)");
    await this.#server.connection.query("DROP SUBSCRIPTION outside");
    await this.#configure({ [SLOT]: null });
    await waitFor("the end of the slot", LIMIT_MS, async () => {
      for (const host of this.#cluster.members) if (await this.#slotOn(host) !== null) return false;
      return true;
    }, 100);
    await this.#cluster.query(primary, `DROP PUBLICATION ${PUBLICATION}`);
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  #explained(error: unknown): Error {
    return new Error(`${(error as Error).message}\n--- subscriber\n${this.#server.tail()}`);
  }
}

function isUsable({ wal_status, restart_lsn, temporary }: SlotRow): boolean {
  return !temporary && restart_lsn !== null && (wal_status === "reserved" || wal_status === "extended");
}

/** `there`: on the primary; `here`: at the subscriber, in the order of their coming. The client counts up. */
export function compared(there: readonly number[], here: readonly number[]): Received {
  const onPrimary = new Set(there);
  const seen = new Set<number>();
  const twice: number[] = [];
  const late: number[] = [];
  let highest = -Infinity;
  for (const id of here) {
    if (seen.has(id)) twice.push(id);
    else if (id < highest) late.push(id);
    seen.add(id);
    highest = Math.max(highest, id);
  }
  return {
    rows: seen.size,
    missing: there.filter((id) => !seen.has(id)),
    twice,
    late,
    lostByCluster: [...seen].filter((id) => !onPrimary.has(id)),
  };
}
