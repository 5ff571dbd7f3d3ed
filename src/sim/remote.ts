/** The server outside that a simulated standby cluster follows. */
import { isRemoteName, remoteOf } from "../model/standby_cluster.ts";
import { Violation } from "../../raft/sim/mod.ts";
import type { DcsState } from "../model/records.ts";
import type { Upstream } from "../model/upstream.ts";
import { ModelServer, type ServerWorld } from "./model_server.ts";

/** The value of the dynamic key `standby_cluster`. */
export const STANDBY_CLUSTER = { host: "10.0.0.9", port: 5432 };
const REMOTE = remoteOf(STANDBY_CLUSTER);
const OWN_DATA = "a standby leader keeps its data beside a server of another database system";

/** The server at the remote address: the other cluster, or by mistake one of another database system. */
export class RemoteAddress {
  readonly #rightful: ModelServer;
  readonly #mistaken: ModelServer;
  isMistaken = false;

  constructor(around: ServerWorld) {
    this.#rightful = remoteServer(around);
    this.#mistaken = remoteServer(around);
  }

  get server(): ModelServer {
    return this.isMistaken ? this.#mistaken : this.#rightful;
  }

  /** Both have a database system of their own, and write. */
  start(): void {
    for (const { directory } of [this.#rightful, this.#mistaken]) {
      directory.make(false);
      directory.finishBootstrap();
    }
    for (const server of [this.#rightful, this.#mistaken]) server.start(0);
  }

  /** No copy of what it has could follow from there. */
  checkSetAside({ name, directory }: ModelServer, records: DcsState | null): void {
    const isLeader = records?.lock.holder === name && records.config?.value["standby_cluster"] !== undefined;
    const isOwn = directory.state.kind === "valid" && directory.systemId === records?.initialize?.systemId;
    if (!isLeader || !isOwn || directory.systemId === this.server.directory.systemId) return;
    throw new Violation(OWN_DATA, `${name} has set its data directory aside`);
  }
}

/** What they write is not for the invariants of this cluster. */
function remoteServer(around: ServerWorld): ModelServer {
  return new ModelServer(REMOTE.name, {
    ...around,
    onAcking: () => {},
    onAcknowledged: () => {},
    onCleanShutdown: () => {},
    onSetAside: () => {},
  });
}

/** The upstream of that name, as a member's files have it. */
export function upstreamNamed(name: string): Upstream {
  return isRemoteName(name) ? REMOTE : { name, connUrl: `postgres://${name}:5432/postgres` };
}
