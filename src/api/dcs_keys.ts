/**
 * The cluster's records under the names and in the shapes of Patroni's DCS keys (docs/compatibility.md
 * section 4.2, 14).
 */
import { type DcsState, knownMember } from "../model/records.ts";
import type { Json } from "../model/json.ts";
import { type ShownStatus, shownStatuses } from "./cluster.ts";
import { jsonText } from "./json_text.ts";
import type { ApiView } from "./port.ts";
import { PATRONI_VERSION } from "../model/version.ts";
import { shownLeader, shownRestart } from "./status.ts";

/** The raw value of `key`; null when there is none. */
export function dcsKey(view: ApiView, key: string): string | null {
  const dcs = view.dcs;
  if (dcs === null) return null;
  if (key === "status") {
    return jsonText({
      optime: view.progress.optime,
      slots: view.progress.slots,
      retain_slots: view.progress.retainSlots,
    });
  }
  if (!key.startsWith("members/")) return recordKey(dcs, key);
  const status = shownStatuses(view).find(({ name }) => name === key.slice("members/".length));
  return status ? jsonText(memberRecord(view, status)) : null;
}

/** The value of a key that the records alone tell: none of what the members report of themselves. */
export function recordKey(dcs: DcsState, key: string): string | null {
  switch (key) {
    case "leader":
      return shownLeader(dcs);
    case "initialize":
      return dcs.initialize?.systemId ?? null;
    case "config":
      return dcs.config === null ? null : jsonText(dcs.config.value);
    case "history":
      return jsonText(dcs.history);
    case "failsafe":
      return dcs.failsafe === null ? null : jsonText(dcs.failsafe.members);
    case "failover":
      return dcs.failover === null ? null : jsonText({
        ...(dcs.failover.leader === null ? {} : { leader: dcs.failover.leader }),
        ...(dcs.failover.candidate === null ? {} : { member: dcs.failover.candidate }),
        ...(dcs.failover.scheduledAt === null ? {} : { scheduled_at: dcs.failover.scheduledAt }),
      });
    case "sync":
      return jsonText({
        leader: dcs.sync.leader,
        sync_standby: dcs.sync.syncStandby.length === 0 ? null : [...dcs.sync.syncStandby].sort().join(","),
        quorum: dcs.sync.quorum,
      });
    default:
      return null;
  }
}

function memberRecord(view: ApiView, status: ShownStatus): { readonly [key: string]: Json | undefined } {
  const proxyUrl = (view.dcs && knownMember(view.dcs, status.name))?.proxyUrl ?? null;
  const scheduled = shownRestart(view, status.name);
  const position = status.walLsn ?? Math.max(status.receivedLsn ?? 0, status.replayedLsn ?? 0);
  return {
    conn_url: status.connUrl,
    api_url: status.apiUrl,
    proxy_url: proxyUrl ?? undefined,
    state: status.state,
    role: status.role,
    version: PATRONI_VERSION,
    tags: Object.keys(status.tags).length > 0 ? status.tags : undefined,
    xlog_location: position > 0 ? position : undefined,
    receive_lsn: status.receivedLsn ?? undefined,
    replay_lsn: status.replayedLsn ?? undefined,
    replication_state: status.replicationState ?? undefined,
    timeline: status.timeline ?? undefined,
    pending_restart: status.pendingRestart ? true : undefined,
    pending_restart_reason: status.pendingRestart ? { ...status.pendingRestart } as Json : undefined,
    scheduled_restart: scheduled ? { ...scheduled } as Json : undefined,
    pause: view.dynamic.pause ? true : undefined,
    checkpoint_after_promote: status.role === "primary" && !status.checkpointAfterPromote ? false : undefined,
  };
}
