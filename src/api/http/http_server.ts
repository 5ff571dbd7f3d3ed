/**
 * An HTTP/1 server that a stranger cannot exhaust: bounds of connections by address and in all, a deadline in
 * every phase, bounded memory, and a share of each turn of the loop for requests. The runtime's own server
 * has none of these, and prints requests that it does not understand. The handler makes the answers.
 */
import type { LimitedLog } from "../../lib/limited_log.ts";
import { quotedOutside } from "../../lib/plain_text.ts";
import { type Answer, textAnswer } from "./answer.ts";
import { type ConnectionHost, HttpConnection, type HttpRequest } from "./connection.ts";
import { ConnectionTable } from "./connection_table.ts";
import { addressGroup, type HttpLimits } from "./limits.ts";
import type { RequestHead } from "./request_head.ts";

export interface HttpTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
  readonly passphrase: string | undefined;
  /** OpenSSL's list, for TLS 1.2; null: the runtime's own. TLS 1.3 has its own, fixed ones. */
  readonly ciphers: string | null;
  readonly clientCertificate: "not asked for" | "optional" | "required";
}

export interface HttpServerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly tls: HttpTls | null;
  readonly limits: HttpLimits;
  readonly log: LimitedLog;
  readonly answer: (request: HttpRequest) => Answer | Promise<Answer>;
  /**
   * Frees memory that nothing refers to any more; called after each 8 MiB that came in. @default the runtime
   * decides when
   */
  readonly collect?: () => void;
  /** The handler has thrown: a fault of the server. */
  readonly onError: (error: unknown, request: string) => void;
}

/** All unread input together: heads, bodies, and pipelined requests. */
const INPUT_BYTES = 16 * 1024 * 1024;
/**
 * The runtime copies incoming bytes, and frees them when it sees fit: a flood of large chunks makes tens of
 * megabytes before that.
 */
const COLLECT_BYTES = 8 * 1024 * 1024;
/** The least time between two looks at the deadlines of all connections. */
const SWEEP_MS = 250;
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export class HttpServer implements ConnectionHost {
  readonly limits: HttpLimits;
  readonly certificateRequired: boolean;
  readonly #options: HttpServerOptions;
  readonly #table: ConnectionTable<HttpConnection>;
  readonly #listener: { readonly port: number; stop(closeActive?: boolean): void };
  /** Set while a connection has a deadline, and not later than that. */
  #sweeper: { readonly timer: ReturnType<typeof setTimeout>; readonly dueMs: number } | null = null;
  /** First come, first served; a connection stands in it once. */
  #queue: HttpConnection[] = [];
  #scheduled = false;
  readonly #unsafe = new Map<string, number>();
  #unsafeAll = 0;
  #inputBytes = 0;
  /** Bytes of answers that are not taken yet, by connection: the one that waits longest first. */
  readonly #unsent = new Map<HttpConnection, number>();
  #unsentBytes = 0;
  #uncollectedBytes = 0;

  /** Throws when the address cannot be listened on. */
  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.certificateRequired = options.tls?.clientCertificate === "required";
    this.#table = new ConnectionTable(options.limits);
    const { hostname, port, tls } = options;
    this.#listener = Bun.listen<HttpConnection>({
      hostname,
      port,
      // A health check may end its side as soon as it has sent its request (`nc -N`).
      allowHalfOpen: true,
      ...(tls === null ? {} : {
        tls: {
          cert: tls.cert,
          key: tls.key,
          ca: tls.ca,
          passphrase: tls.passphrase,
          ...(tls.ciphers === null ? {} : { ciphers: tls.ciphers }),
          requestCert: tls.clientCertificate !== "not asked for",
          rejectUnauthorized: tls.clientCertificate === "required",
        },
      }),
      socket: {
        open: (socket) => {
          const connection = new HttpConnection(socket, this, tls !== null);
          socket.data = connection;
          if (this.#table.add(connection)) return;
          this.#limited(connection.address);
          connection.drop();
        },
        handshake: (socket, success, error) => {
          if (success) socket.data.secured();
          else {this.refused(
              socket.data,
              `the TLS handshake failed: ${error?.message ?? "for no given reason"}`,
            );}
        },
        data: (socket, chunk) => {
          socket.data.received(chunk);
          this.#received(chunk.length);
        },
        end: (socket) => socket.data.inputEnded(),
        drain: (socket) => socket.data.drained(),
        close: (socket) => socket.data.ended(),
        // The close follows.
        error: (socket) => socket.data.drop(),
      },
    });
  }

  get port(): number {
    return this.#listener.port;
  }

  get connections(): number {
    return this.#table.size;
  }

  /** Listens no more; open connections live on. */
  retire(): void {
    this.#listener.stop(false);
  }

  /** Ends connections that wait for their clients; requests that are under way are still answered. */
  stop(): void {
    this.retire();
    for (const connection of [...this.#table.all()]) connection.retire();
  }

  nowMs(): number {
    return performance.now();
  }

  due(deadlineMs: number): void {
    const nowMs = this.nowMs();
    const dueMs = Math.max(deadlineMs, nowMs + SWEEP_MS);
    if (this.#sweeper === null || this.#sweeper.dueMs > dueMs) this.#sweepAt(dueMs, nowMs);
  }

  ready(connection: HttpConnection): void {
    this.#queue.push(connection);
    this.#schedule();
  }

  answer(request: HttpRequest): Answer | Promise<Answer> {
    if (SAFE_METHODS.has(request.head.method)) return this.#options.answer(request);
    const group = addressGroup(request.address);
    const own = this.#unsafe.get(group) ?? 0;
    if (this.#unsafeAll >= this.limits.unsafe || own >= this.limits.unsafePerAddress) {
      this.#options.log.add(
        "warning",
        "restapi.busy",
        `${request.address}: too many requests are under way`,
        group,
      );
      return textAnswer(503, "too many requests are under way here: try again later");
    }
    this.#unsafeAll++;
    this.#unsafe.set(group, own + 1);
    return (async () => {
      try {
        return await this.#options.answer(request);
      } finally {
        this.#unsafeAll--;
        const left = (this.#unsafe.get(group) ?? 1) - 1;
        if (left > 0) this.#unsafe.set(group, left);
        else this.#unsafe.delete(group);
      }
    })();
  }

  grow(bytes: number): boolean {
    if (bytes > 0 && this.#inputBytes + bytes > INPUT_BYTES) return false;
    this.#inputBytes += bytes;
    return true;
  }

  unsent(connection: HttpConnection, bytes: number): void {
    this.#unsentBytes += bytes - (this.#unsent.get(connection) ?? 0);
    if (bytes === 0) this.#unsent.delete(connection);
    else this.#unsent.set(connection, bytes);
    for (const longest of this.#unsent.keys()) {
      if (this.#unsentBytes <= this.limits.unsentBytes || longest === connection) return;
      this.timedOut(longest, "it did not take its answer, and others wait");
      longest.drop();
    }
  }

  closed(connection: HttpConnection): void {
    this.#table.remove(connection);
    if (this.#table.size === 0) this.#stopSweeper();
  }

  refused({ address }: HttpConnection, reason: string): void {
    this.#options.log.add(
      "warning",
      "restapi.refused",
      `${address}: no request that can be understood: ${reason}`,
      `${addressGroup(address)} ${reason}`,
    );
  }

  timedOut({ address }: HttpConnection, what: string): void {
    this.#options.log.add(
      "warning",
      "restapi.timeout",
      `${address}: connection closed: ${what}`,
      `${addressGroup(address)} ${what}`,
    );
  }

  failed({ address }: HttpConnection, head: RequestHead, error: unknown): void {
    this.#options.onError(error, `${address}: ${quotedOutside(head.method)} ${quotedOutside(head.path)}`);
  }

  #received(bytes: number): void {
    this.#uncollectedBytes += bytes;
    if (this.#uncollectedBytes < COLLECT_BYTES) return;
    this.#uncollectedBytes = 0;
    this.#options.collect?.();
  }

  #limited(address: string): void {
    this.#options.log.add(
      "warning",
      "restapi.limit",
      `${address}: connection refused: too many are open`,
      addressGroup(address),
    );
  }

  #sweepAt(dueMs: number, nowMs: number): void {
    this.#stopSweeper();
    this.#sweeper = { timer: setTimeout(() => this.#sweep(), dueMs - nowMs), dueMs };
  }

  #stopSweeper(): void {
    if (this.#sweeper !== null) clearTimeout(this.#sweeper.timer);
    this.#sweeper = null;
  }

  /**
   * Comes when the first deadline is over, and not before: a scraper's or a proxy's kept connection would
   * cost wake-ups for nothing.
   */
  #sweep(): void {
    const nowMs = this.nowMs();
    this.#sweeper = null;
    for (const connection of [...this.#table.all()]) connection.endIfOverdue(nowMs);
    let nextMs = Infinity;
    for (const { deadlineMs } of this.#table.all()) nextMs = Math.min(nextMs, deadlineMs);
    if (nextMs < Infinity) this.due(nextMs);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  /**
   * A connection that pipelines stands at the end of the queue again after each answer. When a turn leaves
   * requests, the server rests for as long as the turn took: a flood gets half a processor at most.
   */
  #turn(): void {
    this.#scheduled = false;
    const endMs = this.nowMs() + this.limits.turnMs;
    let next = 0;
    while (next < this.#queue.length && (next === 0 || this.nowMs() < endMs)) this.#queue[next++]!.serve();
    this.#queue = this.#queue.slice(next);
    if (this.#queue.length === 0) return;
    this.#scheduled = true;
    setTimeout(() => this.#turn(), this.limits.turnMs);
  }
}
