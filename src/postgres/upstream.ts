/** The upstream of a standby: the address from a member's conn_url, and the primary_conninfo made of it. */
import type { Upstream } from "../model/upstream.ts";
import type { Credentials } from "../model/config.ts";
import { conninfo } from "./quote.ts";

/** Comma-separated lists, as libpq takes them, when the URL names several servers. */
export interface ServerAddress {
  readonly host: string;
  readonly port: string;
  readonly database: string;
}

/**
 * `postgres://host:port/database`, also with several hosts; null when it is no such URL. User and password
 * are ignored.
 */
export function parseConnUrl(url: string): ServerAddress | null {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?([^/?]+)(?:\/([^?]*))?/.exec(url);
  if (!match) return null;
  const hosts: string[] = [];
  const ports: string[] = [];
  for (const one of match[1]!.split(",")) {
    const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(one);
    if (!parts) return null;
    hosts.push(parts[1] ?? parts[2]!);
    ports.push(parts[3] ?? "5432");
  }
  const database = decoded(match[2] || "postgres");
  return database === null ? null : { host: hosts.join(","), port: ports.join(","), database };
}

/** The servers that the URL names, one by one; none when it is no such URL. */
export function serversOf(url: string): readonly ServerAddress[] {
  const address = parseConnUrl(url);
  if (address === null) return [];
  const ports = address.port.split(",");
  return address.host.split(",").map((host, at) => ({ ...address, host, port: ports[at]! }));
}

/** null for invalid percent signs: the URL comes from another member. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

export interface ConninfoInput {
  readonly upstream: Upstream;
  readonly credentials: Credentials;
  readonly passfile: string;
  readonly applicationName: string;
  readonly major: number;
  /** null: none (pg_basebackup and walreceiver); a database for pg_rewind. */
  readonly database: string | null;
  /** Connects only to one that takes writes. @default false */
  readonly readWrite?: boolean;
  /** For a WAL receiver: one whose peer is gone ends soon. @default false */
  readonly isStream?: boolean;
}

/**
 * A host that is killed while it is cut off says no goodbye, and TCP alone finds that out after minutes, or
 * two hours where nothing is under way. wal_receiver_timeout does not count before the stream has begun, and
 * connect_timeout not for a WAL receiver at all: it would wait for the answer to its login all that time.
 * After 5 s of silence the kernel asks the other one every second, and gives up 10 s after it was last heard,
 * also for a connection that is being made. Where there is no tcp_user_timeout (all but Linux), the count
 * makes the same 10 s. A copy or a rewind is not ended so soon: it would begin anew.
 */
const DEAD_PEER = {
  keepalives_idle: 5,
  keepalives_interval: 1,
  keepalives_count: 5,
  tcp_user_timeout: 10_000,
};

/** Without a password: that is in the file `passfile` names. null when the member's URL cannot be used. */
export function upstreamConninfo(input: ConninfoInput): string | null {
  const address = parseConnUrl(input.upstream.connUrl);
  if (address === null) return null;
  const { credentials, major } = input;
  return conninfo({
    user: credentials.username,
    passfile: credentials.password === null ? null : input.passfile,
    host: address.host,
    port: address.port,
    dbname: input.database,
    application_name: input.applicationName,
    target_session_attrs: input.readWrite ? "read-write" : null,
    ...libpqOptions(credentials, major),
    ...(input.isStream ? DEAD_PEER : {}),
  });
}

const OPTIONS: readonly { readonly name: string; readonly since: number }[] = [
  { name: "sslmode", since: 0 },
  { name: "sslkey", since: 0 },
  { name: "sslcert", since: 0 },
  { name: "sslrootcert", since: 0 },
  { name: "sslcrl", since: 0 },
  { name: "sslcrldir", since: 14 },
  { name: "gssencmode", since: 12 },
  { name: "channel_binding", since: 13 },
  { name: "sslnegotiation", since: 17 },
];

/**
 * The options of an `authentication` section that libpq of this version knows; sslmode is `prefer` when not
 * given.
 */
export function libpqOptions(credentials: Credentials, major: number): { [option: string]: string } {
  const result: { [option: string]: string } = { sslmode: "prefer" };
  for (const { name, since } of OPTIONS) {
    const value = credentials.options[name];
    if (value !== undefined && value !== "" && major >= since) result[name] = value;
  }
  return result;
}
