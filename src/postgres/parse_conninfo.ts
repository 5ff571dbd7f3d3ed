/**
 * Connection strings as libpq reads them: `key=value` pairs, or a URI. Pure; nothing is looked up in the
 * environment.
 */

export type Conninfo = { readonly [keyword: string]: string };

/** null: it is neither of the two. Of a list of hosts the first one counts. */
export function parseConninfo(text: string): Conninfo | null {
  const found = /^postgres(ql)?:\/\//.test(text) ? parseUri(text) : parsePairs(text);
  if (found === null) return null;
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== "")
      .map(([key, value]) => key === "host" || key === "port" ? [key, value.split(",")[0]!] : [key, value]),
  );
}

function parsePairs(text: string): Conninfo | null {
  const found: { [keyword: string]: string } = {};
  let rest = text.trim();
  while (rest !== "") {
    const match = /^([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)\s*/s.exec(rest);
    if (match === null) return null;
    found[match[1]!] = (match[2] ?? match[3] ?? "").replace(/\\(.)/gs, "$1");
    rest = rest.slice(match[0].length);
  }
  return found;
}

/** Not by the class URL, which refuses a list of hosts and an encoded directory of a socket. */
function parseUri(text: string): Conninfo | null {
  const match = /^\w+:\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text);
  if (match === null) return null;
  const [, user = "", password = "", hosts = "", dbname = "", query = ""] = match;
  const [first = ""] = hosts.split(",");
  const address = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(first);
  if (address === null) return null;
  const given: [string, string][] = [
    ["user", user],
    ["password", password],
    ["host", address[1]!.replace(/^\[|\]$/g, "")],
    ["port", address[2] ?? ""],
    ["dbname", dbname],
    ...query.split("&").filter((pair) => pair !== "").map((pair): [string, string] => {
      const at = pair.indexOf("=");
      return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    }),
  ];
  try {
    return Object.fromEntries(
      given.map(([key, value]) => [decodeURIComponent(key), decodeURIComponent(value)]),
    );
  } catch {
    return null; // a percent sign that encodes nothing
  }
}
