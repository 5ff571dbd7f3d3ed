/**
 * raft: consensus as a library. Elections, a replicated log on disk, linearizable reads, and opaque channels between the
 * members. Knows nothing of what is replicated. See DESIGN.md for why it is as it is.
 */
export type * from "./core/types.ts";
export { NONE } from "./core/types.ts";
export type * from "./node/api.ts";
export type * from "./node/ports.ts";
export { clusterIdOf, nodeIdOf } from "./node/ids.ts";
export { RaftNode } from "./node/raft_node.ts";
export type { LogLevel, LogSink, MemberInfo, RaftNodeOptions } from "./node/raft_options.ts";
export { MAX_COMMAND_BYTES } from "./node/proposals.ts";
export { openWal, type OpenWalOptions } from "./storage/open_wal.ts";
export { StorageError, type StorageErrorCode } from "./storage/storage_error.ts";
export { MemoryStorage } from "./storage/memory_storage.ts";
export type { WalStorage } from "./storage/wal_storage.ts";
export { TcpTransport, type TcpTransportOptions, type TransportPeer } from "./transport/tcp_transport.ts";
export { type TlsFiles, type TlsLayer, tlsLayer } from "./transport/socket_layer.ts";
export { TransportError } from "./transport/transport_error.ts";
export { MemoryNetwork } from "./transport/memory_network.ts";
