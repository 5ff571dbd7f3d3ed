/** Where simulated data comes from, and what a copy asks of its source, as PostgreSQL does. */
import type { SimProcess } from "../../raft/sim/mod.ts";
import type { PostgresAction } from "../brain/actions.ts";
import { beginCopy, type CopyStatus } from "../model/copy_status.ts";
import type { PostgresView } from "../model/postgres_view.ts";
import type { ModelServer } from "./model_server.ts";

export type Comparing = Extract<PostgresAction, { readonly kind: "compare-history" }>;
export type Copying = Extract<PostgresAction, { readonly kind: "clone" | "rewind" }>;

export function copyStatus(action: Copying): CopyStatus | undefined {
  return action.kind === "clone" ? beginCopy(action.from.name, isFromStandby(action)) : undefined;
}

/**
 * Whether the source serves, to be asked again as long as the copy takes: a backup of a standby that is
 * promoted meanwhile fails. The standby leader of a standby cluster is copied like a primary. A server of
 * another database system serves none: pg_rewind refuses it, and a copy begins with that question.
 */
export function servesCopy(
  action: Copying,
  own: ModelServer,
  source: ModelServer | null,
  isReachable: () => boolean,
) {
  const wanted = action.kind === "rewind" ? own.directory.systemId : action.of?.systemId ?? null;
  const wasStandby = source?.inRecovery ?? false;
  return (): boolean => {
    if (source === null || !isReachable() || !source.answers) return false;
    if (wanted !== null && wanted !== source.directory.systemId) return false;
    if (action.kind === "clone") return source.inRecovery === (wasStandby || isFromStandby(action));
    return source.inRecovery || source.checkpointAfterPromote;
  };
}

/** The outcome of a comparison of histories with that member. */
export function divergenceFrom(
  { with: { name: from }, token }: Comparing,
  server: ModelServer,
  other: ModelServer | null,
  isReachable: () => boolean,
  atMs: number,
): PostgresView["divergence"] {
  const verdict = verdictOn(server, other, isReachable);
  const there = verdict === "same" ? other!.directory.position : null;
  const strays = there === null ? [] : server.directory.histories.note(there, other!.inRecovery);
  const isOther = verdict !== null && server.directory.systemId !== other!.directory.systemId;
  return {
    from,
    timelineOfOther: other?.directory.position?.branch.timeline ?? 0,
    ...(token === undefined ? {} : { tokenOfOther: token }),
    // As compareHistories (src/postgres/history.ts): no WAL of it can be compared.
    verdict: isOther ? "unknown" : verdict ?? "unknown",
    detail: verdict === null ? "it does not answer" : isOther ? "another cluster" : "",
    atMs,
    ...(strays.length === 0 ? {} : { strays }),
  };
}

/** null: it does not answer. A standby that is behind may yet come to where this server is. */
function verdictOn(server: ModelServer, other: ModelServer | null, isReachable: () => boolean) {
  if (other === null || !other.answers || !isReachable()) return null;
  const isBehind = other.inRecovery && server.directory.contains(other.directory);
  return isBehind ? "same" : server.directory.compareWith(other.directory);
}

function isFromStandby(action: Copying): boolean {
  return action.kind === "clone" && action.from.name !== action.leader.name;
}

/**
 * Whether a bootstrap restores a backup, or makes a new cluster. It is drawn on its own: the rest of a seed's
 * story does not depend on it.
 */
export function isRestored({ world, name, incarnation }: SimProcess): boolean {
  return world.random.split(`bootstrap ${name} ${incarnation}`).chance(0.3);
}
