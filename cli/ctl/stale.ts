/** Tells an answer of a member that has no contact with a majority from one that counts. */
import type { ClusterJson } from "../../src/api/client.ts";

/** How old an answer is, and whose; null: it is fresh, or its member is of a version that does not say. */
export function staleText({ agent }: Pick<ClusterJson, "agent">): string | null {
  if (agent?.fresh !== false) return null;
  const age = agent.view_age_ms === null ? "" : `${Math.round(agent.view_age_ms / 1000)} s old, `;
  return `${age}as ${agent.answered_by} saw it, which has no contact with a majority of the members`;
}
