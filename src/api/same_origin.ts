/**
 * Requests that a browser sends because a page of somebody else says so. A browser adds the password that it
 * was once given, and its client certificate, to the requests of any page. So a change that a browser asks
 * for must come from a page of this API. Programs send neither of the two headers, and are not concerned.
 */
import type { RestApiConfig } from "../model/config.ts";
import { addressFamily } from "../model/host_port.ts";

/** The headers of a request that tell where it comes from; undefined: not sent. */
export interface Sender {
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`. Browsers send it over TLS, and to loopback. */
  readonly site: string | undefined;
  readonly host: string | undefined;
}

type Rules = Pick<
  RestApiConfig,
  "authentication" | "certfile" | "listen" | "connectAddress" | "httpExtraHeaders" | "httpsExtraHeaders"
>;

const OTHER_PAGE = "this request comes from a page of another origin";
const OTHER_NAME =
  "no member is known by this name: a page that asks for a change must be opened by an address, or by a name in restapi.connect_address";

/** Why a change is refused to the page that asks for it; null: no page asks, or one of this API. */
export function strangePage(sender: Sender, rules: Rules, memberUrls: readonly string[]): string | null {
  const { origin, site, host } = sender;
  if (origin === undefined && site === undefined) return null;
  if (origin !== undefined && isInvited(origin, rules)) return null;
  if (!isOwnPage(sender)) return OTHER_PAGE;
  // A strange name that leads to this address has neither the password nor the certificate of this one.
  if (rules.authentication !== null || rules.certfile !== null) return null;
  return isKnownName(hostOf(`http://${host}`), rules, memberUrls) ? null : OTHER_NAME;
}

/** The operator has named that origin for scripts of its pages. A star names nobody. */
function isInvited(origin: string, { certfile, httpExtraHeaders, httpsExtraHeaders }: Rules): boolean {
  const headers = certfile === null ? httpExtraHeaders : { ...httpExtraHeaders, ...httpsExtraHeaders };
  const named = Object.entries(headers).find(([name]) => name.toLowerCase() === ALLOW_ORIGIN)?.[1];
  return named === origin && origin !== "null";
}

const ALLOW_ORIGIN = "access-control-allow-origin";

function isOwnPage({ origin, site, host }: Sender): boolean {
  // The browser's own word, which no page can change; a proxy may have given the request another Host.
  if (site !== undefined) return site === "same-origin" || site === "none";
  if (origin === undefined || host === undefined) return false;
  const from = urlOf(origin);
  return from !== null && from.host === urlOf(`${from.protocol}//${host}`)?.host;
}

/** A name that leads here only since a moment ago (DNS rebinding) is none of these. */
function isKnownName(
  name: string | null,
  { listen, connectAddress }: Rules,
  memberUrls: readonly string[],
): boolean {
  if (name === null) return false;
  if (addressFamily(name) !== 0 || name === "localhost" || name.endsWith(".localhost")) return true;
  const known = [
    hostOf(`http://${listen.host}`),
    hostOf(`http://${connectAddress}`),
    ...memberUrls.map(hostOf),
  ];
  return known.includes(name);
}

function hostOf(url: string): string | null {
  return urlOf(url)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? null;
}

function urlOf(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}
