/** The facts that programs and queries would give about a model server, in production's shapes. Pure. */
import type { StartSpec } from "../guard/port.ts";
import type { FoundDirectory } from "../postgres/data_directory.ts";
import type { ServerStatus } from "../postgres/status_query.ts";
import type { WalEnd } from "../postgres/wal_end.ts";
import type { ModelServer } from "./model_server.ts";

export function foundDirectory(server: ModelServer): FoundDirectory {
  const { state, position, formerPrimary, wroteAlone, founding, unmanaged, dataId } = server.directory;
  const standbySignal = server.directory.standbySignal && !wroteAlone;
  if (state.kind !== "valid") return { directory: state, control: null };
  const control = {
    systemId: position?.branch.systemId ?? "",
    timeline: position?.branch.timeline ?? 1,
    clusterState: server.directory.clusterState,
    checkpointLsn: server.directory.checkpointLsn,
    minRecoveryLsn: server.directory.minRecoveryLsn,
    walLogHints: true,
    dataChecksums: true,
    redoLsn: server.directory.checkpointLsn,
    segmentBytes: 16 * 1024 * 1024,
    settings: {},
  };
  const marks = {
    formerPrimary,
    wroteAlone,
    founding,
    unmanaged,
    ...(dataId === undefined ? {} : { dataId }),
  };
  return { directory: { kind: "valid", control, standbySignal, ...marks }, control };
}

export function walEnd(server: ModelServer): WalEnd | null {
  const { position } = server.directory;
  return position === null ? null : { timeline: position.branch.timeline, lsn: position.lsn };
}

/** The status of a server that answers. */
export function serverStatus(server: ModelServer): ServerStatus {
  const position = server.directory.position!;
  const { inRecovery, streaming } = server;
  const { timeline } = position.branch;
  return {
    inRecovery,
    timeline,
    walLsn: inRecovery ? null : position.lsn,
    receiveLsn: inRecovery ? server.receivedLsn : null,
    replayLsn: inRecovery ? server.replayedLsn : null,
    replayedAt: null,
    replayPaused: false,
    receiverPid: streaming ? 1 : null,
    receiverTimeline: streaming ? timeline : null,
    replicationState: !inRecovery ? null : streaming ? "streaming" : "in archive recovery",
    checkpointTimeline: inRecovery || server.checkpointAfterPromote ? timeline : timeline - 1,
    startedAt: String(server.pid),
    serverVersion: 170000,
    systemId: server.directory.systemId,
    replication: server.connected.map(({ name }) => ({
      usename: "replicator",
      application_name: name,
      client_addr: null,
      state: "streaming",
      sync_state: "async",
      sync_priority: 0,
    })),
  };
}

/** Lines of the timeline's history file, oldest first. */
export function timelineHistory(server: ModelServer): (readonly [number, number, string])[] {
  const lines: [number, number, string][] = [];
  let branch = server.directory.position?.branch ?? null;
  while (branch?.parent) {
    const { parent } = branch;
    // A branch without a number of its own belongs to a server that went on by itself: no history file names
    // it.
    if (parent.branch.timeline !== branch.timeline) {
      lines.unshift([parent.branch.timeline, parent.lsn, "no recovery target specified"]);
    }
    branch = parent.branch;
  }
  return lines;
}

export function startSpec(epoch: number | null): StartSpec {
  return { program: "postgres", args: [], env: {}, dataDir: "/data", epoch };
}
