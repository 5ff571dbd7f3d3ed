/**
 * Judges one rule of pg_hba.conf as PostgreSQL 13 to 18 do: with one rule that it refuses, a server takes
 * nothing of the file at a reload, and does not start. Pure. What only the host knows is left to PostgreSQL:
 * files that a rule includes, names that are to be resolved, regular expressions, the options of its build.
 * Source: src/backend/libpq/hba.c (next_token, parse_hba_line, parse_hba_auth_opt).
 */

export interface HbaToken {
  readonly text: string;
  /** In quotes a keyword is a name. */
  readonly quoted: boolean;
}
/** Alternatives with commas between them. */
type Field = readonly HbaToken[];

const HOST_TYPES = ["host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"];
const INCLUDES = ["include", "include_if_exists", "include_dir"];
/** Those of a build for Linux; the others are known, and refused as not supported by the build. */
const METHODS = [
  "trust",
  "reject",
  "scram-sha-256",
  "md5",
  "password",
  "gss",
  "ident",
  "peer",
  "ldap",
  "radius",
  "cert",
  "pam",
  "oauth",
];
const ELSEWHERE = ["sspi", "bsd"];
const LDAP = [
  "ldapurl",
  "ldaptls",
  "ldapscheme",
  "ldapserver",
  "ldapport",
  "ldapbinddn",
  "ldapbindpasswd",
  "ldapsearchattribute",
  "ldapsearchfilter",
  "ldapbasedn",
  "ldapprefix",
  "ldapsuffix",
];
/** Options of authentication, with the methods that take them; null: all, on hostssl. */
const OPTIONS: ReadonlyMap<string, readonly string[] | null> = new Map<string, readonly string[] | null>([
  ["map", ["ident", "peer", "gss", "cert", "oauth"]],
  ["clientcert", null],
  ["clientname", null],
  ["pamservice", ["pam"]],
  ["pam_use_hostname", ["pam"]],
  ...LDAP.map((name): [string, string[]] => [name, ["ldap"]]),
  ["krb_realm", ["gss"]],
  ["include_realm", ["gss"]],
  ...["servers", "secrets", "ports", "identifiers"].map((name): [string, string[]] => [
    `radius${name}`,
    ["radius"],
  ]),
  ...["issuer", "scope", "validator", "delegate_ident_mapping"].map((name): [string, string[]] => [
    name,
    ["oauth"],
  ]),
]);
/** Values of which PostgreSQL knows no others; 0, 1 and no-verify until 13. */
const VALUES: ReadonlyMap<string, readonly string[]> = new Map([
  ["clientcert", ["verify-ca", "verify-full", "no-verify", "0", "1"]],
  ["clientname", ["CN", "DN"]],
]);

/**
 * What PostgreSQL would say of the rule; null: it takes it, or the line holds none. Options are not repeated:
 * they hold passwords, and a password in which quotes are missing looks like an option of its own.
 */
export function hbaFlaw(line: string): string | null {
  const fields = hbaFields(line);
  const [type, ...rest] = fields;
  if (type === undefined) return null;
  const word = type[0]!.text;
  if (INCLUDES.includes(word)) {
    return fields.length === 2 && rest[0]!.length === 1 ? null : `expected one file after ${word}`;
  }
  if (type.length > 1) return "more than one connection type";
  if (word !== "local" && !HOST_TYPES.includes(word)) {
    return `expected one of local, ${[...HOST_TYPES, ...INCLUDES].join(", ")} in front`;
  }
  const [database, user, ...after] = rest;
  if (database === undefined) return "the database is missing";
  if (user === undefined) return "the user is missing";
  if (word === "local") return methodFlaw(word, after);
  const address = addressFlaw(after);
  return typeof address === "string" ? address : methodFlaw(word, after.slice(address.fields));
}

/** The fields of a line, as PostgreSQL splits it. */
export function hbaFields(line: string): Field[] {
  const fields: HbaToken[][] = [];
  let at = 0;
  let goesOn = false;
  for (;;) {
    const read = nextToken(line, at);
    if (read === null) return fields;
    if (goesOn) fields.at(-1)!.push(read.token);
    else fields.push([read.token]);
    at = read.end;
    goesOn = read.comma;
  }
}

/** Quotes may begin and end within a token; two of them within quotes are one. */
function nextToken(line: string, from: number): { token: HbaToken; end: number; comma: boolean } | null {
  let at = from;
  while (at < line.length && (isBlank(line[at]!) || line[at] === ",")) at++;
  let [text, inQuote, wasQuote, sawQuote, quoted, comma] = ["", false, false, false, false, false];
  for (; at < line.length && (inQuote || !isBlank(line[at]!)); at++) {
    const c = line[at]!;
    if (c === "#" && !inQuote) {
      at = line.length;
      break;
    }
    if (c === "," && !inQuote) {
      comma = true;
      at++;
      break;
    }
    if (c !== '"' || wasQuote) text += c;
    wasQuote = inQuote && c === '"' ? !wasQuote : false;
    if (c !== '"') continue;
    inQuote = !inQuote;
    sawQuote = true;
    if (text === "") quoted = true;
  }
  return text === "" && !sawQuote ? null : { token: { text, quoted }, end: at, comma };
}

function isBlank(c: string): boolean {
  return c === " " || c === "\t" || c === "\r";
}

/** How many fields the address takes, or what is wrong with it. */
function addressFlaw([address, mask]: readonly Field[]): { fields: number } | string {
  if (address === undefined) return "the address is missing";
  if (address.length > 1) return "more than one address: PostgreSQL wants a rule for each";
  const { text, quoted } = address[0]!;
  if (!quoted && ["all", "samehost", "samenet"].includes(text)) return { fields: 1 };
  const slash = text.indexOf("/");
  const family = ipFamily(slash < 0 ? text : text.slice(0, slash));
  if (slash >= 0) {
    if (family === null) return `${shown(text)} is no IP address, and a host name has no network mask`;
    const bits = text.slice(slash + 1);
    if (!/^\s*[+-]?\d+$/.test(bits) || Number(bits) < 0 || Number(bits) > (family === 4 ? 32 : 128)) {
      return `the mask of ${shown(text)} is not 0 to ${family === 4 ? 32 : 128}`;
    }
    return { fields: 1 };
  }
  if (family === null) return { fields: 1 };
  if (mask === undefined) return `${shown(text)} has no mask: ${text}/${family === 4 ? 32 : 128} is one host`;
  if (mask.length > 1) return "more than one network mask";
  const ofMask = ipFamily(mask[0]!.text);
  if (ofMask === null) {
    return `${shown(text)} has no mask (${text}/${family === 4 ? 32 : 128} is one host): ` +
      `${shown(mask[0]!.text)} is none`;
  }
  return ofMask === family ? { fields: 2 } : `${shown(text)} and its mask are not of the same kind`;
}

/** As the C library reads a numeric host: octal and hexadecimal parts, a last one that stands for more. */
function ipFamily(text: string): 4 | 6 | null {
  const parts = text.split(".");
  const numbers = parts.map((part) => (/^(0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(part) ? part : null));
  if (parts.length <= 4 && numbers.every((part) => part !== null)) {
    const values = numbers.map((part) => /^0\d/.test(part) ? parseInt(part, 8) : Number(part));
    const last = values.pop()!;
    if (values.every((value) => value <= 255) && last < 256 ** (4 - values.length)) return 4;
  }
  const plain = text.replace(/%[^%]+$/, "");
  return plain.includes(":") && URL.canParse(`http://[${plain}]/`) ? 6 : null;
}

function methodFlaw(type: string, [method, ...options]: readonly Field[]): string | null {
  if (method === undefined) return "the method of authentication is missing";
  if (method.length > 1) return "more than one method of authentication";
  const name = method[0]!.text;
  if (ELSEWHERE.includes(name)) return `the method ${name} is not there on Linux`;
  if (!METHODS.includes(name)) {
    return `${shown(name)} is no method of authentication: expected one of ${METHODS.join(", ")}`;
  }
  if (name === "gss" && type === "local") return "gss is not for local connections";
  if (name === "peer" && type !== "local") return "peer is for local connections only";
  if (name === "cert" && type !== "hostssl") return "cert is for hostssl only";
  // "ident" of a local connection is "peer".
  return optionsFlaw(type, name, options.flat());
}

function optionsFlaw(type: string, method: string, options: readonly HbaToken[]): string | null {
  const given = new Map<string, string>();
  for (const { text } of options) {
    const equals = text.indexOf("=");
    if (equals < 0) return `after ${method} there is something that is not of the form name=value`;
    const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
    const methods = OPTIONS.get(name);
    if (methods === undefined) return `an option after ${method} is none that PostgreSQL knows`;
    if (methods === null && type !== "hostssl") return `${name} is for hostssl only`;
    if (methods !== null && !methods.includes(method)) return `${name} is no option of ${method}`;
    const values = VALUES.get(name);
    if (values !== undefined && !values.includes(value)) {
      return `${name} is one of ${values.join(", ")}`;
    }
    given.set(name, value);
  }
  const missing = missingOption(method, given);
  return missing === null ? null : `${method} needs ${missing}`;
}

function missingOption(method: string, given: ReadonlyMap<string, string>): string | null {
  const lacks = (names: readonly string[]) => names.find((name) => !given.has(name)) ?? null;
  if (method === "radius") return lacks(["radiusservers", "radiussecrets"]);
  if (method === "oauth") return lacks(["issuer", "scope"]);
  // The URL may hold all of it.
  if (method !== "ldap" || given.has("ldapurl")) return null;
  return ["ldapbasedn", "ldapprefix", "ldapsuffix"].some((name) => given.has(name))
    ? null
    : "ldapbasedn, ldapprefix or ldapsuffix";
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
