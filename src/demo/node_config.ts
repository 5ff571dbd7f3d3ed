/**
 * The YAML of one node of a demonstration cluster: Patroni's file with a `raft:` section, nothing special in
 * it.
 */
import { stringify } from "yaml";
import type { JsonObject } from "../model/json.ts";
import { applyPatch } from "../model/merge.ts";

export interface Secrets {
  readonly superuser: string;
  readonly replication: string;
  readonly rewind: string;
  readonly raft: string;
  readonly restapi: string;
}

export interface NodeAddresses {
  readonly name: string;
  readonly address: string;
  readonly raftPort: number;
  readonly restPort: number;
  readonly postgresPort: number;
}

export interface NodeConfigInput {
  readonly scope: string;
  readonly node: NodeAddresses;
  readonly all: readonly NodeAddresses[];
  /** Everything of the node lies in here. */
  readonly directory: string;
  readonly secrets: Secrets;
  /** Into bootstrap.dcs, over the defaults. */
  readonly dcs: JsonObject;
  /** Into the file, over everything. */
  readonly override: JsonObject;
}

export function nodeConfig(input: NodeConfigInput): JsonObject {
  const { node, all, directory, secrets } = input;
  const raftAddr = (one: NodeAddresses) => `${one.address}:${one.raftPort}`;
  const base: JsonObject = {
    scope: input.scope,
    name: node.name,
    raft: {
      self_addr: raftAddr(node),
      partner_addrs: all.filter((one) => one.name !== node.name).map(raftAddr),
      data_dir: `${directory}/raft`,
      password: secrets.raft,
    },
    restapi: {
      listen: `${node.address}:${node.restPort}`,
      connect_address: `${node.address}:${node.restPort}`,
      authentication: { username: "agent", password: secrets.restapi },
    },
    bootstrap: {
      dcs: applyPatch(
        { postgresql: { use_pg_rewind: true, use_slots: true, parameters: { max_connections: 100 } } },
        input.dcs,
      ),
      initdb: [{ encoding: "UTF8" }, { locale: "C.UTF-8" }, "data-checksums"],
    },
    postgresql: {
      listen: `${node.address}:${node.postgresPort}`,
      connect_address: `${node.address}:${node.postgresPort}`,
      data_dir: `${directory}/data`,
      pgpass: `${directory}/pgpass`,
      authentication: {
        superuser: { username: "postgres", password: secrets.superuser },
        replication: { username: "replicator", password: secrets.replication },
        rewind: { username: "rewind_user", password: secrets.rewind },
      },
      parameters: { unix_socket_directories: directory, log_min_messages: "warning" },
      pg_hba: [
        "local all all scram-sha-256",
        "host replication replicator 0.0.0.0/0 scram-sha-256",
        "host all all 0.0.0.0/0 scram-sha-256",
      ],
    },
  };
  return applyPatch(base, input.override);
}

export function toYaml(config: JsonObject): string {
  return stringify(config, { lineWidth: 0 });
}
