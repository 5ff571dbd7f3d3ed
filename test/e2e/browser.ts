/** A real Chromium without a screen, driven over its own protocol. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { waitFor } from "../../src/demo/wait_for.ts";
import { isRoot } from "./environment.ts";

const START_MS = 120_000;

export const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path)) ??
  null;

/** Nothing is asked of anybody but the page; as root its sandbox does not start. */
const FLAGS = [
  "--headless=new",
  ...(isRoot ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
  "--remote-allow-origins=*",
];

type Parameters = { readonly [name: string]: unknown };
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly [name: string]: unknown };
  readonly result?: { readonly [name: string]: unknown };
  readonly error?: { readonly message: string };
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #directory: string;
  #socket: WebSocket | null = null;
  #page: string | null = null;
  #sent = 0;
  readonly #waiting = new Map<number, (message: Message) => void>();
  /** What the page has complained of: errors, and what its policy has refused. */
  readonly complaints: string[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
    const args = [...FLAGS, `--user-data-dir=${directory}`, "about:blank"];
    this.#process = spawn(chromium!, args, {
      stdio: "ignore",
      // A process group of its own, which can be ended.
      detached: true,
      env: { PATH: "/usr/bin:/bin", HOME: directory },
    });
  }

  /** `prepare`: makes the home of the browser's user ready. @default an empty one */
  static async start(prepare: (home: string) => Promise<void> = () => Promise.resolve()): Promise<Browser> {
    const home = mkdtempSync(join(tmpdir(), "browser-"));
    await prepare(home);
    const browser = new Browser(home);
    try {
      await browser.#connect();
    } catch (error) {
      await browser.stop();
      throw error;
    }
    return browser;
  }

  async #connect(): Promise<void> {
    const file = join(this.#directory, "DevToolsActivePort");
    const [port, path] = await waitFor("the browser", START_MS, () => {
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
      return lines.length >= 2 ? lines : null;
    });
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(String(data)) as Message);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("the browser does not talk"));
    await promise;
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    this.#page = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.send(`${domain}.enable`);
  }

  #heard({ id, method, params, result, error }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({ result, error });
      this.#waiting.delete(id);
    } else if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded") {
      this.complaints.push(JSON.stringify(params?.entry ?? params));
    }
  }

  async send(method: string, params: Parameters = {}): Promise<{ readonly [name: string]: unknown }> {
    const id = ++this.#sent;
    const session = this.#page === null ? {} : { sessionId: this.#page };
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket!.send(JSON.stringify({ id, method, params, ...session }));
    const { result = {}, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async open(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
  }

  /** The value of an expression in the page, as JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { readonly value?: unknown }).value;
  }

  /** What a reader sees of the page, or of a part of it. */
  async text(selector = "body"): Promise<string> {
    return String(
      await this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`),
    );
  }

  async shows(what: RegExp, selector = "body", withinMs = START_MS): Promise<string> {
    return await waitFor(`${what} in ${selector}`, withinMs, async () => {
      const text = await this.text(selector);
      return what.test(text) ? text : null;
    });
  }

  /** Presses the button of that name, as a reader who goes by the names does. */
  async press(name: string, within = "body"): Promise<void> {
    await waitFor(`a button ${name}`, START_MS, async () =>
      await this.evaluate(`(() => {
        const buttons = [...document.querySelectorAll(${JSON.stringify(`${within} button`)})];
        const found = buttons.find((one) => one.textContent.trim() === ${
        JSON.stringify(name)
      } && !one.disabled);
        found?.click();
        return found !== undefined;
      })()`));
  }

  async fill(selector: string, value: string): Promise<void> {
    await waitFor(`a field ${selector}`, START_MS, async () =>
      await this.evaluate(`(() => {
        const field = document.querySelector(${JSON.stringify(selector)});
        if (field !== null) field.value = ${JSON.stringify(value)};
        return field !== null;
      })()`));
  }

  async resize(width: number, height: number, dark = false): Promise<void> {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** PNG. */
  async picture(whole = true): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: whole,
    });
    return Buffer.from(String(data), "base64");
  }

  /** With all of its processes: one that lived on would write its directory again. */
  async stop(): Promise<void> {
    this.#socket?.close();
    const { pid, exitCode, signalCode } = this.#process;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      process.kill(-pid, "SIGKILL");
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}
