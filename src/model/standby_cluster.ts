/**
 * A standby cluster follows another cluster: its leader streams from a server outside, or replays that
 * server's archive (dynamic key `standby_cluster`, docs/standby-cluster.md).
 */
import type { Upstream } from "./upstream.ts";

/** None of `host`, `port` and `restoreCommand` is there where those in force cannot be used. */
export interface StandbyCluster {
  /** Address of the remote primary, or several with commas. */
  readonly host?: string;
  /** @default 5432 */
  readonly port?: number;
  /** A slot that exists on the remote server; absent: none is used. */
  readonly primarySlotName?: string;
  readonly restoreCommand?: string;
  readonly archiveCleanupCommand?: string;
  readonly recoveryMinApplyDelayMs?: number;
  /** Names of methods that copy the remote server; absent: basebackup alone. */
  readonly createReplicaMethods?: readonly string[];
}

/** No member's name has a slash in it. */
const PREFIX = "remote/";
const SHOWN_LENGTH = 100;

export function isRemoteName(name: string | null): boolean {
  return name?.startsWith(PREFIX) ?? false;
}

/** The server outside. Its URL is empty where the archive is all there is. */
export function remoteOf(cluster: StandbyCluster): Upstream {
  const hosts = hostsOf(cluster);
  const port = cluster.port ?? 5432;
  const addresses = hosts.map((host) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(",");
  const shown = addresses === "" ? "archive" : addresses.slice(0, SHOWN_LENGTH);
  return {
    name: PREFIX + shown,
    connUrl: addresses === "" ? "" : `postgres://${addresses}/postgres`,
    remote: true,
  };
}

function hostsOf({ host, port }: StandbyCluster): readonly string[] {
  if (host !== undefined) return host.split(",");
  return port === undefined ? [] : ["localhost"];
}

/** It can be streamed from, and asked for its history; else there is its archive only. */
export function isReachable({ connUrl }: Upstream): boolean {
  return connUrl !== "";
}
