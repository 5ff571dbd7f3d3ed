/**
 * Opens this member's part of the consensus: its log directory and its connections to the others, with the identity
 * that comes from the configuration. What cannot be used ends the start with a sentence that names the setting.
 */
import { readFileSync } from "node:fs";
import {
  clusterIdOf,
  directoryIdentity,
  nodeIdOf,
  openWal,
  RaftNode,
  type StateMachine,
  TcpTransport,
  type TlsFiles,
  type TlsLayer,
  UpgradeNeededError,
} from "../../raft/mod.ts";
import { COMMAND_VERSION, laterCommand } from "../dcs/commands.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { SystemClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { random } from "../lib/random.ts";
import type { LocalConfig } from "../model/config.ts";
import { withAdvice } from "./refusal_advice.ts";

export interface RaftParts {
  readonly config: LocalConfig;
  readonly selfAddr: string;
  readonly clock: SystemClock;
  readonly dcs: DcsStateMachine;
  readonly log: Log;
  readonly tls: TlsLayer | null;
  /** The network cannot be used at all. */
  readonly fatal: (message: string) => void;
}

export interface OpenedRaft {
  readonly raft: RaftNode;
  /** After the node was stopped: `closed` is called when the log is. */
  readonly closeRaft: (closed: () => void) => void;
}

/** Throws when the directory cannot be used. */
export function openRaft({ config, selfAddr, clock, dcs, log, tls, fatal }: RaftParts): OpenedRaft {
  const addresses = [selfAddr, ...config.raft.partnerAddrs].sort();
  const founded = clusterIdOf(config.namespace, config.scope, addresses);
  // After `agent recover` the cluster goes on under another id, which keeps its old members out for good.
  const known = directoryIdentity(config.raft.dataDir);
  const clusterId = known?.founded === founded ? known.clusterId : founded;
  const id = nodeIdOf(clusterId, selfAddr);
  const members = addresses.map((addr) => ({ id: nodeIdOf(clusterId, addr), name: null, addr }));
  const note = (level: "info" | "warning" | "error", event: string, text: string) =>
    log[level](`raft.${event}`, withAdvice(text));
  const storage = openWal(config.raft.dataDir, { clusterId, nodeId: id }, {
    now: () => clock.now(),
    onWarning: (text) => log.warning("raft.wal", text),
  });
  const transport = new TcpTransport({
    id,
    clusterId,
    bindAddr: config.raft.bindAddr,
    peers: members.filter((member) => member.id !== id),
    password: config.raft.password,
    clock,
    random,
    log: note,
    layer: tls ?? undefined,
    onFatal: (error) => fatal(error.message),
  });
  const stateMachine: StateMachine = {
    apply: (command, index) => {
      const later = laterCommand(command);
      if (later !== null) throw new UpgradeNeededError(`the raft log has ${later}`);
      return dcs.apply(command, index);
    },
    snapshot: () => dcs.snapshot(),
    restore: (data) => dcs.restore(data),
  };
  const raft = new RaftNode({
    id,
    clusterId,
    members,
    storage,
    transport,
    clock,
    random,
    stateMachine,
    commandVersion: COMMAND_VERSION,
    instance: storage.instance,
    log: note,
    heartbeatMs: config.raft.heartbeatMs,
    electionMinMs: config.raft.electionMinMs,
    electionMaxMs: config.raft.electionMaxMs,
  });
  return { raft, closeRaft: (closed: () => void) => storage.close(closed) };
}

/** Certificates of the connections between members; null: none configured. Throws with the file's name. */
export function readTls(config: LocalConfig): TlsFiles | null {
  const { tls } = config.raft;
  if (tls === null) return null;
  const read = (key: string, file: string) => {
    try {
      return readFileSync(file, "utf8");
    } catch (error) {
      throw new Error(
        `raft.tls.${key}: ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  return {
    cert: read("certfile", tls.certfile),
    key: read("keyfile", tls.keyfile),
    ca: read("cafile", tls.cafile),
  };
}
