/** The few REST requests that an outside observer needs: the state of a node, and its view of the cluster. */

export interface ClusterMember {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly timeline?: number;
  readonly lag?: number | string;
  readonly host?: string;
  readonly port?: number;
}

export interface ClusterView {
  readonly members: readonly ClusterMember[];
  readonly scope?: string;
}

export interface RestReply {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Time for the answer of a node that is up: on a loaded machine it takes a while, and is an answer. */
const ANSWER_MS = 10_000;

/** The certificate that a client of an API with `verify_client` shows, and the CA that it trusts; PEM. */
export interface ClientCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * One request over a connection of its own, over HTTPS with `tls`; throws when there is no answer in time.
 * @default timeoutMs ANSWER_MS
 */
export async function rest(
  address: string,
  path: string,
  options: { method?: string; body?: unknown; user?: string; timeoutMs?: number; tls?: ClientCertificate } =
    {},
): Promise<RestReply> {
  const headers: Record<string, string> = { connection: "close" };
  if (options.user !== undefined) {
    headers.authorization = `Basic ${Buffer.from(options.user).toString("base64")}`;
  }
  if (options.body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(`${options.tls ? "https" : "http"}://${address}${path}`, {
    method: options.method ?? "GET",
    headers,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: AbortSignal.timeout(options.timeoutMs ?? ANSWER_MS),
    keepalive: false,
    ...(options.tls ? { tls: { ...options.tls } } : {}),
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

/** The cluster as one node sees it. */
export async function clusterView(address: string, tls?: ClientCertificate): Promise<ClusterView> {
  const reply = await rest(address, "/cluster", tls ? { tls } : {});
  if (reply.status !== 200) throw new Error(`GET /cluster of ${address} answered ${reply.status}`);
  return JSON.parse(reply.text) as ClusterView;
}
