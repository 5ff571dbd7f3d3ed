/** The top of the page: how the cluster is, and what is not well. */
import { type ActionId, actionsOf } from "../model/actions.ts";
import { notices } from "../model/notices.ts";
import type { PageState } from "../model/state.ts";
import { freshnessText, staleness, verdict } from "../model/verdict.ts";
import { button, type Element, h, type Node } from "./node.ts";

const MARKS = { ok: "✓", warn: "!", bad: "✕", unknown: "…", info: "i" } as const;

/** For the eyes only: the words beside it say the same. */
export function mark(level: keyof typeof MARKS): Element {
  return h("span", { class: `mark ${level}`, "aria-hidden": "true" }, MARKS[level]);
}

export function header(state: PageState, nowMs: number): Node[] {
  const { level, title, detail } = verdict(state);
  const stale = staleness(state, nowMs) !== null;
  return [
    h("h1", {}, state.data?.scope ?? "Cluster"),
    h(
      "p",
      { class: `verdict ${stale ? "unknown" : level}`, role: "status" },
      mark(stale ? "unknown" : level),
      h("strong", {}, stale ? `Last known: ${title}` : title),
      h("span", { class: "detail" }, detail),
    ),
    h("p", { class: `freshness ${state.failures > 0 ? "old" : "live"}` }, freshnessText(state, nowMs)),
  ];
}

export function alerts(state: PageState, nowMs: number): Node[] {
  const stale = staleness(state, nowMs);
  const found = state.data === null ? [] : notices(state.data);
  return [
    stale === null ? null : h(
      "p",
      { class: "stale", key: "stale" },
      h("strong", { role: "alert" }, stale.headline),
      ` ${stale.age}`,
    ),
    found.length === 0 ? null : h(
      "ul",
      { class: "notices", key: "notices" },
      found.map(({ level, text }) => h("li", { class: level, key: text }, mark(level), h("span", {}, text))),
    ),
  ].filter((node) => node !== null);
}

/** Requests for the whole cluster. */
export function clusterActions(state: PageState): Node[] {
  if (state.data === null) return [];
  return actionsOf(state.data).filter((action) => action.of === "cluster").map(({ id, label }) =>
    actionButton(id, label)
  );
}

export function actionButton(id: ActionId, label: string): Element {
  return button(`${label}…`, `act ${id}`, { key: id });
}
