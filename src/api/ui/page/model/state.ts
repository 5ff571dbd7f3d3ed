/** What the page knows, and what of it the server has said. Times are those of the page's own clock. */
import type { EventJson, LossJson, WhyJson } from "../../../shapes.ts";
import type { ConfigRevisionJson } from "../../../shapes.ts";
import type { JsonObject } from "../../../../model/json.ts";
import type { UiDataJson } from "../../shape.ts";

/** As `GET /history` has it: timeline, LSN, reason, time, new leader. */
export type HistoryLine = readonly [number, number, string, string?, string?];

/** What changes with the records only. */
export interface Records {
  /** The state that they belong to, as recordsKey tells it; null: they were not read yet. */
  readonly key: string | null;
  readonly events: readonly EventJson[];
  readonly why: WhyJson | null;
  readonly history: readonly HistoryLine[];
  readonly losses: readonly LossJson[];
  readonly configuration: { readonly value: JsonObject; readonly etag: string } | null;
  /** Oldest first; the last one is in force. */
  readonly revisions: readonly ConfigRevisionJson[];
}

export interface PageState {
  readonly data: UiDataJson | null;
  /** When `data` came. */
  readonly answeredMs: number;
  /** Requests in a row without an answer, and why the last one has none. */
  readonly failures: number;
  readonly failure: string;
  readonly records: Records;
  /** The last lags of each member, the latest last. */
  readonly lags: { readonly [member: string]: readonly (number | null)[] };
  readonly signedIn: boolean;
}

export const NOTHING_KNOWN: PageState = {
  data: null,
  answeredMs: 0,
  failures: 0,
  failure: "",
  records: {
    key: null,
    events: [],
    why: null,
    history: [],
    losses: [],
    configuration: null,
    revisions: [],
  },
  lags: {},
  signedIn: false,
};

const LAGS_KEPT = 60;

export function withAnswer(state: PageState, data: UiDataJson, nowMs: number): PageState {
  const lags: { [member: string]: readonly (number | null)[] } = {};
  for (const { name, lag } of data.cluster.members) {
    if (lag === undefined) continue;
    const before = Object.hasOwn(state.lags, name) ? state.lags[name]! : [];
    lags[name] = [...before, typeof lag === "number" ? lag : null].slice(-LAGS_KEPT);
  }
  return { ...state, data, answeredMs: nowMs, failures: 0, failure: "", lags };
}

export function withoutAnswer(state: PageState, failure: string): PageState {
  return { ...state, failures: state.failures + 1, failure };
}

/** Changes whenever the records may say something else than before. */
export function recordsKey({ revision, lease, cluster }: UiDataJson): string {
  const states = cluster.members.map(({ name, role, state }) => [name, role, state]);
  return JSON.stringify([revision, lease.holder, lease.epoch, cluster.agent.fresh, states]);
}
