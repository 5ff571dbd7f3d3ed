/**
 * The layer between the HTTP server and the application. It keeps answers to safe requests for a moment: at
 * any rate of requests, each answer is made 20 times a second at most, and a kept one costs no more than a
 * look into a table.
 */
import type { Hono } from "@hono/hono";
import type { LimitedLog } from "../lib/limited_log.ts";
import { quotedOutside } from "../lib/plain_text.ts";
import type { ApiEnv } from "./env.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import { isHealthCheck } from "./health.ts";
import { type Answer, answerOf, textAnswer } from "./http/answer.ts";
import type { HttpRequest } from "./http/connection.ts";
import { addressGroup } from "./http/limits.ts";
import type { RequestHead } from "./http/request_head.ts";
import { METRICS_PATH } from "./metrics.ts";
import type { ApiPort } from "./port.ts";

/**
 * An answer is given again at most this long, and not at all when the agent's state or its hold on the lease
 * has changed.
 */
const KEEP_MS = 50;
const MAX_KEPT = 64;
/** Endpoints that look at the query, beside the health checks. */
const READS_QUERY: ReadonlySet<string> = new Set(["/agent/events", "/agent/why"]);
/** Headers that an endpoint looks at. */
const HEADERS = [
  "agent-member",
  "authorization",
  "content-length",
  "content-type",
  "host",
  "if-match",
  "origin",
  "sec-fetch-site",
];
export interface AnsweringOptions {
  /** Makes the port's view fresh enough for a request; undefined: it is. @default always fresh */
  readonly freshen?: (path: string) => Promise<void> | undefined;
  /**
   * The answer to `GET /metrics`, which is read too rarely for its code to be warm, past the layers of the
   * application; null: the application's. Throws for a fault of the server. @default null
   */
  readonly metrics?: () => Answer | null;
}

/** The runtime's Request would take any other one for GET ("FOO") or for POST ("post"). */
const CHANGING_METHODS: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

export class Answering {
  readonly #port: ApiPort;
  readonly #app: Hono<ApiEnv>;
  readonly #log: LimitedLog;
  readonly #freshen: (path: string) => Promise<void> | undefined;
  readonly #metrics: () => Answer | null;
  readonly #kept = new Map<string, Answer>();
  /** Being made: the same request in the meantime waits for it. */
  readonly #making = new Map<string, Promise<Answer>>();
  #keptSince = { version: NaN, lease: false, atMs: 0 };

  constructor(
    port: ApiPort,
    app: Hono<ApiEnv>,
    log: LimitedLog,
    { freshen = () => undefined, metrics = () => null }: AnsweringOptions = {},
  ) {
    this.#port = port;
    this.#app = app;
    this.#log = log;
    this.#freshen = freshen;
    this.#metrics = metrics;
  }

  answer(request: HttpRequest): Answer | Promise<Answer> {
    const fresh = this.#freshen(request.head.path);
    if (fresh !== undefined) return fresh.then(() => this.#answerNow(request));
    return this.#answerNow(request);
  }

  #answerNow(request: HttpRequest): Answer | Promise<Answer> {
    const { head } = request;
    switch (head.method) {
      case "GET":
      case "HEAD":
        return this.#safe(head);
      case "OPTIONS": {
        const answer = this.#safe(head);
        return answer instanceof Promise ? answer.then(statusOnly) : statusOnly(answer);
      }
      default:
        return this.#unsafe(request);
    }
  }

  /** The query makes no difference to most answers. */
  #safe(head: RequestHead): Answer | Promise<Answer> {
    const metrics = head.path === METRICS_PATH ? this.#metrics() : null;
    if (metrics !== null) return metrics;
    const readsQuery = isHealthCheck(head.path) || READS_QUERY.has(head.path);
    const key = readsQuery ? `${head.path}${head.query}` : head.path;
    this.#forgetOld();
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    const made = this.#making.get(key) ?? this.#make(key, head);
    return made;
  }

  async #make(key: string, head: RequestHead): Promise<Answer> {
    const making = this.#ask(new Request(urlOf(head)), null, false);
    this.#making.set(key, making);
    const { version, lease } = this.#keptSince;
    try {
      const answer = await making;
      // The state may have changed while it was made.
      const same = this.#port.version() === version && this.#port.holdsLease() === lease;
      if (same && this.#kept.size < MAX_KEPT) this.#kept.set(key, answer);
      return answer;
    } finally {
      this.#making.delete(key);
    }
  }

  #forgetOld(): void {
    const version = this.#port.version();
    const lease = this.#port.holdsLease();
    const atMs = performance.now();
    const since = this.#keptSince;
    if (since.version === version && since.lease === lease && atMs - since.atMs < KEEP_MS) return;
    this.#kept.clear();
    this.#keptSince = { version, lease, atMs };
  }

  async #unsafe({ head, address, clientCertificate, body }: HttpRequest): Promise<Answer> {
    const { method } = head;
    if (!CHANGING_METHODS.has(method)) return textAnswer(501, `Unsupported method ('${method}')`);
    const headers = new Headers();
    for (const name of HEADERS) {
      const value = head.headers.get(name);
      if (value !== undefined) headers.set(name, value);
    }
    const bytes = head.bodyBytes ?? 0;
    const request = new Request(urlOf(head), {
      method,
      headers,
      // A body that is too large is refused by its length.
      ...(bytes > 0 && bytes <= MAX_BODY_BYTES ? { body: bodyStream(body) } : {}),
    });
    const answer = await this.#ask(request, address, clientCertificate);
    if (answer.status === 401 || answer.status === 403) {
      const text = new TextDecoder().decode(answer.body);
      const what = `${quotedOutside(method)} ${quotedOutside(head.path)}`;
      const line = `${address}: ${what} denied: ${answer.status} ${text}`;
      this.#log.add("warning", "restapi.denied", line, `${addressGroup(address)} ${text}`);
      // A client without access has to open a new connection for each request.
      return { ...answer, last: true };
    }
    return answer;
  }

  async #ask(request: Request, ip: string | null, clientCertificate: boolean): Promise<Answer> {
    return await answerOf(await this.#app.fetch(request, { ip, clientCertificate }));
  }
}

function statusOnly({ status }: Answer): Answer {
  return { status, headers: "", body: new Uint8Array() };
}

/** The host is always the same: the name that the client used does not matter. */
function urlOf({ path, query }: RequestHead): string {
  return `http://localhost${path.split("/").map(encodeURIComponent).join("/")}${query}`;
}

/** The body as a stream. It is not read before the endpoint reads it: after the access was granted. */
function bodyStream(body: HttpRequest["body"]): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      controller.enqueue(await body());
      controller.close();
    },
  }, { highWaterMark: 0 });
}
