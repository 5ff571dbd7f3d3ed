/**
 * Addresses of a host name. Never through getaddrinfo: that waits in the runtime's few shared threads, and a dead name
 * server would stall file operations of the whole agent for ten seconds.
 */

/** The first address; a numeric address comes back as it is. Rejects when there is none. */
export async function resolveHost(host: string): Promise<string> {
  if (/^[\d.]+$/.test(host) || host.includes(":")) return host;
  if (host === "localhost") return "127.0.0.1";
  const found = await Bun.dns.lookup(host, { backend: "c-ares" });
  const first = found.find((one) => one.family === 4) ?? found[0];
  if (first === undefined) throw new Error(`${host}: no address found`);
  return first.address;
}
