/**
 * Addresses of a host name. Never through getaddrinfo: that waits in the runtime's few shared threads, and a
 * dead name server would stall file operations of the whole agent for ten seconds.
 */

/** The first address; a numeric address comes back as it is. Rejects when there is none. */
export async function resolveHost(host: string): Promise<string> {
  const [first] = await resolveAll(host);
  if (first === undefined) throw new Error(`${host}: no address found`);
  return first;
}

/** All addresses, IPv4 first. Rejects when that is not known. */
export async function resolveAll(host: string): Promise<string[]> {
  if (/^[\d.]+$/.test(host) || host.includes(":")) return [host];
  if (host === "localhost") return ["127.0.0.1", "::1"];
  const found = await Bun.dns.lookup(host, { backend: "c-ares" });
  return found.sort((a, b) => a.family - b.family).map(({ address }) => address);
}
