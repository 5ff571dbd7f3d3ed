/** The members, as the tree of who follows whom. */
import { type Action, actionsOf } from "../model/actions.ts";
import type { PageState } from "../model/state.ts";
import { type MemberView, topology } from "../model/topology.ts";
import { type Element, h, type Node } from "./node.ts";
import { actionButton, mark } from "./overview.ts";
import { sparkline } from "./sparkline.ts";

export function members(state: PageState): Node[] {
  const { data } = state;
  if (data === null) return [];
  const roots = topology(data);
  if (roots.length === 0) return [h("p", { class: "empty" }, "No member is heard.")];
  const own = actionsOf(data).filter((action) => action.of === "member");
  return [branch(roots, state, own), ...others(data.cluster.agent.witnesses, data.witness ? own : [])];
}

function branch(views: readonly MemberView[], state: PageState, own: readonly Action[]): Element {
  return h(
    "ul",
    { class: "tree" },
    views.map((view) =>
      h(
        "li",
        { key: view.name },
        card(view, state, own),
        view.followers.length === 0 ? null : branch(view.followers, state, own),
      )
    ),
  );
}

function card(view: MemberView, { lags }: PageState, own: readonly Action[]): Element {
  const { name, role, leads, here, state, level, lag, marks } = view;
  const samples = Object.hasOwn(lags, name) ? lags[name]! : [];
  return h(
    "article",
    { class: `member ${leads ? "leads" : ""} ${level}`, "aria-label": `${name}, ${role}, ${state}` },
    h(
      "header",
      {},
      h("h3", {}, name),
      h("span", { class: `role ${leads ? "leads" : ""}` }, role),
      here
        ? h("span", { class: "here", key: "here", title: "the member that answers this page" }, "answers")
        : null,
      h("span", { class: `state ${level}` }, mark(level), state),
    ),
    lag === null ? null : h(
      "p",
      { class: `lag ${lag.level}`, key: "lag" },
      h("span", {}, lag.text),
      sparkline(samples),
    ),
    marks.length === 0
      ? null
      : h("ul", { class: "marks", key: "marks" }, marks.map((one) => h("li", { key: one }, one))),
    details(view),
    footer(view, own),
  );
}

function details({ facts, name }: MemberView): Element {
  return h(
    "details",
    { key: "details" },
    h("summary", {}, "Details", h("span", { class: "unseen" }, ` of ${name}`)),
    h("dl", {}, facts.map(([fact, value]) => h("div", { key: fact }, h("dt", {}, fact), h("dd", {}, value)))),
  );
}

/** Requests for one member go to that member: to another one by its own page. */
function footer({ here, page, name }: MemberView, own: readonly Action[]): Element | null {
  if (here) {
    return h(
      "footer",
      { class: "actions", key: "actions" },
      own.map(({ id, label }) => actionButton(id, label)),
    );
  }
  if (page === null) return null;
  return h(
    "footer",
    { class: "actions", key: "actions" },
    h("a", { href: page, rel: "noreferrer" }, `Open ${name}`),
    h("span", { class: "hint" }, "to restart, reload or reinitialize it"),
  );
}

function others(witnesses: readonly string[], own: readonly Action[]): Node[] {
  if (witnesses.length === 0) return [];
  return [
    h(
      "p",
      { class: "witnesses" },
      `Voting without data: ${witnesses.join(", ")} `,
      own.map(({ id, label }) => actionButton(id, label)),
    ),
  ];
}
