/**
 * What the remote primary of a proposed `standby_cluster` says of itself, asked before the cluster's own
 * primary is stopped to follow it. Every member asks: any of them may lead later.
 */
import { type ConfigCheck, NOTHING_FOUND } from "../../model/config_check.ts";
import { isReachable, remoteOf, type StandbyCluster } from "../../model/standby_cluster.ts";
import type { identities } from "../../postgres/replication_source.ts";

export interface RemoteCheck {
  /** The system identifier of this member's data; null: it has none to compare. */
  readonly systemId: string | null;
  readonly present: StandbyCluster | null;
  readonly proposed: StandbyCluster | null;
  readonly ask: (connUrl: string) => ReturnType<typeof identities>;
}

/**
 * A server that does not answer is no reason for a refusal: the other site may be down while this one is to
 * take no writes. It is compared before anything is rewound or copied.
 */
export async function remoteCheck({ systemId, present, proposed, ask }: RemoteCheck): Promise<ConfigCheck> {
  if (systemId === null || proposed === null) return NOTHING_FOUND;
  const { connUrl, ...remote } = remoteOf(proposed);
  const isKept = present !== null && remoteOf(present).connUrl === connUrl;
  if (isKept || !isReachable({ ...remote, connUrl })) return NOTHING_FOUND;
  const refusals: string[] = [];
  const warnings: string[] = [];
  for (const { host, answer } of await ask(connUrl)) {
    const of = `standby_cluster: the server at ${host}`;
    if (typeof answer === "string") {
      warnings.push(`${of} cannot be asked which database system it is (${answer})`);
    } else if (answer.systemId !== systemId) {
      refusals.push(
        `${of} is of another database system: its system identifier is ${answer.systemId}, this cluster's ` +
          `${systemId}. The cluster could not follow it`,
      );
    }
  }
  return { refusals, warnings };
}
