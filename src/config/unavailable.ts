/** The last line of defence against an empty cluster where none is asked for. */
import type { DynamicConfig } from "../model/config.ts";

/**
 * Why no new database system may be made by initdb; null: it may. An empty cluster that takes writes would
 * look like success, although the file asks for a restore, or for a cluster that follows another one. The
 * rules of a standby cluster's bootstrap make none; this is the last line of defence.
 */
export function unavailableBootstrap(
  { standbyCluster }: Pick<DynamicConfig, "standbyCluster">,
): string | null {
  return standbyCluster === null
    ? null
    : "standby_cluster is set: a standby cluster is copied from its remote primary, and no empty cluster is made";
}
