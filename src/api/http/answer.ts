/** Answers as the bytes that go out: a repeated answer costs no more than a copy to the socket. */

export interface Answer {
  readonly status: number;
  /** Lines of headers, each with its line end. */
  readonly headers: string;
  readonly body: Uint8Array;
  /** The connection is closed after it. @default false */
  readonly last?: boolean;
}

/** Throws what reading the body of `response` throws. */
export async function answerOf(response: Response): Promise<Answer> {
  const headers = headerLines(response.headers);
  return { status: response.status, headers, body: new Uint8Array(await response.arrayBuffer()) };
}

export function headerLines(headers: Headers): string {
  let lines = "";
  for (const [name, value] of headers) {
    // Both are set here; a line end in a value would begin a header of its own.
    if (name !== "content-length" && name !== "connection") {
      lines += `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`;
    }
  }
  return lines;
}

export function textAnswer(status: number, text: string): Answer {
  return {
    status,
    headers: "content-type: text/plain; charset=utf-8\r\n",
    body: new TextEncoder().encode(text),
  };
}

export const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** `withBody` false: HEAD, which says how long the body would be. */
export function answerBytes(
  { status, headers, body }: Answer,
  keepAlive: boolean,
  withBody: boolean,
): Uint8Array {
  const head = Buffer.from(
    `HTTP/1.1 ${status} ${REASONS[status] ?? "Unknown"}\r\n${headers}date: ${httpDate()}\r\n` +
      `connection: ${keepAlive ? "keep-alive" : "close"}\r\ncontent-length: ${body.length}\r\n\r\n`,
    "latin1",
  );
  return withBody && body.length > 0 ? Buffer.concat([head, body]) : head;
}

let dateAtS = 0;
let dateText = "";

/** Made once a second. */
function httpDate(): string {
  const nowS = Math.floor(Date.now() / 1000);
  if (nowS !== dateAtS) {
    dateAtS = nowS;
    dateText = new Date(nowS * 1000).toUTCString();
  }
  return dateText;
}

const REASONS: { readonly [status: number]: string } = {
  200: "OK",
  202: "Accepted",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  409: "Conflict",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Content Too Large",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};
