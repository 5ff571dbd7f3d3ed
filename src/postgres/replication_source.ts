/**
 * Another server as seen over the replication protocol: its identity, its history, and a slot for this
 * member.
 */
import type { Credentials } from "../model/config.ts";
import { type Lsn, parseLsn } from "../model/lsn.ts";
import { connect, type Connection, type ConnectOptions, sqlState } from "./connection.ts";
import { errorText } from "./error_text.ts";
import { parseHistory, type TimelineHistory } from "./history.ts";
import { quoteIdentifier } from "./quote.ts";
import { parseConnUrl, serversOf } from "./upstream.ts";

export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** Flushed so far. */
  readonly lsn: Lsn;
}

/** READ_REPLICATION_SLOT came with PostgreSQL 15. */
const READ_SLOT_SINCE = 150_000;

/** Tries the hosts of the URL in turn. */
async function connectByUrl(
  connUrl: string,
  options: Omit<ConnectOptions, "endpoint">,
): Promise<Connection> {
  const address = parseConnUrl(connUrl);
  if (address === null) throw new Error(`not a connection URL: ${connUrl}`);
  const hosts = address.host.split(",");
  const ports = address.port.split(",");
  const failures: string[] = [];
  for (const [at, host] of hosts.entries()) {
    try {
      return await connect({ ...options, endpoint: { host, port: Number(ports[at] ?? 5432) } });
    } catch (error) {
      failures.push(`${host}: ${errorText(error)}`);
    }
  }
  throw new Error(failures.join("; "));
}

/** Asks another server by SQL, on a connection of its own. Rejects when it does not let the agent in. */
export async function askByUrl<T>(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
  ask: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connectByUrl(connUrl, { credentials, database: "postgres", applicationName });
  try {
    return await ask(connection);
  } finally {
    connection.close();
  }
}

export class ReplicationSource {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Tries the hosts of the URL in turn. */
  static async open(
    connUrl: string,
    credentials: Credentials,
    applicationName: string,
  ): Promise<ReplicationSource> {
    const options = { credentials, database: "", applicationName, replication: true };
    return new ReplicationSource(await connectByUrl(connUrl, options));
  }

  /** Opens the one of the URL's hosts that takes writes; where none does, the first that answers. */
  static async openPrimary(
    connUrl: string,
    credentials: Credentials,
    applicationName: string,
  ): Promise<ReplicationSource> {
    const failures: string[] = [];
    let standby: ReplicationSource | null = null;
    for (const url of singleUrls(connUrl)) {
      try {
        const source: ReplicationSource = await ReplicationSource.open(url, credentials, applicationName);
        if (!await source.inRecovery()) {
          standby?.close();
          return source;
        }
        if (standby === null) standby = source;
        else source.close();
      } catch (error) {
        failures.push(errorText(error));
      }
    }
    if (standby === null) throw new Error(failures.join("; "));
    return standby;
  }

  async identify(): Promise<SourceIdentity> {
    const row = (await this.#connection.query("IDENTIFY_SYSTEM"))[0];
    const lsn = row?.xlogpos ? parseLsn(row.xlogpos) : null;
    if (!row?.systemid || lsn === null) throw new Error("no usable answer to IDENTIFY_SYSTEM");
    return { systemId: row.systemid, timeline: Number(row.timeline), lsn };
  }

  /** Empty for timeline 1, which has no history. */
  async history(timeline: number): Promise<TimelineHistory> {
    if (timeline <= 1) return [];
    const row = (await this.#connection.query(`TIMELINE_HISTORY ${timeline}`))[0];
    return parseHistory(bytesAsText(row?.content ?? ""));
  }

  /** A server in recovery makes slots, too, but nothing would ever move them on there. */
  async inRecovery(): Promise<boolean> {
    return (await this.#connection.query("SHOW transaction_read_only"))[0]?.transaction_read_only === "on";
  }

  /** Holds the WAL from now on. An existing slot is as good. */
  async ensureSlot(name: string): Promise<void> {
    if (await this.#hasSlot(name)) return;
    try {
      await this.#connection.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} PHYSICAL RESERVE_WAL`);
    } catch (error) {
      if (sqlState(error) !== "42710") throw error;
    }
  }

  /**
   * The primary mostly makes the slot first: its server would log an error for one that exists. False where
   * the server is too old to be asked.
   */
  async #hasSlot(name: string): Promise<boolean> {
    const version = (await this.#connection.query("SHOW server_version_num"))[0]?.server_version_num;
    if (!(Number(version) >= READ_SLOT_SINCE)) return false;
    const slot = (await this.#connection.query(`READ_REPLICATION_SLOT ${quoteIdentifier(name)}`))[0];
    // A slot that reserves no WAL yet has no position.
    return slot?.slot_type === "physical" && slot.restart_lsn !== null;
  }

  close(): void {
    this.#connection.close();
  }
}

/** Asks each host of the URL for its identity, all at once; a text says why one has not told it. */
export async function identities(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
): Promise<readonly { readonly host: string; readonly answer: SourceIdentity | string }[]> {
  return await Promise.all(
    singleUrls(connUrl).map(async (url) => {
      const { host, port } = parseConnUrl(url)!;
      const answer = await identityOf(url, credentials, applicationName).catch(errorText);
      return { host: `${host}:${port}`, answer };
    }),
  );
}

async function identityOf(url: string, credentials: Credentials, applicationName: string) {
  const source = await ReplicationSource.open(url, credentials, applicationName);
  try {
    return await source.identify();
  } finally {
    source.close();
  }
}

/** One URL for each host. */
function singleUrls(connUrl: string): readonly string[] {
  const servers = serversOf(connUrl);
  if (servers.length === 0) throw new Error(`not a connection URL: ${connUrl}`);
  return servers.map(({ host, port, database }) =>
    `postgres://${host.includes(":") ? `[${host}]` : host}:${port}/${database}`
  );
}

/**
 * One of the hosts of the URL is a primary whose control file still names the timeline before its promotion.
 * A host that does not answer is no source of a rewind, either.
 */
export async function owesCheckpoint(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
): Promise<boolean> {
  const asked = await Promise.allSettled(
    singleUrls(connUrl).map((url) =>
      askByUrl(url, credentials, applicationName, (connection) => connection.query(OWES_CHECKPOINT))
    ),
  );
  return asked.some((one) => one.status === "fulfilled" && one.value[0]?.owed === "t");
}

const OWES_CHECKPOINT =
  "SELECT CASE WHEN pg_is_in_recovery() THEN false ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))" +
  "::bit(32)::int <> timeline_id END AS owed FROM pg_control_checkpoint()";

/** The column is announced as text or as bytea, depending on the version. */
function bytesAsText(content: string): string {
  if (!content.startsWith("\\x")) return content;
  const bytes = content.slice(2).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => parseInt(byte, 16)));
}
