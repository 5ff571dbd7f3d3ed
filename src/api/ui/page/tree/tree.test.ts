/** The page as its readers get it: everything is told, and no text of others becomes anything but text. */
import { expect, test } from "bun:test";
import type { EventJson } from "../../../shapes.ts";
import { stubStatus } from "../../../testing.ts";
import { actionOf } from "../model/actions.ts";
import { edited } from "../model/configuration.ts";
import { withoutAnswer } from "../model/state.ts";
import { answer, AT_MS, stateOf } from "../testing.ts";
import { lease, raft } from "./consensus.ts";
import { dialogTree, signInTree } from "./dialogs.ts";
import { members } from "./members.ts";
import { type Element, type Node, textOf } from "./node.ts";
import { alerts, clusterActions, header } from "./overview.ts";
import { configuration, events, history, why } from "./records.ts";

const EVIL = '<img src=x onerror="alert(1)">';
const EVENT: EventJson = {
  id: 7,
  at: "2026-01-31T11:59:00.000Z",
  member: EVIL,
  kind: EVIL,
  text: EVIL,
  because: [6],
};
const evilData = answer((port) => {
  port.changeMember("node3", {
    ...stubStatus("node3", false),
    tags: { [EVIL]: EVIL },
    following: EVIL,
    apiUrl: "javascript:alert(1)",
    copyFailed: EVIL,
    needsReinit: EVIL,
  });
});
const evil = stateOf(evilData, {
  events: [{ ...EVENT, id: 6, because: [] }, EVENT],
  why: { answer: [EVIL], unfit: [{ member: EVIL, code: "x", why: EVIL }] } as never,
  history: [[1, 5, EVIL, EVENT.at, EVIL]],
  losses: [{
    member: EVIL,
    at: EVIL,
    timeline: 1,
    lsn: "",
    end: "",
    bytes: 5,
    transactions: null,
    kept: EVIL,
  }],
  configuration: { value: { [EVIL]: EVIL }, etag: '"1"' },
  revisions: [
    { revision: 1, at: null, by: null, config: {} },
    { revision: 2, at: EVENT.at, by: EVIL, config: { [EVIL]: EVIL } },
  ],
});
const whole = (state: typeof evil): Node[] => [
  ...header(state, AT_MS),
  ...alerts(state, AT_MS),
  ...clusterActions(state),
  ...members(state),
  ...lease(state),
  ...raft(state),
  ...why(state),
  ...events(state, AT_MS),
  ...history(state, AT_MS),
  ...configuration(state, AT_MS),
];

function elements(nodes: readonly Node[]): Element[] {
  return nodes.flatMap((node) => typeof node === "string" ? [] : [node, ...elements(node.children)]);
}

/** A browser acts on these; all others only name, mark or describe. */
const ACTING = /^(?:on|style$|src|srcdoc$|action$|formaction$|srcset$|xlink)/;

test("texts of members, events and configurations are texts, in no attribute that acts", () => {
  const dialogs = [
    ...dialogTree({
      kind: "action",
      action: actionOf(evilData, "switchover")!,
      data: { ...evilData, scope: EVIL },
      stage: "failed",
      answer: EVIL,
    }),
    ...dialogTree({
      kind: "configuration",
      base: {},
      etag: '"1"',
      review: edited({}, JSON.stringify({ [EVIL]: EVIL })),
      hopeless: true,
      stage: "failed",
      answer: EVIL,
    }),
  ];
  const all = elements([...whole(evil), ...dialogs]);
  expect(textOf(whole(evil)).split(EVIL).length).toBeGreaterThan(15);
  for (const { tag, attributes } of all) {
    expect(tag).toMatch(/^[a-z][a-z0-9]*$/);
    expect(["script", "style", "iframe", "object", "embed"]).not.toContain(tag);
    for (const [name, value] of Object.entries(attributes)) {
      expect(name).toMatch(/^[a-zA-Z-]+$/);
      expect(name).not.toMatch(ACTING);
      if (name === "href") expect(value).toMatch(/^(?:https?:\/\/|\/)/);
    }
  }
});

test("every button has a name, every field a label, every table heads, and figures do not stand in colour alone", () => {
  const all = elements([...whole(stateOf(answer())), ...signInTree(true)]);
  for (const { tag, attributes, children } of all) {
    if (tag === "button" || tag === "summary") expect(textOf(children).trim()).not.toBe("");
    if (tag === "label") expect(textOf(children).trim()).not.toBe("");
    if (tag === "th") expect(attributes.scope).toMatch(/^(?:col|row)$/);
    if (String(attributes.class).startsWith("mark")) expect(attributes["aria-hidden"]).toBe("true");
  }
  const inputs = all.filter(({ tag }) => tag === "input");
  const labelled = all.filter(({ tag }) => tag === "label").flatMap(({ children }) => elements(children))
    .filter(({ tag }) => tag === "input");
  expect(inputs.length).toBe(labelled.length);
});

test("neighbours with keys have different ones", () => {
  for (const { children } of elements(whole(stateOf(answer(), { events: [EVENT] })))) {
    const keys = children.flatMap((child) => typeof child === "string" ? [] : [child.attributes.key]);
    const given = keys.filter((key) => key !== undefined);
    expect(new Set(given).size).toBe(given.length);
  }
});

test("an old answer is shown as one, and nothing at all is shown of nothing", () => {
  const state = withoutAnswer(stateOf(answer()), "Failed to fetch");
  expect(textOf(header(state, AT_MS + 9000))).toContain("Last known: Healthy");
  expect(textOf(alerts(state, AT_MS + 9000))).toContain("What is shown is 9 s old");
  expect(textOf(lease(stateOf(answer())))).toContain("4.0 s, renewed all the time");
  expect(textOf(raft(stateOf(answer((port) => port.change({ raft: null })))))).toContain("does not run yet");
  expect(textOf(members(stateOf(answer((port) => port.change({ statuses: [] })))))).toContain("No member");
});

test("requests for a member are offered on that member's own page", () => {
  const cards = elements(members(stateOf(answer()))).filter(({ tag }) => tag === "article");
  const offers = cards.map((card) =>
    elements([card]).flatMap(({ attributes }) => attributes["data-do"] ?? [])
  );
  expect(offers).toEqual([["act restart", "act reload"], [], []]);
  const links = elements(cards).filter(({ tag }) => tag === "a").map(({ attributes }) => attributes.href);
  expect(links).toEqual(["http://10.0.0.2:8008/ui", "http://10.0.0.3:8008/ui"]);
});
