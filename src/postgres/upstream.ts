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
}

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
