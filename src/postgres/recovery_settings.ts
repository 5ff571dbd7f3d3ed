/** The recovery settings of a standby that follows a member, or the remote primary of a standby cluster. */
import { slotName } from "../model/slot_name.ts";
import { isReachable, type StandbyCluster } from "../model/standby_cluster.ts";
import type { Upstream } from "../model/upstream.ts";
import type { RecoverySettings } from "./server_conf.ts";
import { type ConninfoInput, upstreamConninfo } from "./upstream.ts";

export interface FollowInput extends Omit<ConninfoInput, "upstream" | "readWrite" | "isStream"> {
  readonly useSlots: boolean;
  readonly standbyCluster: StandbyCluster | null;
}

/** @throws Error when the upstream has no usable address. */
export function recoverySettings(follow: Upstream, input: FollowInput): RecoverySettings {
  const { useSlots, standbyCluster } = input;
  const own = follow.remote ? standbyCluster?.primarySlotName ?? null : slotName(input.applicationName);
  const primarySlotName = useSlots ? own : null;
  const settings = standbySettings(standbyCluster, follow);
  if (follow.remote && !isReachable(follow)) {
    return { following: follow, primaryConninfo: null, primarySlotName: null, settings };
  }
  // A slot is on one of several hosts only: on the primary.
  const readWrite = follow.remote === true && primarySlotName !== null && hasSeveralHosts(follow);
  const primaryConninfo = upstreamConninfo({ ...input, upstream: follow, readWrite, isStream: true });
  if (primaryConninfo === null) throw new Error(`${follow.name} has no usable address: ${follow.connUrl}`);
  return { following: follow, primaryConninfo, primarySlotName, settings };
}

export function hasSeveralHosts({ connUrl }: Upstream): boolean {
  return connUrl.includes(",");
}

/** Every member of a standby cluster reads the archive. Its leader alone delays: delays would add up. */
export function standbySettings(
  cluster: StandbyCluster | null,
  follow: Upstream | null,
): { [name: string]: string } {
  const delayMs = follow?.remote ? cluster?.recoveryMinApplyDelayMs : undefined;
  return {
    ...(cluster?.restoreCommand ? { restore_command: cluster.restoreCommand } : {}),
    ...(cluster?.archiveCleanupCommand ? { archive_cleanup_command: cluster.archiveCleanupCommand } : {}),
    ...(delayMs === undefined ? {} : { recovery_min_apply_delay: `${delayMs}ms` }),
  };
}
