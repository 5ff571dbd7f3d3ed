/**
 * Another server as seen over the replication protocol: who it is, its history, and a slot for this member.
 */
import type { Credentials } from "../model/config.ts";
import { type Lsn, parseLsn } from "../model/lsn.ts";
import { connect, type Connection, type ConnectOptions, sqlState } from "./connection.ts";
import { errorText } from "./error_text.ts";
import { parseHistory, type TimelineHistory } from "./history.ts";
import { quoteIdentifier } from "./quote.ts";
import { parseConnUrl } from "./upstream.ts";

export interface SourceIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** Flushed so far. */
  readonly lsn: Lsn;
}

/** Tries the hosts of the URL in turn. */
export async function connectByUrl(
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

  /** Holds the WAL from now on. One that is there already is as good. */
  async ensureSlot(name: string): Promise<void> {
    try {
      await this.#connection.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} PHYSICAL RESERVE_WAL`);
    } catch (error) {
      if (sqlState(error) !== "42710") throw error;
    }
  }

  close(): void {
    this.#connection.close();
  }
}

/** The column is announced as text or as bytea, depending on the version. */
function bytesAsText(content: string): string {
  if (!content.startsWith("\\x")) return content;
  const bytes = content.slice(2).match(/../g) ?? [];
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => parseInt(byte, 16)));
}
