/** "host:port", "[ipv6]:port", ":port" and "*:port". Host null: all interfaces. */
export function parseHostPort(text: string): { readonly host: string | null; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new TypeError(`not an address of the form host:port: "${text}"`);
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" || host === "*" ? null : host, port };
}
