/**
 * The source addresses that may send unsafe requests: `restapi.allowlist` (addresses, networks, host names)
 * and, if asked for, the members' own addresses. An empty list allows everyone.
 */
import { Resolver } from "node:dns/promises";
import { BlockList, isIP } from "node:net";

export interface AllowlistOptions {
  readonly entries: readonly string[];
  readonly includeMembers: boolean;
  /** The members' api_urls at present. */
  readonly memberUrls: () => readonly string[];
}

/** How long a resolved host name is believed. */
const NAME_TTL_MS = 60_000;

export class Allowlist {
  readonly #fixed = new BlockList();
  readonly #hostNames: string[] = [];
  readonly #resolved = new Map<
    string,
    { readonly addresses: readonly string[]; readonly atMs: number }
  >();
  // Asks the name servers directly: lookups in the runtime's thread pool can hold up other work for seconds.
  readonly #resolver = new Resolver({ timeout: 1000, tries: 1 });

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
    for (const name of names) {
      if (name !== null && (await this.#addressesOf(name)).includes(address)) return true;
    }
    return false;
  }

  async #addressesOf(name: string): Promise<readonly string[]> {
    if (isIP(name) !== 0) return [name];
    if (name === "localhost") return ["127.0.0.1", "::1"];
    const known = this.#resolved.get(name);
    if (known && performance.now() - known.atMs < NAME_TTL_MS) return known.addresses;
    const answers = await Promise.allSettled([this.#resolver.resolve4(name), this.#resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
    this.#resolved.set(name, { addresses, atMs: performance.now() });
    return addresses;
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
