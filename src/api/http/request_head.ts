/**
 * The head of an HTTP/1 request. Lenient where proxies and scripts are lenient: Host may be missing (HAProxy
 * sends none) and hold anything, lines may end without a carriage return, HTTP/1.0 is taken. Strict where a
 * proxy in front may read the same bytes as another request: how long the body is, and for which host.
 */

export interface RequestHead {
  readonly method: string;
  /** Percent-decoded, without the slashes at its end. */
  readonly path: string;
  /** The query with its "?", or empty. */
  readonly query: string;
  /** Names in lower case. When a name comes twice, the last value counts. */
  readonly headers: ReadonlyMap<string, string>;
  /** null: the request has no body. */
  readonly bodyBytes: number | null;
  /** The connection may be used again. */
  readonly keepAlive: boolean;
  readonly http10: boolean;
}

export type ReadHead =
  | { readonly kind: "head"; readonly head: RequestHead; readonly bytes: number }
  /** More bytes are needed. `begun`: there are some that count. */
  | { readonly kind: "incomplete"; readonly begun: boolean }
  | { readonly kind: "bad"; readonly status: number; readonly reason: string };

export const MAX_HEAD_BYTES = 16 * 1024;
const MAX_HEADERS = 100;

const FIRST_LINE = "the first line must be METHOD PATH HTTP/1.1";

const LF = 10;
const CR = 13;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// deno-lint-ignore no-control-regex -- controls are what must not be in a value
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/;

/** Reads the first head in `bytes`; a body, and further requests, may follow it. */
export function readHead(bytes: Uint8Array): ReadHead {
  if (bytes.length === 0) return NOTHING;
  let begin = 0;
  // Empty lines before a request are passed over (RFC 9112 2.2).
  while (bytes[begin] === CR || bytes[begin] === LF) begin++;
  if (isNoText(bytes, begin)) return bad(400, FIRST_LINE);
  const end = endOfHead(bytes, begin);
  if (end === null) {
    return bytes.length > MAX_HEAD_BYTES
      ? bad(431, `the head of a request is at most ${MAX_HEAD_BYTES} bytes long`)
      : { kind: "incomplete", begun: bytes.length > begin };
  }
  if (end > MAX_HEAD_BYTES) return bad(431, `the head of a request is at most ${MAX_HEAD_BYTES} bytes long`);
  const lines = latin1(bytes.subarray(begin, end)).split("\n").map((line) =>
    line.endsWith("\r") ? line.slice(0, -1) : line
  );
  while (lines.at(-1) === "") lines.pop();
  const head = parseHead(lines);
  return "reason" in head ? bad(head.status, head.reason) : { kind: "head", head, bytes: end };
}

const NOTHING: ReadHead = { kind: "incomplete", begun: false };

/** TLS, or other data that is not text: it never becomes a request. */
function isNoText(bytes: Uint8Array, begin: number): boolean {
  const end = Math.min(bytes.length, begin + 16);
  for (let at = begin; at < end; at++) {
    const byte = bytes[at]!;
    if ((byte < 32 && byte !== CR && byte !== LF) || byte > 126) return true;
  }
  return false;
}

interface Bad {
  readonly status: number;
  readonly reason: string;
}

function bad(status: number, reason: string): ReadHead {
  return { kind: "bad", status, reason };
}

/** The end of the empty line after a head; null: not there yet. */
function endOfHead(bytes: Uint8Array, begin: number): number | null {
  for (let at = bytes.indexOf(LF, begin); at >= 0 && at <= MAX_HEAD_BYTES; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return null;
}

function parseHead([requestLine = "", ...lines]: readonly string[]): RequestHead | Bad {
  const parts = requestLine.split(" ");
  const [method = "", target = "", version = ""] = parts;
  const http = /^HTTP\/(\d)\.(\d)$/.exec(version);
  if (parts.length !== 3 || !TOKEN.test(method) || method.length > 20 || http === null) {
    return { status: 400, reason: FIRST_LINE };
  }
  if (http[1] !== "1") return { status: 505, reason: "HTTP/1.1 and HTTP/1.0 are spoken here" };
  const place = placeOf(target);
  if (place === null) {
    return { status: 400, reason: "the path must begin with a slash, and be percent-encoded UTF-8" };
  }
  if (lines.length > MAX_HEADERS) return { status: 431, reason: `at most ${MAX_HEADERS} headers are taken` };

  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!TOKEN.test(name) || CONTROLS.test(value)) {
      return { status: 400, reason: "a header must be NAME: VALUE" };
    }
    if (name === "content-length" && headers.has(name) && headers.get(name) !== value) {
      return { status: 400, reason: "there are two values of Content-Length" };
    }
    // RFC 9112 3.2, also where both are the same.
    if (name === "host" && headers.has(name)) return { status: 400, reason: "there are two Host headers" };
    headers.set(name, value);
  }
  const length = headers.get("content-length");
  if (length !== undefined && !/^\d{1,15}$/.test(length)) {
    return { status: 400, reason: "Content-Length must be a number of bytes" };
  }
  if (headers.has("transfer-encoding")) {
    return { status: 411, reason: "Length Required: a body is taken with Content-Length, not in chunks" };
  }
  const http10 = http[2] === "0";
  const connection = headers.get("connection")?.toLowerCase().split(",").map((option) => option.trim()) ?? [];
  const keepAlive = http10 ? connection.includes("keep-alive") : !connection.includes("close");
  return {
    method,
    ...place,
    headers,
    bodyBytes: length === undefined ? null : Number(length),
    keepAlive,
    http10,
  };
}

/**
 * Path and query of a target: "/primary?lag=1MB", "http://node1:8008/primary", or "*" (the server as a
 * whole).
 */
function placeOf(target: string): { path: string; query: string } | null {
  const local = target === "*" ? "/" : target.replace(/^https?:\/\/[^/?#]*/i, "");
  const [whole = ""] = local.split("#");
  const mark = whole.indexOf("?");
  const path = decoded(mark < 0 ? whole : whole.slice(0, mark));
  if (path === null || !path.startsWith("/")) return null;
  return { path: withoutSlashes(path), query: mark < 0 ? "" : whole.slice(mark) };
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}

function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
