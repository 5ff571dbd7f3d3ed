/** Connections to our own server: by its socket or its first address, as superuser. */
import type { Credentials, PostgresqlConfig } from "../model/config.ts";
import { connect, type Connection, type Endpoint, sqlState } from "./connection.ts";
import { join, readText } from "./disk.ts";
import { parsePostmasterPid, type PostmasterPid } from "./postmaster_pid.ts";

export interface LocalConnectOptions {
  readonly applicationName?: string;
  readonly statementTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  readonly credentials?: Credentials;
}

export class LocalServer {
  /** Which of the ways worked last: pg_hba.conf may allow only one of them. */
  private preferred = 0;

  constructor(private readonly config: PostgresqlConfig) {}

  /** What the running server says of itself; null when there is no such file. */
  pidFile(): PostmasterPid | null {
    const text = readText(join(this.config.dataDir, "postmaster.pid"));
    return text === null ? null : parsePostmasterPid(text);
  }

  async connect(options: LocalConnectOptions = {}): Promise<Connection> {
    const ways = endpoints(this.config, this.pidFile());
    let failure: unknown = new Error("PostgreSQL listens nowhere");
    for (let attempt = 0; attempt < ways.length; attempt++) {
      const way = (this.preferred + attempt) % ways.length;
      try {
        const connection = await connect({
          endpoint: ways[way]!,
          credentials: options.credentials ?? this.config.superuser,
          database: "postgres",
          applicationName: options.applicationName ?? "agent",
          connectTimeoutMs: options.connectTimeoutMs,
          statementTimeoutMs: options.statementTimeoutMs,
        });
        this.preferred = way;
        return connection;
      } catch (error) {
        failure = error;
        // Class 28: refused for who we are or where we come from. Anything else would be the same elsewhere.
        if (!sqlState(error)?.startsWith("28")) break;
      }
    }
    throw failure;
  }

  /** Runs `use` with a connection of its own, which is closed afterwards. */
  async with<T>(options: LocalConnectOptions, use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.connect(options);
    try {
      return await use(connection);
    } finally {
      connection.close();
    }
  }
}

/** Best first. The running server's own words (postmaster.pid) count before the configuration, which may be newer. */
export function endpoints(
  config: Pick<PostgresqlConfig, "useUnixSocket" | "listenAddresses" | "port">,
  pidFile: PostmasterPid | null,
): Endpoint[] {
  const port = pidFile?.port ?? config.port;
  const listen = pidFile === null ? config.listenAddresses[0] ?? null : pidFile.listenAddress;
  const tcp = listen === null ? null : { host: reachable(listen), port };
  const socket = pidFile?.socketDir ? { host: pidFile.socketDir, port } : null;
  const ways = config.useUnixSocket ? [socket, tcp] : [tcp, socket];
  return ways.filter((way) => way !== null);
}

function reachable(listenAddress: string): string {
  if (listenAddress === "*" || listenAddress === "0.0.0.0" || listenAddress === "") return "127.0.0.1";
  return listenAddress === "::" ? "::1" : listenAddress;
}
