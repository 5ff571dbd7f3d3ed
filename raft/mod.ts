/**
 * raft: consensus as a library. Elections, a replicated log on disk, linearizable reads, and opaque channels
 * between the members. Knows nothing of what is replicated. README.md shows its use, DESIGN.md the reasons
 * for its design.
 *
 * A member is a RaftNode made of a log, a transport, a clock, a random source and a state machine:
 *
 *     const storage = openWal(directory, { clusterId, nodeId: id }, { now: clock.now });
 *     const transport = new TcpTransport({ id, clusterId, bindAddr, peers, password, clock, random });
 *     const raft = new RaftNode({ id, clusterId, members, storage, transport, clock, random, stateMachine, instance });
 *     raft.start();
 *     raft.propose(command, (outcome) => ...);
 */

// Types of messages and stored data: ids, terms, indexes, entries, configurations, snapshots.
export type * from "./core/types.ts";
export { NONE } from "./core/types.ts";

// The protocol alone, for programs that carry out its Readys themselves, and for scenarios.
export { RawNode } from "./core/raw_node.ts";
export type { RawNodeConfig } from "./core/options.ts";
export type { Dropped, DropReason, Proposal, ReadIndexResult, TransferResult } from "./core/outcome.ts";
export type { MemberProgress, RawNodeStatus } from "./core/status.ts";
export type { ProgressState } from "./core/progress.ts";
export type { ConfigChange, ConfigRefusal } from "./core/configuration.ts";
export { makeMessage, typeOfMessage } from "./core/message.ts";
export { MemoryStoredLog } from "./core/memory_log.ts";

// A member: its interface (api.ts), and the interfaces of its parts (ports.ts).
export type * from "./node/api.ts";
export type * from "./node/ports.ts";
export { RaftNode } from "./node/raft_node.ts";
export { UpgradeNeededError } from "./node/upgrade_needed.ts";
export type { LogLevel, LogSink, MemberInfo, RaftNodeOptions } from "./node/raft_options.ts";
export { MAX_COMMAND_BYTES } from "./node/proposals.ts";
export { findCluster, type FindOptions, type Found, type SearchNetwork } from "./node/find_cluster.ts";
export { LateRaft } from "./node/late_raft.ts";
export { canBeDialed, clusterIdOf, nodeIdOf, visitIdOf, withoutAddress } from "./node/ids.ts";
export { monotonicClock } from "./node/monotonic_clock.ts";

// The log: on disk, and its twin in memory.
export { openWal, type OpenWalOptions } from "./storage/open_wal.ts";
export { type DirectoryIdentity, directoryIdentity, type DirectoryOrigin } from "./storage/identity.ts";
export { discardUnused } from "./storage/discard_unused.ts";
export { type DumpedRecord, dumpLog, type LogDump } from "./storage/dump_log.ts";
export { type ReadLog, readLog, SurvivingLog } from "./storage/surviving_log.ts";
export { recoverCluster, type RecoveredCluster, replayLog } from "./node/recover_cluster.ts";
export { StorageError, type StorageErrorCode } from "./storage/storage_error.ts";
export { MemoryStorage } from "./storage/memory_storage.ts";
export type { WalStorage } from "./storage/wal_storage.ts";

// The network: TCP with or without TLS, and its twin in memory.
export { TcpTransport, type TcpTransportOptions } from "./transport/tcp_transport.ts";
export { type TlsFiles, type TlsLayer, tlsLayer } from "./transport/socket_layer.ts";
export { certificateFlaw } from "./transport/certificate.ts";
export { TransportError } from "./transport/transport_error.ts";
export { MemoryNetwork } from "./transport/memory_network.ts";
