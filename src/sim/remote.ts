/** The server outside that a simulated standby cluster follows. */
import { isRemoteName, remoteOf } from "../model/standby_cluster.ts";
import type { Upstream } from "../model/upstream.ts";
import { ModelServer, type ServerWorld } from "./model_server.ts";

/** The value of the dynamic key `standby_cluster`. */
export const STANDBY_CLUSTER = { host: "10.0.0.9", port: 5432 };
const REMOTE = remoteOf(STANDBY_CLUSTER);

/** What it writes is not for the invariants of this cluster. */
export function remoteServer(around: ServerWorld): ModelServer {
  return new ModelServer(REMOTE.name, {
    ...around,
    onAcking: () => {},
    onAcknowledged: () => {},
    onCleanShutdown: () => {},
  });
}

/** The upstream of that name, as a member's files have it. */
export function upstreamNamed(name: string): Upstream {
  return isRemoteName(name) ? REMOTE : { name, connUrl: `postgres://${name}:5432/postgres` };
}
