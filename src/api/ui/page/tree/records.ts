/** Events with their causes, the history of timelines, and the configurations. */
import type { EventJson, LossJson } from "../../../shapes.ts";
import { type Change, changes, shownText } from "../model/configuration.ts";
import { type EventView, eventViews } from "../model/events.ts";
import { bytesText, timeText } from "../model/format.ts";
import type { HistoryLine, PageState } from "../model/state.ts";
import { button, type Element, h, type Node } from "./node.ts";

const MOST_EVENTS = 60;
const MOST_LINES = 50;

export function why({ records }: PageState): Node[] {
  if (records.why === null) return [];
  const { answer, unfit } = records.why;
  return [
    h("h3", {}, "Why it is so"),
    answer.map((sentence) => h("p", {}, sentence)),
    unfit.length === 0 ? null : h(
      "ul",
      { class: "unfit" },
      unfit.map(({ member, why: reason }) =>
        h("li", { key: member }, h("b", {}, member), ` could not take over: ${reason}`)
      ),
    ),
  ].flat().filter((node) => node !== null);
}

export function events({ records }: PageState, wallMs: number): Node[] {
  const views = eventViews(records.events, MOST_EVENTS);
  if (views.length === 0) return [h("p", { class: "empty" }, "No event is on record.")];
  return [h("ol", { class: "events" }, views.map((view) => eventLine(view, wallMs)))];
}

function eventLine(view: EventView, wallMs: number): Element {
  const { id, at, member, kind, text, level, often, causes, figures, earlierGone } = view;
  return h(
    "li",
    { key: String(id), class: level },
    h("time", { datetime: at, title: at }, timeText(at, wallMs)),
    h(
      "div",
      {},
      h("p", {}, h("b", {}, member), " ", h("span", { class: "kind" }, kind), ` ${text}`),
      figures === "" && often === "" ? null : h(
        "p",
        { class: "figures" },
        [figures, often].filter((one) => one !== "").join(", "),
      ),
      causes.length === 0 ? null : h(
        "details",
        { key: "causes" },
        h("summary", {}, `Because of ${causes.at(-1)!.kind} of ${causes.at(-1)!.member}`),
        h("ol", { class: "causes" }, causes.map((cause) => causeLine(cause, wallMs))),
      ),
      earlierGone ? h("p", { class: "figures" }, "because of an event that is not kept any more") : null,
    ),
  );
}

function causeLine({ id, at, member, kind, text }: EventJson, wallMs: number): Element {
  return h(
    "li",
    { key: String(id) },
    h("time", { datetime: at, title: at }, timeText(at, wallMs)),
    h("span", {}, h("b", {}, member), " ", h("span", { class: "kind" }, kind), ` ${text}`),
  );
}

export function history({ records }: PageState, wallMs: number): Node[] {
  const lines = records.history.slice(-MOST_LINES).reverse();
  return [
    lines.length === 0
      ? h("p", { class: "empty" }, "The cluster is on its first timeline.")
      : h("div", { class: "wide" }, historyTable(lines, wallMs)),
    records.losses.length === 0 ? null : h("h3", {}, "Lost WAL"),
    records.losses.length === 0 ? null : h(
      "ul",
      { class: "losses" },
      records.losses.slice(-MOST_LINES).reverse().map((one) => loss(one, wallMs)),
    ),
  ].filter((node) => node !== null);
}

function historyTable(lines: readonly HistoryLine[], wallMs: number): Element {
  const heads = ["Timeline", "Ended", "Next primary", "Reason"];
  return h(
    "table",
    {},
    h("caption", { class: "unseen" }, "Timelines, the latest first"),
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h(
      "tbody",
      {},
      lines.map(([timeline, , reason, at, leader]) =>
        h(
          "tr",
          { key: `${timeline}` },
          h("th", { scope: "row" }, String(timeline)),
          h("td", {}, at === undefined ? "–" : h("time", { datetime: at, title: at }, timeText(at, wallMs))),
          h("td", {}, leader ?? "–"),
          h("td", {}, reason),
        )
      ),
    ),
  );
}

function loss({ member, at, timeline, bytes, transactions, kept }: LossJson, wallMs: number): Element {
  const lost = transactions === null ? "" : `, ${transactions} transactions`;
  const where = kept === null ? "" : `, kept in ${kept}`;
  return h(
    "li",
    { key: `${member} ${at}` },
    h("time", { datetime: at, title: at }, timeText(at, wallMs)),
    ` ${member} had ${bytesText(bytes)}${lost} beyond timeline ${timeline}${where}`,
  );
}

export function configuration({ records }: PageState, wallMs: number): Node[] {
  const { configuration: present, revisions } = records;
  if (present === null) return [h("p", { class: "empty" }, "There is no configuration yet.")];
  const pairs = revisions.slice(1).map((now, at) => ({ now, before: revisions[at]! })).reverse();
  return [
    h("p", { class: "actions" }, button("Edit…", "edit")),
    h(
      "pre",
      { class: "configuration", tabindex: "0", "aria-label": "The configuration in force" },
      shownText(present.value),
    ),
    pairs.length === 0 ? null : h("h3", {}, "Changes"),
    pairs.length === 0 ? null : h(
      "ul",
      { class: "revisions" },
      pairs.map(({ now, before }) =>
        h(
          "li",
          { key: String(now.revision) },
          h(
            "p",
            {},
            now.at === null
              ? "some time ago"
              : h("time", { datetime: now.at, title: now.at }, timeText(now.at, wallMs)),
            now.by === null ? null : ` through ${now.by}`,
          ),
          changeList(changes(before.config, now.config)),
        )
      ),
    ),
  ].filter((node) => node !== null);
}

export function changeList(list: readonly Change[]): Element {
  return h(
    "ul",
    { class: "changes" },
    list.map(({ key, before, after }) =>
      h(
        "li",
        { key },
        h("code", {}, key),
        before === null ? null : h("del", {}, h("span", { class: "unseen" }, "before: "), before),
        after === null ? null : h("ins", {}, h("span", { class: "unseen" }, "after: "), after),
        after === null ? h("span", { class: "hint" }, "removed") : null,
      )
    ),
  );
}
