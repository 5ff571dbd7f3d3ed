/** The page: asks, draws, and asks again while somebody looks. */
import type { UiDataJson } from "../../shape.ts";
import { nextAskMs } from "../model/pace.ts";
import { NOTHING_KNOWN, type PageState, recordsKey, withAnswer, withoutAnswer } from "../model/state.ts";
import { Server } from "./ask.ts";
import { Dialogs } from "./dialogs.ts";
import { readRecords } from "./records.ts";
import { render } from "./render.ts";

/** Ages are drawn as they pass. */
const CLOCK_MS = 1000;

class Page {
  readonly #server: Server;
  readonly #dialogs: Dialogs;
  #state: PageState = NOTHING_KNOWN;
  #timer: number | undefined;
  #asking = false;

  constructor(credentials: string) {
    this.#server = new Server(credentials);
    this.#dialogs = new Dialogs(this.#server, () => this.#state, () => this.#hurry());
    document.addEventListener("click", (event) => {
      const pressed = event.target instanceof Element ? event.target.closest("[data-do]") : null;
      const order = pressed?.getAttribute("data-do") ?? null;
      if (order !== null) this.#dialogs.press(order).catch((error) => this.#failed(error));
    });
    document.addEventListener("visibilitychange", () => this.#hurry());
    setInterval(() => this.#draw(), CLOCK_MS);
    this.#hurry();
  }

  #hurry(): void {
    clearTimeout(this.#timer);
    this.#draw();
    if (!document.hidden) void this.#ask();
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const data = await this.#server.readJson<UiDataJson>("/ui/data");
      this.#state = withAnswer(this.#state, data, Date.now());
      this.#draw();
      const key = recordsKey(data);
      if (key !== this.#state.records.key) {
        const records = await readRecords(this.#server, key);
        this.#state = { ...this.#state, records };
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#asking = false;
    }
    this.#draw();
    this.#wait();
  }

  #failed(error: unknown): void {
    this.#state = withoutAnswer(this.#state, error instanceof Error ? error.message : String(error));
    this.#draw();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const { failures } = this.#state;
    const waitMs = nextAskMs({ hidden: document.hidden, failures, changing: this.#dialogs.changing });
    if (waitMs !== null) this.#timer = setTimeout(() => void this.#ask(), waitMs);
  }

  #draw(): void {
    if (document.hidden) return;
    this.#state = { ...this.#state, signedIn: this.#server.signedIn };
    render(this.#state, Date.now());
  }
}

new Page(document.querySelector<HTMLMetaElement>('meta[name="credentials"]')?.content ?? "omit");
