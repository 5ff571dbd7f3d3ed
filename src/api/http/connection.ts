/**
 * One connection: reads a head, has it answered, writes the answer, and then reads the next one. At most one
 * request of a connection is under way; pipelined ones wait. Every phase but the answering has a deadline.
 */
import type { Socket } from "bun";
import { type Answer, answerBytes, CONTINUE, textAnswer } from "./answer.ts";
import type { TableEntry } from "./connection_table.ts";
import type { HttpLimits } from "./limits.ts";
import { readHead, type RequestHead } from "./request_head.ts";

export interface HttpRequest {
  readonly head: RequestHead;
  readonly address: string;
  /** A client certificate of the configured authority was presented, and has not ended since. */
  readonly clientCertificate: boolean;
  /**
   * The body, not read from the connection before. Rejects with BodyMissing when it does not come in time.
   */
  readonly body: () => Promise<Uint8Array<ArrayBuffer>>;
}

/** The services that a connection needs of its server. */
export interface ConnectionHost {
  readonly limits: HttpLimits;
  /** Nothing is answered without a client certificate. */
  readonly certificateRequired: boolean;
  nowMs(): number;
  /** The connection is to be looked at then (endIfOverdue), unless it has another deadline by that time. */
  due(deadlineMs: number): void;
  /** Its request is complete except for the body: the server calls `serve` when its turn comes. */
  ready(connection: HttpConnection): void;
  answer(request: HttpRequest): Answer | Promise<Answer>;
  /** Memory for `bytes` more of unread input; false: there is none, and the connection ends. */
  grow(bytes: number): boolean;
  /**
   * `bytes` of an answer were not taken by the client yet; 0: all were. May drop connections, never this one.
   */
  unsent(connection: HttpConnection, bytes: number): void;
  closed(connection: HttpConnection): void;
  refused(connection: HttpConnection, reason: string): void;
  timedOut(connection: HttpConnection, what: string): void;
  failed(connection: HttpConnection, head: RequestHead, error: unknown): void;
}

export class BodyMissing extends Error {
  override readonly name = "BodyMissing";
}

/**
 * handshake: TLS is not up; reading: waits for a head, or the rest of it; ready: has one; answering; writing:
 * the client has not taken the answer yet; ending: said, waits for the client to close.
 */
type Phase = "handshake" | "reading" | "ready" | "answering" | "writing" | "ending" | "closed";

interface ExpectedBody {
  readonly bytes: number;
  /** Set while the handler waits for it. */
  waiter: { resolve(body: Uint8Array<ArrayBuffer>): void; reject(error: Error): void } | null;
  taken: boolean;
}

/** Time for the client to read the last answer before the connection is cut. */
const END_MS = 1000;
/** So much input is thrown away at the end. A client that sends more may lose the answer to a reset. */
const DRAINED_BYTES = 64 * 1024;
/** So much is read from a connection whatever others hold: a health check is small. */
const ALWAYS_TAKEN_BYTES = 2048;
const NOTHING = new Uint8Array();

export class HttpConnection implements TableEntry {
  readonly address: string;
  readonly #socket: Socket<HttpConnection>;
  readonly #host: ConnectionHost;
  #phase: Phase;
  #deadlineMs: number;
  /** Unread; changed by #setInput alone. */
  #input: Uint8Array = NOTHING;
  #counted = 0;
  #output: Uint8Array = NOTHING;
  #head: RequestHead | null = null;
  #body: ExpectedBody | null = null;
  /** A part of a head has come: its deadline runs. */
  #begun = true;
  #last = false;
  #inputEnded = false;
  /** End of the client certificate, by the wall clock; null: none was presented that counts. */
  #certificateEndsMs: number | null = null;
  #drained = 0;

  constructor(socket: Socket<HttpConnection>, host: ConnectionHost, tls: boolean) {
    this.#socket = socket;
    this.#host = host;
    this.address = socket.remoteAddress;
    this.#phase = tls ? "handshake" : "reading";
    this.#deadlineMs = this.#dueIn(host.limits.headMs);
  }

  get waits(): boolean {
    if (this.#phase === "writing") {
      const { writeMs, slowWriteMs } = this.#host.limits;
      return this.#host.nowMs() >= this.#deadlineMs - writeMs + slowWriteMs;
    }
    return this.#phase === "handshake" || this.#phase === "reading" || this.#phase === "ending";
  }

  /** Infinity: it waits for this server. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  get closed(): boolean {
    return this.#phase === "closed";
  }

  /** TLS is up. */
  secured(): void {
    if (this.#phase !== "handshake") return;
    if (this.#socket.authorized) {
      this.#certificateEndsMs = Date.parse(this.#socket.getPeerX509Certificate().validTo);
    }
    this.#phase = "reading";
    this.#readOn();
  }

  received(chunk: Uint8Array): void {
    if (this.#phase === "closed") return;
    if (this.#phase === "ending") {
      this.#drained += chunk.length;
      if (this.#drained > DRAINED_BYTES) this.#socket.pause();
      return;
    }
    if (!this.#setInput(this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]))) {
      if (this.#phase !== "reading") return this.drop();
      return this.#refuse(503, "too much is under way here: try again later");
    }
    if (this.#phase === "reading") this.#readOn();
    this.#completeBody();
    this.#trim();
    this.#letGo();
  }

  /** The client sends no more. It may still read, so complete requests are answered first. */
  inputEnded(): void {
    this.#inputEnded = true;
    if (this.#body?.waiter) this.#failBody("the client sent no more before the body was whole");
    else if (this.waits) this.#end();
  }

  /** The socket takes more. */
  drained(): void {
    if (this.#phase === "writing") this.#write();
  }

  /** To be called when `nowMs` may be past its deadline. */
  endIfOverdue(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return;
    if (this.#body?.waiter) {
      this.#host.timedOut(this, "the body of its request did not come");
      return this.#failBody("the body did not come in time");
    }
    if (this.#phase === "reading" && this.#begun && this.#input.length > 0) {
      return this.#refuse(408, "the request did not come in time");
    }
    if (this.#phase === "writing") this.#host.timedOut(this, "it did not take its answer");
    else if (this.#phase !== "ending" && this.#begun) this.#host.timedOut(this, "no request came");
    this.drop();
  }

  drop(): void {
    this.#socket.terminate();
    this.ended();
  }

  /** No request after the one that is under way. */
  retire(): void {
    this.#last = true;
    if (this.waits) this.drop();
  }

  /** The socket is closed. */
  ended(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#deadlineMs = Infinity;
    this.#failBody("the connection was closed");
    this.#setInput(NOTHING);
    this.#output = NOTHING;
    this.#host.unsent(this, 0);
    this.#host.closed(this);
  }

  /** Has the request that was read answered. */
  serve(): void {
    const head = this.#head;
    if (this.#phase !== "ready" || head === null) return;
    const clientCertificate = this.#certificateHolds();
    if (!clientCertificate && this.#host.certificateRequired) {
      this.#host.refused(this, "no client certificate that is valid now");
      return this.drop();
    }
    this.#phase = "answering";
    const fail = (error: unknown) => {
      this.#host.failed(this, head, error);
      this.#send(head, textAnswer(500, "Internal error; see the log of the agent"));
    };
    try {
      const answer = this.#host.answer({
        head,
        address: this.address,
        clientCertificate,
        body: () => this.#readBody(),
      });
      if (answer instanceof Promise) answer.then((one) => this.#send(head, one), fail);
      else this.#send(head, answer);
    } catch (error) {
      fail(error);
    }
  }

  /**
   * TLS looks at the certificate in the first handshake alone: neither a connection that stays open nor one
   * that resumes its session is asked again, so either would outlive the certificate.
   */
  #certificateHolds(): boolean {
    return this.#certificateEndsMs !== null && Date.now() < this.#certificateEndsMs;
  }

  #dueIn(ms: number): number {
    const deadlineMs = this.#host.nowMs() + ms;
    this.#host.due(deadlineMs);
    return deadlineMs;
  }

  /** False: there is no memory for it; nothing has changed then. */
  #setInput(input: Uint8Array): boolean {
    const counted = input.length > ALWAYS_TAKEN_BYTES ? input.length : 0;
    if (!this.#host.grow(counted - this.#counted)) return false;
    this.#counted = counted;
    this.#input = input;
    return true;
  }

  /** The rest of a large chunk must not keep all of it in memory. */
  #letGo(): void {
    if (2 * this.#input.length < this.#input.buffer.byteLength) this.#input = this.#input.slice();
  }

  /** Drops input beyond the limit, and with it the requests after this one. */
  #trim(): void {
    const { pipelineBytes, bodyBytes } = this.#host.limits;
    const body = this.#body?.taken === false && this.#body.bytes <= bodyBytes ? this.#body.bytes : 0;
    const allowed = pipelineBytes + body;
    if (this.#input.length <= allowed || this.#phase === "closed") return;
    this.#last = true;
    this.#setInput(this.#input.slice(0, allowed));
    this.#socket.pause();
  }

  #readOn(): void {
    const read = readHead(this.#input);
    if (read.kind === "bad") return this.#refuse(read.status, read.reason);
    if (read.kind === "incomplete") {
      if (this.#inputEnded) return this.#end();
      if (!this.#begun && read.begun) {
        this.#begun = true;
        this.#deadlineMs = this.#dueIn(this.#host.limits.headMs);
      }
      return;
    }
    this.#setInput(this.#input.subarray(read.bytes));
    this.#head = read.head;
    this.#body = read.head.bodyBytes === null || read.head.bodyBytes === 0
      ? null
      : { bytes: read.head.bodyBytes, waiter: null, taken: false };
    this.#phase = "ready";
    this.#deadlineMs = Infinity;
    this.#host.ready(this);
  }

  #readBody(): Promise<Uint8Array<ArrayBuffer>> {
    const body = this.#body;
    if (body === null) return Promise.resolve(new Uint8Array());
    if (this.#phase !== "answering" || body.taken || body.waiter !== null) {
      return Promise.reject(new BodyMissing("the connection was closed"));
    }
    return new Promise((resolve, reject) => {
      body.waiter = { resolve, reject };
      this.#deadlineMs = this.#dueIn(this.#host.limits.bodyMs);
      if (this.#input.length < body.bytes && this.#head?.headers.get("expect") !== undefined) {
        this.#socket.write(CONTINUE);
      }
      this.#completeBody();
      if (this.#inputEnded) this.#failBody("the client sent no more before the body was whole");
    });
  }

  #completeBody(): void {
    const body = this.#body;
    if (body === null || body.waiter === null || this.#input.length < body.bytes) return;
    const bytes = new Uint8Array(this.#input.slice(0, body.bytes));
    this.#setInput(this.#input.slice(body.bytes));
    const { waiter } = body;
    body.waiter = null;
    body.taken = true;
    this.#deadlineMs = Infinity;
    waiter.resolve(bytes);
  }

  /** The handler that waits for it answers then. */
  #failBody(reason: string): void {
    const waiter = this.#body?.waiter;
    if (!waiter) return;
    this.#body!.waiter = null;
    this.#deadlineMs = Infinity;
    waiter.reject(new BodyMissing(reason));
  }

  #refuse(status: number, reason: string): void {
    if (status === 408) this.#host.timedOut(this, "the head of its request did not come whole");
    else this.#host.refused(this, `${status} ${reason}`);
    this.#last = true;
    this.#write(answerBytes(textAnswer(status, reason), false, true));
  }

  #send(head: RequestHead, answer: Answer): void {
    if (this.#phase !== "answering") return;
    // An unread body stands before the next request.
    if (!head.keepAlive || answer.last || this.#body !== null && !this.#body.taken) this.#last = true;
    this.#head = null;
    this.#body = null;
    this.#write(answerBytes(answer, !this.#last, head.method !== "HEAD"));
  }

  #write(bytes: Uint8Array = this.#output): void {
    const written = Math.max(0, this.#socket.write(bytes));
    if (this.#phase === "closed") return;
    if (written < bytes.length) {
      const begins = this.#phase !== "writing";
      this.#phase = "writing";
      // A slice keeps the whole buffer in memory.
      this.#output = bytes.subarray(written);
      if (!begins) return;
      this.#deadlineMs = this.#dueIn(this.#host.limits.writeMs);
      this.#host.unsent(this, bytes.length);
      return;
    }
    if (this.#phase === "writing") this.#host.unsent(this, 0);
    this.#output = NOTHING;
    if (this.#last) return this.#end();
    this.#phase = "reading";
    this.#begun = false;
    this.#deadlineMs = this.#dueIn(this.#host.limits.idleMs);
    this.#readOn();
  }

  /** Ends the sending side. Further input is thrown away: a reset would destroy the answer. */
  #end(): void {
    this.#phase = "ending";
    this.#deadlineMs = this.#dueIn(END_MS);
    this.#setInput(NOTHING);
    // Written data still arrives; terminating the socket could lose it.
    if (this.#inputEnded) return void this.#socket.end();
    this.#socket.resume();
    this.#socket.shutdown();
  }
}
