/** The dialogs on the page, and the requests that are made by them. */
import { actionOf, type Fields, outcomeText, requestOf } from "../model/actions.ts";
import { edited } from "../model/configuration.ts";
import type { PageState } from "../model/state.ts";
import type { Request as Asked } from "../model/actions.ts";
import { type Dialog, dialogTree, signInTree } from "../tree/dialogs.ts";
import type { Reply, Server } from "./ask.ts";
import { patch } from "./patch.ts";
import { readConfiguration } from "./records.ts";
import { place } from "./render.ts";

const UNKNOWN =
  "No answer came: it is not known whether it was done. Look at the state before you ask again.";
const HOPELESS = "With ?force=true";

export class Dialogs {
  readonly #server: Server;
  readonly #state: () => PageState;
  /** Told when a change was asked for, and when it is over. */
  readonly #onChange: () => void;
  #open: Dialog | null = null;
  #signIn: ((entered: boolean) => void) | null = null;

  constructor(server: Server, state: () => PageState, onChange: () => void) {
    this.#server = server;
    this.#state = state;
    this.#onChange = onChange;
    const dialog = place("dialog");
    dialog.addEventListener("close", () => this.#open = null);
    // Escape must not hide a request that is under way.
    dialog.addEventListener("cancel", (event) => this.changing && event.preventDefault());
    place("dialog-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    place("sign-in").addEventListener("close", () => this.#entered(false));
    place("sign-in-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const { username = "", password = "" } = fieldsOf("sign-in-form");
      this.#server.signIn(username, password);
      this.#entered(true);
    });
  }

  get changing(): boolean {
    return this.#open?.stage === "running";
  }

  /** `order`: what the pressed button says in `data-do`. */
  async press(order: string): Promise<void> {
    const [what, id = ""] = order.split(" ");
    if (what === "act") this.#begin(id);
    else if (what === "edit") await this.#edit();
    else if (what === "close") element("dialog").close();
    else if (what === "unreview") this.#change({ review: null, stage: "asked", answer: "", hopeless: false });
    else if (what === "sign-in-cancel") element("sign-in").close();
    else if (what === "sign-out") {
      this.#server.signOut();
      this.#onChange();
    }
  }

  #begin(id: string): void {
    const { data } = this.#state();
    const action = data === null ? null : actionOf(data, id);
    if (data !== null && action !== null) {
      this.#show({ kind: "action", action, data, stage: "asked", answer: "" });
    }
  }

  /** From what the server has now, not from what was shown. */
  async #edit(): Promise<void> {
    const present = await readConfiguration(this.#server);
    if (present === null) return;
    const { value: base, etag } = present;
    this.#show({
      kind: "configuration",
      base,
      etag,
      review: null,
      hopeless: false,
      stage: "asked",
      answer: "",
    });
  }

  #show(dialog: Dialog): void {
    patch(place("dialog-form"), []);
    this.#open = dialog;
    this.#draw();
    element("dialog").showModal();
  }

  #draw(): void {
    if (this.#open !== null) patch(place("dialog-form"), dialogTree(this.#open));
  }

  #change(part: Partial<Dialog & { kind: "configuration" }>): void {
    if (this.#open === null) return;
    this.#open = { ...this.#open, ...part } as Dialog;
    this.#draw();
  }

  async #submit(): Promise<void> {
    const dialog = this.#open;
    if (dialog === null || dialog.stage === "running") return;
    const fields = fieldsOf("dialog-form");
    if (dialog.kind === "action") {
      const scheduled = isoOf(fields.scheduled_at);
      await this.#ask(requestOf(dialog.action.id, { ...fields, scheduled_at: scheduled }, dialog.data));
    } else if (dialog.review === null) {
      this.#change({ review: edited(dialog.base, fields.text ?? ""), answer: "" });
    } else if (dialog.review.ok) {
      const path = dialog.hopeless ? "/config?force=true" : "/config";
      await this.#ask({ method: "PATCH", path, body: dialog.review.patch }, { "If-Match": dialog.etag });
    }
  }

  async #ask(asked: Asked, headers: { readonly [name: string]: string } = {}): Promise<void> {
    this.#change({ stage: "running", answer: "" });
    this.#onChange();
    try {
      const { status, text, warnings } = await this.#answered(asked, headers);
      const good = status === 200 || status === 202;
      const hopeless = status === 422 && text.includes(HOPELESS);
      const answer = outcomeText(status, text, warnings);
      this.#change({ stage: good ? "done" : "failed", answer, hopeless });
    } catch (error) {
      console.warn(error);
      this.#change({ stage: "failed", answer: UNKNOWN });
    }
    this.#onChange();
  }

  /** Asks for the password when the server does. */
  async #answered(asked: Asked, headers: { readonly [name: string]: string }): Promise<Reply> {
    for (;;) {
      const before = this.#server.signedIn;
      const reply = await this.#server.change(asked, headers);
      if (reply.status !== 401 || !await this.#askSignIn(before)) return reply;
    }
  }

  #askSignIn(wasWrong: boolean): Promise<boolean> {
    this.#server.signOut();
    patch(place("sign-in-form"), []);
    patch(place("sign-in-form"), signInTree(wasWrong));
    element("sign-in").showModal();
    return new Promise((resolve) => this.#signIn = resolve);
  }

  #entered(is: boolean): void {
    const resolve = this.#signIn;
    this.#signIn = null;
    // The password must not stay in the document.
    patch(place("sign-in-form"), []);
    if (element("sign-in").open) element("sign-in").close();
    resolve?.(is);
  }
}

function element(id: string): HTMLDialogElement {
  return place(id) as HTMLDialogElement;
}

function fieldsOf(form: string): Fields {
  const entries = [...new FormData(place(form) as HTMLFormElement)];
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

/** The field has the time where the reader is, without a zone. */
function isoOf(local: string | undefined): string {
  return local ? new Date(local).toISOString() : "";
}
