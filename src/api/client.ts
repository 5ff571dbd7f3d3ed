/**
 * HTTP client of the REST API, for the CLI and for members among themselves. Never throws for a failure of
 * the network: that is a value. Members that must not be held up by a dead name server are addressed by IP
 * (api_url).
 */
import { readFileSync } from "node:fs";
import type { LocalConfig } from "../model/config.ts";
import { ANSWER_BOUNDS, type AnswerForm, CLUSTER, parseAnswer, RAFT, STATUS } from "./answers.ts";

export {
  type Answered,
  type AnswerForm,
  CLUSTER,
  CONFIG,
  CONFIG_HISTORY,
  EVENTS,
  EXPLANATION,
  HISTORY,
  LOSSES,
  parseAnswer,
  RAFT,
  STATUS,
  TIMING,
  WATCHDOG,
  WHY,
} from "./answers.ts";
export { jsonText } from "./json_text.ts";
export { readWarnings } from "./warnings.ts";
export type {
  ClusterJson,
  ClusterMemberJson,
  ConfigRevisionJson,
  CopyJson,
  EventJson,
  ExplanationJson,
  LeadFailureJson,
  LossJson,
  RaftJson,
  RaftMemberJson,
  SlotAtRiskJson,
  StatusJson,
  TimingJson,
  WatchdogJson,
  WhyJson,
} from "./shapes.ts";

export interface ClientTls {
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly ca?: string;
  /** Do not check the server's certificate. */
  readonly insecure: boolean;
}

export interface ClientOptions {
  readonly timeoutMs: number;
  readonly authentication: { readonly username: string; readonly password: string } | null;
  readonly tls: ClientTls | null;
}

export type Reply =
  | { readonly ok: true; readonly status: number; readonly text: string; readonly headers: Headers }
  /** No answer that could be understood came back; whether the request was carried out is unknown. */
  | { readonly ok: false; readonly error: string };

export interface RequestOptions {
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
  /** @default the client's */
  readonly timeoutMs?: number;
  /** False: a connection of its own, closed afterwards. @default true */
  readonly keepAlive?: boolean;
}

/**
 * Members are reached directly, whatever HTTP_PROXY says: a proxy knows nothing of the cluster's network. The
 * runtime takes `false` for that, its type does not know it.
 */
const NO_PROXY = false as unknown as string;

export class ApiClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** `base`: an api_url or `http://host:port`; what follows the port is ignored. */
  async request(base: string, method: string, path: string, request: RequestOptions = {}): Promise<Reply> {
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
    try {
      const response = await fetch(new URL(path, base), {
        method,
        headers: this.#headers(method, request),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: "manual",
        keepalive: request.keepAlive ?? true,
        proxy: NO_PROXY,
        ...(this.#options.tls === null ? {} : { tls: fetchTls(this.#options.tls) }),
      });
      return {
        ok: true,
        status: response.status,
        text: await boundedText(response),
        headers: response.headers,
      };
    } catch (error) {
      return { ok: false, error: failureText(error, timeoutMs) };
    }
  }

  cluster(base: string) {
    return this.#read(base, "/cluster", CLUSTER);
  }

  status(base: string) {
    return this.#read(base, "/patroni", STATUS);
  }

  raft(base: string) {
    return this.#read(base, "/agent/raft", RAFT);
  }

  /** Body of a 200 that has the form; null for everything else. */
  async #read<T>(base: string, path: string, form: AnswerForm<T>): Promise<T | null> {
    const reply = await this.request(base, "GET", path);
    if (!reply.ok || reply.status !== 200) return null;
    const parsed = parseAnswer(reply.text, form);
    return parsed.ok ? parsed.value : null;
  }

  /** Credentials go only with requests that need them: an address may be a guess. */
  #headers(method: string, { body, headers }: RequestOptions): Record<string, string> {
    const authentication = method === "GET" ? null : this.#options.authentication;
    return {
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...(authentication === null ? {} : { Authorization: `Basic ${basic(authentication)}` }),
      ...headers,
    };
  }
}

/** Paths of PEM files, as `ctl` and `restapi` name them. */
export interface TlsPaths {
  readonly certfile: string | null;
  readonly keyfile: string | null;
  readonly keyfilePassword: string | null;
  readonly cafile: string | null;
  readonly insecure: boolean;
}

/**
 * null when nothing is configured: plain HTTP, or HTTPS with the system's authorities. Throws what reading
 * throws.
 */
export function loadClientTls(paths: TlsPaths): ClientTls | null {
  if (paths.certfile === null && paths.cafile === null && !paths.insecure) return null;
  const cert = paths.certfile === null ? undefined : readFileSync(paths.certfile, "utf8");
  return {
    cert,
    key: paths.keyfile === null ? cert : readFileSync(paths.keyfile, "utf8"),
    passphrase: paths.keyfilePassword ?? undefined,
    ca: paths.cafile === null ? undefined : readFileSync(paths.cafile, "utf8"),
    insecure: paths.insecure,
  };
}

/** TLS paths from a member's configuration: the section ctl first, then that of the REST API. */
export function tlsPathsOf({ ctl, restapi }: Pick<LocalConfig, "ctl" | "restapi">): TlsPaths {
  const own = ctl.certfile !== null;
  return {
    certfile: ctl.certfile ?? restapi.certfile,
    keyfile: own ? ctl.keyfile : restapi.keyfile,
    keyfilePassword: own ? ctl.keyfilePassword : restapi.keyfilePassword,
    cafile: ctl.cacert ?? restapi.cafile,
    insecure: ctl.insecure,
  };
}

function basic({ username, password }: { username: string; password: string }): string {
  return Buffer.from(`${username}:${password}`, "utf8").toString("base64");
}

function fetchTls({ insecure, ...files }: ClientTls) {
  return { ...files, rejectUnauthorized: !insecure };
}

/** Throws for more; the connection is closed then. */
async function boundedText(response: Response): Promise<string> {
  const { maxBytes } = ANSWER_BOUNDS;
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes, which no agent gives`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

const UNKNOWN_AUTHORITY =
  "its certificate is not from an authority that is known here (ctl.cacert, restapi.cafile)";
/** What the runtime says is for the programmer who calls fetch(). */
const FAILURES: Readonly<Record<string, string>> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ConnectionClosed: "the connection was closed before an answer came",
  ECONNRESET: "the connection was closed before an answer came",
  EPROTO:
    "the TLS handshake failed: does it speak TLS on this port, and does it ask for another certificate?",
  ENOTFOUND: "the name of the host is not known",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for other hosts: it does not name this one",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
};

function failureText(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} seconds`;
  const code = (error as { code?: string }).code ?? "";
  return FAILURES[code] ?? error.message.replace(/ For more information, pass .*$/, "");
}
