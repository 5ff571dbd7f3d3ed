/** The records of the cluster in the form in which members answer. */
import type { ClusterJson, ClusterMemberJson } from "../../src/api/client.ts";
import { hostPortOf } from "../../src/model/host_port.ts";
import type { DcsState, MemberFacts } from "../../src/model/records.ts";

/** As far as the records go: nothing is known of any PostgreSQL. */
export function clusterOf(state: DcsState, scope: string): ClusterJson {
  const { failover, initialize, config } = state;
  const names = Object.keys(state.members).sort();
  return {
    scope,
    members: names.map((name) => memberOf(state, state.members[name]!)),
    ...(config?.value.pause === true ? { pause: true } : {}),
    ...(failover === null || failover.scheduledAt === null ? {} : {
      scheduled_switchover: {
        at: failover.scheduledAt,
        ...(failover.leader === null ? {} : { from: failover.leader }),
        ...(failover.candidate === null ? {} : { to: failover.candidate }),
      },
    }),
    agent: {
      initialize: initialize?.systemId ?? null,
      answered_by: "",
      view_age_ms: null,
      // Its age is said with where it comes from.
      fresh: true,
      unreachable: [],
      witnesses: [],
      can_lose: null,
    },
  };
}

function memberOf(state: DcsState, { name, connUrl, apiUrl, tags }: MemberFacts): ClusterMemberJson {
  return {
    name,
    role: roleOf(state, name),
    state: "unknown",
    api_url: apiUrl,
    ...(hostPortOf(connUrl) ?? {}),
    ...(Object.keys(tags).length > 0 ? { tags } : {}),
  };
}

function roleOf({ lock, sync, config }: DcsState, name: string): string {
  const value = config?.value ?? {};
  if (lock.holder === name) return (value.standby_cluster ?? null) === null ? "leader" : "standby_leader";
  if (!sync.syncStandby.includes(name)) return "replica";
  return value.synchronous_mode === "quorum" ? "quorum_standby" : "sync_standby";
}
