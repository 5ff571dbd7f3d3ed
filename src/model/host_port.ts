/**
 * Addresses as configurations write them: `host:port`, `[::1]:5432`, `*:5432`, `a,b:5432`. Text only: no
 * lookups.
 */
import type { HostPort } from "./config.ts";

const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/;

/** null when it is not an address. Without `defaultPort` the port must be there. */
export function parseHostPort(value: string, defaultPort: number | null = null): HostPort | null {
  const parts = splitPort(value.trim(), defaultPort);
  if (!parts) return null;
  const host = bareHost(parts.host);
  return isHost(host) ? { host, port: parts.port } : null;
}

/** Why this text is no address to connect to, for people; null: it is one. */
export function dialProblem(value: string): string | null {
  const parsed = parseHostPort(value);
  if (parsed === null || value !== value.trim()) {
    return `"${value.slice(0, 100)}" is no address: "host:port" is expected, with a port from 1 to 65535`;
  }
  return isWildcard(parsed.host) ? `${value} stands for every address of a host: name one of them` : null;
}

/** Host and port of a `postgres://` address; null when it is none. */
export function hostPortOf(connUrl: string): HostPort | null {
  try {
    const url = new URL(connUrl);
    if (url.hostname === "") return null;
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port === "" ? 5432 : Number(url.port),
    };
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** `addr[,addr...]:port`: one port for all. */
export function parseListen(
  value: string,
  defaultPort: number | null,
): { hosts: string[]; port: number } | null {
  const parts = splitPort(value.trim(), defaultPort);
  if (!parts) return null;
  const hosts = parts.host.split(",").map((host) => bareHost(host.trim()));
  return hosts.every(isHost) ? { hosts, port: parts.port } : null;
}

/** Text that parseHostPort reads back: IPv6 in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Two spellings of one address give one text. Names are not looked up. */
export function addressKey({ host, port }: HostPort): string {
  const canonical = host.includes(":") ? canonicalIpv6(host) ?? host : host.toLowerCase().replace(/\.$/, "");
  return formatHostPort({ host: canonical, port });
}

/** Reaches this host only, wherever it is resolved. */
export function isLoopback(host: string): boolean {
  if (host.includes(":")) {
    const canonical = canonicalIpv6(host);
    return canonical === "::1" || /^::ffff:7f[0-9a-f]{2}:/.test(canonical ?? "");
  }
  if (/^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)) return true;
  return ["localhost", "ip6-localhost", "ip6-loopback"].includes(host.toLowerCase());
}

/**
 * A process of this host that connects to `address` meets the one that is reached at `own`, or listens on
 * it. Names are not looked up.
 */
export function leadsBack(address: HostPort, own: HostPort): boolean {
  if (address.port !== own.port) return false;
  if (addressKey(address) === addressKey(own)) return true;
  if (!isLoopback(address.host)) return false;
  // Members of one host may have a loopback address each, but no name of it.
  return !isLoopback(own.host) || (isUsualLoopback(address.host) && isUsualLoopback(own.host) &&
    [address.host, own.host].some((host) => !isNumeric(host)));
}

function isUsualLoopback(host: string): boolean {
  return !isNumeric(host) || host === "127.0.0.1" || canonicalIpv6(host) === "::1";
}

function isNumeric(host: string): boolean {
  return host.includes(":") || /^[\d.]+$/.test(host);
}

/** 4 or 6 for a numeric address, 0 for anything else. */
export function addressFamily(host: string): 0 | 4 | 6 {
  if (host.includes(":")) return canonicalIpv6(host) === null ? 0 : 6;
  return isIpv4(host) ? 4 : 0;
}

/** An address or a host name, without a port. */
export function isHostName(host: string): boolean {
  return host !== "*" && isHost(host);
}

/** Every interface: may be listened on, cannot be connected to from elsewhere. */
export function isWildcard(host: string): boolean {
  return host === "*" || host === "0.0.0.0" || canonicalIpv6(host) === "::";
}

/** Why others cannot connect to an address with this host, for people; null: they can. */
export function unpublishable(host: string): string | null {
  if (isWildcard(host)) {
    return "stands for all interfaces, and no host can connect to it: name this host's address";
  }
  return host.includes("%")
    ? "names an interface (%...), which means something on this host only: name an address without it"
    : null;
}

/** True when not both can be listened on. Names are not looked up. */
export function addressesClash(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port) return false;
  return isWildcard(a.host) || isWildcard(b.host) || addressKey(a) === addressKey(b);
}

function splitPort(value: string, defaultPort: number | null): { host: string; port: number } | null {
  // Without brackets the last colon separates the port, as in "::1:5432"; a bracketed host alone has no port.
  const match = /^(.+):(\d{1,5})$/.exec(value);
  if (match && !(value.startsWith("[") && value.endsWith("]"))) {
    const port = Number(match[2]);
    return port >= 1 && port <= 65535 ? { host: match[1]!, port } : null;
  }
  if (defaultPort === null || value === "" || /:\d*$/.test(value)) return null;
  return { host: value, port: defaultPort };
}

function bareHost(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

function isHost(host: string): boolean {
  if (host === "*") return true;
  if (host.includes(":")) return canonicalIpv6(host) !== null;
  if (isNumeric(host)) return isIpv4(host);
  return host.length <= 253 && HOST_NAME.test(host) && !host.includes("..");
}

function isIpv4(host: string): boolean {
  const parts = host.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

function canonicalIpv6(host: string): string | null {
  const [address, zone] = host.split("%", 2);
  if (!address || !/^[0-9A-Fa-f:.]+$/.test(address) || !address.includes(":")) return null;
  const url = `http://[${address}]/`;
  if (!URL.canParse(url)) return null;
  return new URL(url).hostname.slice(1, -1) + (zone ? `%${zone}` : "");
}
