/** The dialogs: a request that is about to be made, the editor of the configuration, and the password. */
import type { JsonObject } from "../../../../model/json.ts";
import type { Action } from "../model/actions.ts";
import { type Edited, shownText } from "../model/configuration.ts";
import type { UiDataJson } from "../../shape.ts";
import { button, type Content, type Element, h, type Node } from "./node.ts";
import { changeList } from "./records.ts";

export type Stage = "asked" | "running" | "done" | "failed";

interface Asking {
  readonly stage: Stage;
  /** The answer of the server. */
  readonly answer: string;
}

export type Dialog =
  | Asking & {
    readonly kind: "action";
    readonly action: Action;
    /** What was shown when it was opened: that leader, and that member, are meant. */
    readonly data: UiDataJson;
  }
  | Asking & {
    readonly kind: "configuration";
    /** What the text was made from. */
    readonly base: JsonObject;
    readonly etag: string;
    /** The reading of the text; null: it is being edited. */
    readonly review: Edited | null;
    /** The server would take it only by force. */
    readonly hopeless: boolean;
  };

export function dialogTree(dialog: Dialog): Node[] {
  return dialog.kind === "action" ? actionDialog(dialog) : configurationDialog(dialog);
}

function actionDialog({ action, data, stage, answer }: Dialog & { kind: "action" }): Node[] {
  const { id, label, of, grave, explained } = action;
  const target = of === "cluster" ? `cluster ${data.scope}` : data.name;
  const isAsked = stage === "asked";
  return [
    h("h2", { id: "dialog-title" }, `${label}: ${target}`),
    h("p", {}, explained),
    isAsked ? h("div", { class: "fields", key: "fields" }, fieldsOf(id, data)) : null,
    outcome(stage, answer),
    h(
      "footer",
      { key: "footer" },
      button(stage === "done" ? "Close" : "Cancel", "close", stage === "running" ? { disabled: true } : {}),
      stage === "done" || stage === "failed" ? null : h(
        "button",
        { type: "submit", class: grave ? "grave" : "", disabled: stage === "running" },
        stage === "running" ? "Under way…" : label,
      ),
    ),
  ].filter((node) => node !== null);
}

function outcome(stage: Stage, answer: string): Element | null {
  if (stage === "running") {
    return h("p", { role: "status", key: "outcome" }, "Waiting for the answer. It may take a while.");
  }
  if (answer === "") return null;
  return h(
    "p",
    { class: `answer ${stage}`, key: "outcome", role: stage === "failed" ? "alert" : "status" },
    answer,
  );
}

function fieldsOf(id: Action["id"], data: UiDataJson): Content {
  switch (id) {
    case "switchover":
      return [candidates(data, true), when()];
    case "failover":
      return candidates(data, false);
    case "restart":
      return when();
    case "pause":
      return field("End by itself after", "pause_for", {
        placeholder: "never; or 30min, 2h, 1d",
        autocomplete: "off",
      });
    case "reinitialize":
      return h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "force" }),
        "although another operation is under way",
      );
    default:
      return null;
  }
}

function field(label: string, name: string, attributes: { readonly [name: string]: string }): Element {
  return h("label", {}, h("span", {}, label), h("input", { type: "text", name, ...attributes }));
}

function when(): Element {
  return field("At (empty: now)", "scheduled_at", { type: "datetime-local", step: "60" });
}

function candidates({ cluster, lease }: UiDataJson, mayChoose: boolean): Element {
  const others = cluster.members.filter(({ name }) => name !== lease.holder);
  return h(
    "label",
    {},
    h("span", {}, "To"),
    h(
      "select",
      { name: "candidate", required: !mayChoose },
      mayChoose ? h("option", { value: "" }, "the best standby") : null,
      others.map(({ name, state }) => h("option", { value: name, key: name }, `${name} (${state})`)),
    ),
  );
}

function configurationDialog(dialog: Dialog & { kind: "configuration" }): Node[] {
  const { base, review, stage, answer, hopeless } = dialog;
  const isReady = review?.ok === true && review.changes.length > 0;
  return [
    h("h2", { id: "dialog-title" }, review === null ? "Edit the configuration" : "Changes"),
    h(
      "label",
      { class: "editor", hidden: review !== null },
      h(
        "span",
        {},
        "JSON, for all members. Only keys that you change are sent; a key that you remove is removed.",
      ),
      h(
        "textarea",
        { name: "text", spellcheck: "false", rows: "18", autocapitalize: "off" },
        shownText(base),
      ),
    ),
    review === null ? null : reviewed(review),
    outcome(stage, answer),
    h(
      "footer",
      { key: "footer" },
      button(stage === "done" ? "Close" : "Cancel", "close", stage === "running" ? { disabled: true } : {}),
      review === null || stage === "done" ? null : button("Back to the text", "unreview", { key: "back" }),
      stage === "done" || (review !== null && !isReady) ? null : h(
        "button",
        { type: "submit", key: "submit", class: hopeless ? "grave" : "", disabled: stage === "running" },
        review === null ? "Show the changes" : hopeless ? "Save by force" : "Save",
      ),
    ),
  ].filter((node) => node !== null);
}

function reviewed(review: Edited): Element {
  if (!review.ok) return h("p", { class: "answer failed", role: "alert" }, review.problem);
  return review.changes.length === 0 ? h("p", {}, "Nothing was changed.") : changeList(review.changes);
}

export function signInTree(isWrong: boolean): Node[] {
  return [
    h("h2", { id: "sign-in-title" }, "Sign in"),
    h(
      "p",
      {},
      "Changes need the name and password of restapi.authentication. This page forgets them when " +
        "it is closed.",
    ),
    isWrong ? h("p", { class: "answer failed", role: "alert" }, "They were not accepted.") : null,
    h(
      "div",
      { class: "fields" },
      field("Name", "username", { autocomplete: "username", autocapitalize: "off", spellcheck: "false" }),
      field("Password", "password", { type: "password", autocomplete: "current-password" }),
    ),
    h("footer", {}, button("Cancel", "sign-in-cancel"), h("button", { type: "submit" }, "Sign in")),
  ].filter((node) => node !== null);
}
