/** The one line that says how the cluster is, and whether what is shown is the present. */
import type { UiDataJson } from "../../shape.ts";
import { counted, durationText } from "./format.ts";
import { notices } from "./notices.ts";
import { STALE_AFTER_MS } from "./pace.ts";
import type { PageState } from "./state.ts";

export interface Verdict {
  readonly level: "ok" | "warn" | "bad" | "unknown";
  readonly title: string;
  readonly detail: string;
}

export function verdict(state: PageState): Verdict {
  const { data } = state;
  if (data === null) return { level: "unknown", title: "Asking", detail: "" };
  const { cluster, lease } = data;
  const members = counted(cluster.members.length, "member");
  if (!cluster.agent.fresh) {
    return { level: "bad", title: "No majority", detail: `${data.name} is cut off, or most voters are down` };
  }
  if (lease.holder === null) {
    const why = cluster.agent.initialize ? "nobody holds the lock" : "the cluster is not initialized yet";
    return { level: "bad", title: "No primary", detail: why };
  }
  const leader = cluster.members.find(({ name }) => name === lease.holder);
  if (leader === undefined || leader.state !== "running") {
    const state = leader === undefined ? "is not heard" : `is ${leader.state}`;
    return { level: "bad", title: "Primary not running", detail: `${lease.holder} ${state}` };
  }
  const worst = notices(data)[0]?.level;
  const detail = `${lease.holder} leads, ${members}`;
  if (cluster.pause) return { level: "warn", title: "Paused", detail: pausedText(data, detail) };
  if (worst === "bad") return { level: "bad", title: "Needs attention", detail };
  if (worst === "warn") return { level: "warn", title: "Degraded", detail };
  return { level: "ok", title: "Healthy", detail };
}

function pausedText({ cluster }: UiDataJson, detail: string): string {
  const until = cluster.agent.pause_until;
  return `${detail}; no automatic failover${until === undefined ? "" : ` until ${until}`}`;
}

/** `headline` stays the same while `age` grows: readers who hear the page are told once. */
export interface Staleness {
  readonly headline: string;
  readonly age: string;
}

/** Why what is shown is not the present; null: it is. */
export function staleness(state: PageState, nowMs: number): Staleness | null {
  const { data, failure } = state;
  if (data === null) {
    return state.failures === 0
      ? null
      : { headline: `No answer yet: ${failure}.`, age: "It is asked again." };
  }
  const ageMs = nowMs - state.answeredMs;
  if (state.failures > 0 || ageMs > STALE_AFTER_MS) {
    const why = failure === "" ? "" : ` (${failure})`;
    return {
      headline: `${data.name} does not answer${why}.`,
      age: `What is shown is ${durationText(ageMs)} old.`,
    };
  }
  const { agent } = data.cluster;
  if (agent.fresh) return null;
  return {
    headline: `${data.name} has no contact with a majority of the voters.`,
    age: agent.view_age_ms === null
      ? "It has never known the cluster's records."
      : `What is shown is its own view, as the cluster was ${durationText(agent.view_age_ms)} ago.`,
  };
}

/** In the corner: how young the answer is. */
export function freshnessText({ data, answeredMs, failures }: PageState, nowMs: number): string {
  if (data === null) return "asking";
  const ageMs = nowMs - answeredMs;
  return failures === 0 && ageMs <= STALE_AFTER_MS
    ? `live from ${data.name}`
    : `last answer ${durationText(ageMs)} ago`;
}
