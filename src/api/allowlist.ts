/**
 * The source addresses that may send unsafe requests: `restapi.allowlist` (addresses, networks, host names)
 * and, if asked for, the members' own addresses. An empty list allows everyone.
 */
import { BlockList, isIP } from "node:net";
import { resolveAll } from "../lib/resolve_host.ts";

export interface AllowlistOptions {
  readonly entries: readonly string[];
  readonly includeMembers: boolean;
  /** The members' api_urls at present. */
  readonly memberUrls: () => readonly string[];
  /** All addresses of a name; rejects when they are not known. @default the hosts file, then name servers */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

/** How long a resolved host name is believed, and how long that there is none. */
const NAME_TTL_MS = 60_000;
const NO_NAME_TTL_MS = 5000;
/** A request waits for a name server for so long, whatever the number of names. */
const RESOLVE_MS = 1000;

export class Allowlist {
  readonly #fixed = new BlockList();
  readonly #hostNames: string[] = [];
  readonly #resolved = new Map<
    string,
    { readonly addresses: readonly string[]; readonly atMs: number }
  >();
  readonly #options: AllowlistOptions;

  constructor(options: AllowlistOptions) {
    this.#options = options;
    for (const entry of options.entries) this.#addEntry(entry.trim());
  }

  #addEntry(entry: string): void {
    const [address = "", bits] = entry.split("/");
    const family = isIP(address);
    if (family === 0) this.#hostNames.push(entry);
    else if (bits === undefined) this.#fixed.addAddress(address, family === 6 ? "ipv6" : "ipv4");
    else this.#fixed.addSubnet(address, Number(bits), family === 6 ? "ipv6" : "ipv4");
  }

  /** `withMembers` false: the members' addresses do not count, whatever the configuration says. */
  async allows(source: string | null, withMembers: boolean): Promise<boolean> {
    const members = withMembers && this.#options.includeMembers;
    if (this.#options.entries.length === 0 && !members) return true;
    if (source === null) return false;
    const address = plainAddress(source);
    const family = isIP(address);
    if (family !== 0 && this.#fixed.check(address, family === 6 ? "ipv6" : "ipv4")) return true;
    const names = members ? [...this.#hostNames, ...this.#options.memberUrls().map(hostOf)] : this.#hostNames;
    const known = names.filter((name) => name !== null).map((name) => this.#addressesOf(name));
    return (await Promise.all(known)).some((addresses) => addresses.includes(address));
  }

  async #addressesOf(name: string): Promise<readonly string[]> {
    if (isIP(name) !== 0) return [name];
    if (name === "localhost") return ["127.0.0.1", "::1"];
    const known = this.#resolved.get(name);
    const ttlMs = known?.addresses.length === 0 ? NO_NAME_TTL_MS : NAME_TTL_MS;
    if (known && performance.now() - known.atMs < ttlMs) return known.addresses;
    const addresses = await this.#resolve(name);
    this.#resolved.set(name, { addresses, atMs: performance.now() });
    return addresses;
  }

  /** Empty: they are not known, or not in time. */
  async #resolve(name: string): Promise<readonly string[]> {
    const { promise: late, resolve: giveUp } = Promise.withResolvers<readonly string[]>();
    const timer = setTimeout(() => giveUp([]), RESOLVE_MS);
    try {
      return await Promise.race([(this.#options.resolve ?? resolveAll)(name), late]);
    } catch {
      return []; // nobody is let in by a name that leads nowhere
    } finally {
      clearTimeout(timer);
    }
  }
}

/** IPv4 that arrived on an IPv6 socket, in its own notation. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i, "$1").replace(/%.*$/, "");
}

function hostOf(url: string): string | null {
  try {
    return new URL(url).hostname.replace(/^\[(.*)\]$/, "$1");
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
