/** Addresses "host:port", "[ipv6]:port", ":port" and "*:port". Pure; names are not looked up. */

export interface HostPort {
  /** Host; null: all interfaces. */
  readonly host: string | null;
  readonly port: number;
}

/** Reads an address; null when the text is none. */
export function readHostPort(text: string): HostPort | null {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) return null;
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" || host === "*" ? null : host, port };
}

/** Reads an address of this process's own configuration; throws TypeError when the text is none. */
export function parseHostPort(text: string): HostPort {
  const parsed = readHostPort(text);
  if (parsed === null) throw new TypeError(`not an address of the form host:port: "${text}"`);
  return parsed;
}
