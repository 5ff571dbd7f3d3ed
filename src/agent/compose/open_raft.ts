/**
 * Opens this member's part of the consensus: its log directory and its connections to the others. Its
 * identity comes from the directory once there is a log in it, and before that from the other nodes (raft's
 * findCluster). A part that cannot be used ends the start with a sentence that names the setting.
 */
import {
  clusterIdOf,
  type DirectoryIdentity,
  directoryIdentity,
  discardUnused,
  findCluster,
  type Found,
  LateRaft,
  type LogSink,
  type MemberInfo,
  nodeIdOf,
  openWal,
  type Raft,
  RaftNode,
  type StateMachine,
  TcpTransport,
  type TlsLayer,
  tlsLayer,
  visitIdOf,
  type WalStorage,
} from "../../../raft/mod.ts";
import { COMMAND_VERSION, commandRefusal } from "../../dcs/commands.ts";
import type { DcsStateMachine } from "../../dcs/state_machine.ts";
import type { SystemClock } from "../../lib/clock.ts";
import { LimitedLog } from "../../lib/limited_log.ts";
import type { Log } from "../../lib/log.ts";
import { random } from "../../lib/random.ts";
import { timedClock } from "../../lib/wake_profile.ts";
import type { LocalConfig } from "../../model/config.ts";
import { clusterNameOf, isSameCluster } from "../../model/namespace.ts";
import { ownPartners } from "./own_partners.ts";
import type { LatenessHistogram } from "../loop/lateness.ts";
import { raftAddress } from "../peers/raft_address.ts";
import { timedTransport } from "./timed_transport.ts";
import { withAdvice } from "./refusal_advice.ts";
import { readTls, TlsWatch } from "./tls_watch.ts";

export interface RaftParts {
  /** A reload changes it: renewed certificates may have other names. */
  readonly config: () => LocalConfig;
  readonly clock: SystemClock;
  readonly dcs: DcsStateMachine;
  readonly log: Log;
  /** Why a member must not be removed now; asked while this one leads, after the start. */
  readonly mayRemove: (member: MemberInfo) => string | null;
  /** Why a node must not become a member; asked likewise. */
  readonly mayJoin: (visitor: Omit<MemberInfo, "id">) => string | null;
  /** Counts how long writes to the log took. */
  readonly syncs: LatenessHistogram;
  /** The network or the directory cannot be used at all. */
  readonly fatal: (message: string) => void;
}

export interface OpenedRaft {
  readonly raft: Raft;
  /** After the node was stopped: `closed` is called when the log is. */
  readonly closeRaft: (closed: () => void) => void;
  /** null: raft.tls is not configured. */
  readonly tlsWatch: TlsWatch | null;
}

/** Throws when the directory cannot be used. */
export function openRaft(parts: RaftParts): OpenedRaft {
  const { clock, log, fatal } = parts;
  const config = parts.config();
  const tlsFiles = readTls(config);
  const tls = tlsFiles === null ? null : tlsLayer(tlsFiles);
  const tlsWatch = tls === null ? null : new TlsWatch(tls, parts.config, log);
  tlsWatch?.start(clock);
  const { dataDir, selfAddr, partnerAddrs, bindAddr, password } = config.raft;
  const { namespace, scope, name } = config;
  discardUnused(dataDir);
  const known = directoryIdentity(dataDir);
  if (known) {
    const opened = openNode(parts, config, tls, placeIn(known, config));
    return { raft: opened.node, closeRaft: (closed) => opened.storage.close(closed), tlsWatch };
  }
  ownPartners(config).then((found) => {
    for (const { at, problem } of found) log.error("config", `raft.partner_addrs[${at}]: ${problem}`);
  }, (error) => log.warning("config", `raft.partner_addrs is not compared with this host: ${String(error)}`));
  const addresses = memberAddresses(config);
  const clusterId = clusterIdOf(namespace, scope, addresses);
  let storage: WalStorage | null = null;
  const raft = new LateRaft({
    id: nodeIdOf(clusterId, raftAddress(config)),
    members: addresses.map((addr) => ({ id: nodeIdOf(clusterId, addr), name: null, addr })),
    begin: (begun) =>
      findCluster({
        namespace,
        scope,
        selfAddr,
        name,
        partners: partnerAddrs,
        bindAddr,
        password,
        clock,
        random,
        log: logSink(log, clock),
        layer: tls ?? undefined,
        onFatal: (error) => fatal(error.message),
        onRefused: fatal,
      }, (found) => {
        try {
          const opened = openNode(parts, config, tls, found);
          storage = opened.storage;
          begun(opened.node);
        } catch (error) {
          fatal(error instanceof Error ? error.message : String(error));
        }
      }),
  });
  return { raft, closeRaft: (closed) => storage ? storage.close(closed) : closed(), tlsWatch };
}

/** The addresses of the first members, as this configuration has them. */
function memberAddresses({ raft: { selfAddr, partnerAddrs } }: LocalConfig): string[] {
  return [...(selfAddr === null ? [] : [selfAddr]), ...partnerAddrs].sort();
}

/** This member's place by a directory that took part. Throws when the configuration means another one. */
function placeIn(known: DirectoryIdentity, config: LocalConfig): Found {
  const { dataDir, selfAddr } = config.raft;
  const { clusterId, nodeId: id, joined } = known;
  const founded = known.founded ?? clusterId;
  if (known.cluster !== null && !isSameCluster(known.cluster, clusterName(config))) {
    throw new Error(
      `raft.data_dir: ${dataDir} holds the raft log of the cluster ${known.cluster}, and namespace and scope here name ` +
        `${clusterName(config)}: restore those, or point raft.data_dir elsewhere`,
    );
  }
  if (known.addr !== null && known.addr !== raftAddress(config)) {
    const here = selfAddr === null ? `left out for ${config.name}` : selfAddr;
    throw new Error(
      `raft.self_addr is ${here}, but the other members know this one as ${known.addr}: restore what the file said. To ` +
        `change it: stop this agent, move ${dataDir} aside, remove the member (agent ctl raft remove ${config.name}) ` +
        "and start again: it joins as a new one",
    );
  }
  const configured = memberAddresses(config).map((addr) => ({
    id: nodeIdOf(clusterId, addr),
    name: null,
    addr,
  }));
  return { clusterId, founded, id, joined, members: known.members.length > 0 ? known.members : configured };
}

/** Throws StorageError. */
function openStorage({ clock, log, syncs }: RaftParts, config: LocalConfig, place: Found): WalStorage {
  const { clusterId, founded, id, members, joined } = place;
  return openWal(config.raft.dataDir, { clusterId, nodeId: id }, {
    origin: {
      cluster: clusterName(config),
      addr: raftAddress(config),
      joined,
      members,
      founded: founded === clusterId ? null : founded,
    },
    now: () => clock.now(),
    onSynced: (tookMs) => syncs.record(tookMs, clock.now()),
    onWarning: (text) => log.warning("raft.wal", text),
  });
}

/** Throws StorageError. */
function openNode(parts: RaftParts, config: LocalConfig, tls: TlsLayer | null, place: Found) {
  const { clock, dcs, log, fatal } = parts;
  const { clusterId, founded, id, members, joined } = place;
  const note = logSink(log, clock);
  const storage = openStorage(parts, config, place);
  const transport = new TcpTransport({
    id,
    clusterId,
    bindAddr: config.raft.bindAddr,
    peers: members.filter((member) => member.id !== id),
    password: config.raft.password,
    visitId: visitIdOf(config.namespace, config.scope),
    clock: timedClock("connections: timer", clock),
    random,
    log: note,
    layer: tls ?? undefined,
    onFatal: (error) => fatal(error.message),
  });
  const stateMachine: StateMachine = {
    apply: (command, index, _, version) => dcs.apply(command, index, version),
    refusal: commandRefusal,
    snapshot: () => dcs.snapshot(),
    restore: (data) => dcs.restore(data),
    snapshotFlaw: (data) => dcs.snapshotFlaw(data),
  };
  const node = new RaftNode({
    id,
    clusterId,
    founded,
    members,
    join: joined,
    mayRemove: parts.mayRemove,
    mayJoin: parts.mayJoin,
    // An authority may sign for others than members: where certificates are all there is, an operator names
    // the member.
    strangersMayJoin: config.raft.password !== null || config.raft.tls === null,
    storage,
    transport: timedTransport(transport),
    clock: timedClock("raft: timer", clock),
    random,
    stateMachine,
    commandVersion: COMMAND_VERSION,
    instance: storage.instance,
    log: note,
    heartbeatMs: config.raft.heartbeatMs,
    electionMinMs: config.raft.electionMinMs,
    electionMaxMs: config.raft.electionMaxMs,
  });
  return { node, storage };
}

function clusterName({ namespace, scope }: LocalConfig): string {
  return clusterNameOf(namespace, scope);
}

/** Limited by event: what a stranger on the raft port does, and how often, must fill no disk. */
function logSink(log: Log, clock: SystemClock): LogSink {
  const limited = new LimitedLog(log, () => clock.now());
  return (level, event, text) => limited.add(level, `raft.${event}`, withAdvice(text));
}
