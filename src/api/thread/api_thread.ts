/**
 * The REST API in a thread of its own, from the side of the agent's loop. The loop makes copies of its state
 * when it is asked, and runs operations, one a turn; it waits for the thread only once, at the start. A
 * thread that ends is started again: the API must not need an operator for that.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { Log } from "../../lib/log.ts";
import { timed } from "../../lib/wake_profile.ts";
import type { LocalConfig } from "../../model/config.ts";
import type { ApiPort } from "../port.ts";
import { ListenError } from "../listen_error.ts";
import { MetricsPage } from "../metrics_page.ts";
import { writeMetrics } from "./metrics_copy.ts";
import { type FromThread, type Operation, OPERATIONS, StartSignal, type ToThread } from "./protocol.ts";
import { takeSnapshot } from "./remote_port.ts";

/** The path by which compile.sh embeds the thread. */
const EMBEDDED_WORKER = "./src/api/thread/api_worker.ts";
const START_MS = 15_000;
const RELOAD_MS = 5000;
const PING_MS = 5000;
/** A thread that leaves so many pings in a row without an answer hangs. */
const MAX_UNANSWERED = 3;
const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 10_000;

export interface ApiThreadOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How often the thread is asked whether it is there. @default 5000 */
  readonly pingMs?: number;
  /** For tests: told each thread that is started. */
  readonly onWorker?: (worker: Worker) => void;
}

/** Finds the worker as raft/storage/worker_backend.ts finds its own. */
function openWorker(): Worker {
  const compiled = Bun.main.startsWith("/$bunfs/");
  const location = compiled ? EMBEDDED_WORKER : require.resolve("./api_worker.ts");
  return new Worker(location, { ref: false, smol: true, name: "REST API" });
}

export class ApiThread {
  readonly #api: ApiPort;
  readonly #options: ApiThreadOptions;
  readonly #metrics = new MetricsPage();
  #config: LocalConfig;
  #worker: Worker | null = null;
  #port = 0;
  #restartMs = RESTART_MIN_MS;
  #restart: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;
  #unanswered = 0;
  #pinger: ReturnType<typeof setInterval> | null = null;
  #asks: Extract<FromThread, { kind: "ask" }>[] = [];
  #asksScheduled = false;
  #reloads = 0;
  readonly #reloading = new Map<number, (problem: string | null) => void>();
  readonly #copying = new Map<number, () => void>();

  /** Throws ListenError when the address cannot be listened on or a certificate file cannot be read. */
  constructor(api: ApiPort, config: LocalConfig, options: ApiThreadOptions) {
    this.#api = api;
    this.#config = config;
    this.#options = options;
    const signal = this.#open();
    const started = signal.wait(START_MS);
    if (started !== null && "port" in started) {
      this.#port = started.port;
      this.#pinger = setInterval(() => this.#ping(), options.pingMs ?? PING_MS);
      this.#pinger.unref();
      return;
    }
    this.#stopped = true;
    this.#worker?.terminate();
    throw new ListenError(
      started?.error ?? `the thread of the REST API did not start within ${START_MS / 1000} s`,
    );
  }

  /** Port listened on; differs from the configured one when that is 0. */
  get port(): number {
    return this.#port;
  }

  /**
   * After SIGHUP: listens anew if address or certificates have changed. null: done; else why it goes on as
   * before.
   */
  reload(config: LocalConfig): Promise<string | null> {
    if (this.#worker === null) {
      // The next thread begins with it.
      this.#config = config;
      return Promise.resolve(null);
    }
    const id = ++this.#reloads;
    return new Promise((resolve) => {
      const finish = (problem: string | null) => {
        clearTimeout(timer);
        this.#reloading.delete(id);
        if (problem === null) this.#config = config;
        resolve(problem);
      };
      const timer = setTimeout(
        () => finish(`its thread did not answer within ${RELOAD_MS / 1000} s`),
        RELOAD_MS,
      );
      this.#reloading.set(id, finish);
      this.#tell({ kind: "reload", id, config });
    });
  }

  /**
   * Resolves when requests are answered from the agent's state as it is now; after a while also without that.
   */
  show(): Promise<void> {
    if (this.#worker === null) return Promise.resolve();
    const id = ++this.#reloads;
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#copying.delete(id);
        resolve();
      };
      const timer = setTimeout(finish, RELOAD_MS);
      this.#copying.set(id, finish);
      this.#tell({ kind: "copy", id, snapshot: takeSnapshot(this.#api, this.#options.clock, []) });
    });
  }

  /** Stops listening, and answers the requests under way. */
  stop(): void {
    this.#stopped = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    if (this.#pinger !== null) clearInterval(this.#pinger);
    this.#tell({ kind: "stop" });
  }

  /** For tests, which outlive their threads. */
  terminate(): void {
    this.stop();
    this.#worker?.terminate();
  }

  #open(): StartSignal {
    const signal = new StartSignal();
    const worker = openWorker();
    this.#worker = worker;
    this.#unanswered = 0;
    this.#options.onWorker?.(worker);
    worker.onmessage = timed(
      ({ data }: MessageEvent<FromThread>) => `REST: ${data.kind}`,
      (event: MessageEvent<FromThread>) => this.#heard(worker, event.data),
    );
    worker.onerror = (event) => this.#ended(worker, event.message || "for a reason that it did not give");
    worker.addEventListener("close", () => this.#ended(worker, "by itself"));
    const snapshot = takeSnapshot(this.#api, this.#options.clock, ["timing"]);
    this.#tell({ kind: "start", config: this.#config, snapshot, started: signal.memory });
    return signal;
  }

  /** Counted, not timed: a host that was suspended is no thread that hangs. */
  #ping(): void {
    if (this.#worker === null) return;
    if (this.#unanswered >= MAX_UNANSWERED) return this.#ended(this.#worker, "it does not answer");
    this.#unanswered++;
    this.#tell({ kind: "ping" });
  }

  #tell(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #heard(worker: Worker, message: FromThread): void {
    if (worker !== this.#worker) return;
    switch (message.kind) {
      case "listening":
        this.#port = message.port;
        this.#restartMs = RESTART_MIN_MS;
        return;
      case "failed":
        // At the start the constructor throws it.
        return this.#ended(worker, message.message);
      case "pong":
        this.#unanswered = 0;
        return;
      case "reloaded":
        this.#port = message.port;
        return this.#reloading.get(message.id)?.(message.problem);
      case "copied":
        return this.#copying.get(message.id)?.();
      case "look":
        return this.#look(message);
      case "log":
        return this.#options.log[message.level](message.event, message.text, message.fields);
      case "ask":
        this.#asks.push(message);
        return this.#scheduleAsks();
    }
  }

  #look({ look, parts }: Extract<FromThread, { kind: "look" }>): void {
    const { clock } = this.#options;
    if (parts.includes("metrics")) {
      this.#tell({ kind: "metrics", look, metrics: writeMetrics(this.#metrics, this.#api, clock) });
    } else {
      this.#tell({ kind: "snapshot", look, snapshot: takeSnapshot(this.#api, clock, parts) });
    }
  }

  /** Runs one operation a turn: timers, and messages of members, come in between. */
  #scheduleAsks(): void {
    if (this.#asksScheduled) return;
    this.#asksScheduled = true;
    setImmediate(() => {
      this.#asksScheduled = false;
      const next = this.#asks.shift();
      if (next === undefined) return;
      void this.#run(next);
      if (this.#asks.length > 0) this.#scheduleAsks();
    });
  }

  async #run({ id, operation, args }: Extract<FromThread, { kind: "ask" }>): Promise<void> {
    const worker = this.#worker;
    let outcome: Extract<ToThread, { kind: "done" }>["outcome"];
    try {
      outcome = { ok: true, value: await this.#perform(operation, args) };
    } catch (error) {
      outcome = { ok: false, error: error instanceof Error ? error.stack ?? error.message : String(error) };
    }
    // Requests to a thread that has ended are gone with it.
    if (worker === this.#worker) {
      this.#tell({ kind: "done", id, outcome, snapshot: takeSnapshot(this.#api, this.#options.clock, []) });
    }
  }

  #perform(operation: Operation, args: readonly unknown[]): unknown {
    if (!OPERATIONS.includes(operation)) throw new Error(`${String(operation)} is no operation`);
    return (this.#api[operation] as (...args: readonly unknown[]) => unknown)(...args);
  }

  #ended(worker: Worker, reason: string): void {
    if (worker !== this.#worker || this.#stopped) return;
    this.#worker = null;
    this.#asks = [];
    for (const finish of [...this.#reloading.values()]) finish("its thread has ended");
    for (const finish of [...this.#copying.values()]) finish();
    worker.terminate();
    const waitMs = this.#restartMs;
    this.#restartMs = Math.min(RESTART_MAX_MS, 2 * waitMs);
    this.#options.log.error(
      "restapi",
      `the thread of the REST API has ended (${reason}): it is started again in ${
        waitMs / 1000
      } s; PostgreSQL is not ` +
        "touched, but health checks fail meanwhile",
    );
    this.#restart = setTimeout(() => {
      this.#restart = null;
      if (!this.#stopped) this.#open();
    }, waitMs);
  }
}
