/**
 * PATRONI_* variables as a layer over the file: names fixed by compatibility, values texts, lists and maps in
 * YAML (outer brackets may be left out). An empty variable counts as unset, but for a secret it is an error.
 */
import { Issues, pathKey } from "./issues.ts";
import type { Location, Locations, Path } from "./issues.ts";
import { isSecretKey } from "./secret.ts";
import { parseYaml } from "./yaml.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";

export const WHOLE_CONFIGURATION = "PATRONI_CONFIGURATION";

export interface EnvironmentLayer {
  readonly value: JsonObject;
  readonly locations: Locations;
  readonly issues: Issues;
}

type Kind = "text" | "format" | "list" | "map";
interface Variable {
  readonly name: string;
  readonly path: Path;
  readonly kind: Kind;
}

const TLS = ["CERTFILE", "KEYFILE", "KEYFILE_PASSWORD"];
const CREDENTIALS = [
  "USERNAME",
  "PASSWORD",
  "SSLMODE",
  "SSLKEY",
  "SSLPASSWORD",
  "SSLCERT",
  "SSLROOTCERT",
  "SSLCRL",
  "SSLCRLDIR",
  "SSLNEGOTIATION",
  "GSSENCMODE",
  "CHANNEL_BINDING",
];
const PROGRAMS = [
  "PG_CTL",
  "INITDB",
  "PG_CONTROLDATA",
  "PG_BASEBACKUP",
  "POSTGRES",
  "PG_ISREADY",
  "PG_REWIND",
];

/** Old names first, so that the present ones win. */
export const ENVIRONMENT: readonly Variable[] = [
  { name: "PATRONI_LOGLEVEL", path: ["log", "level"], kind: "text" },
  { name: "PATRONI_LOGFORMAT", path: ["log", "format"], kind: "format" },
  { name: "PATRONI_LOG_DATEFMT", path: ["log", "dateformat"], kind: "text" },
  ...group("", [], ["NAME", "NAMESPACE", "SCOPE", "THREAD_POOL_SIZE", "THREAD_STACK_SIZE"]),
  ...group("LOG_", ["log"], [
    "TYPE",
    "LEVEL",
    "TRACEBACK_LEVEL",
    "DATEFORMAT",
    "MAX_QUEUE_SIZE",
    "DIR",
    "MODE",
  ]),
  ...group("LOG_", ["log"], ["FILE_SIZE", "FILE_NUM", "DEDUPLICATE_HEARTBEAT_LOGS"]),
  ...group("LOG_", ["log"], ["FORMAT"], "format"),
  ...group("LOG_", ["log"], ["STATIC_FIELDS", "LOGGERS"], "map"),
  ...group("RESTAPI_", ["restapi"], [
    "LISTEN",
    "CONNECT_ADDRESS",
    ...TLS,
    "CAFILE",
    "CIPHERS",
    "VERIFY_CLIENT",
  ]),
  ...group("RESTAPI_", ["restapi"], ["ALLOWLIST_INCLUDE_MEMBERS", "REQUEST_QUEUE_SIZE", "SERVER_TOKENS"]),
  ...group("RESTAPI_", ["restapi"], ["THREAD_POOL_SIZE"]),
  ...group("RESTAPI_", ["restapi"], ["ALLOWLIST"], "list"),
  ...group("RESTAPI_", ["restapi"], ["HTTP_EXTRA_HEADERS", "HTTPS_EXTRA_HEADERS"], "map"),
  ...group("RESTAPI_", ["restapi", "authentication"], ["USERNAME", "PASSWORD"]),
  ...group("CTL_", ["ctl"], ["INSECURE", "CACERT", ...TLS]),
  ...group("CTL_", ["ctl", "authentication"], ["USERNAME", "PASSWORD"]),
  ...group("POSTGRESQL_", ["postgresql"], [
    "LISTEN",
    "CONNECT_ADDRESS",
    "PROXY_ADDRESS",
    "CONFIG_DIR",
    "DATA_DIR",
  ]),
  ...group("POSTGRESQL_", ["postgresql"], ["PGPASS", "BIN_DIR"]),
  ...group("POSTGRESQL_BIN_", ["postgresql", "bin_name"], PROGRAMS),
  ...["SUPERUSER", "REPLICATION", "REWIND"].flatMap((role) =>
    group(`${role}_`, ["postgresql", "authentication", role.toLowerCase()], CREDENTIALS)
  ),
  ...group("RAFT_", ["raft"], ["SELF_ADDR", "BIND_ADDR", "DATA_DIR", "PASSWORD"]),
  ...group("RAFT_", ["raft"], ["PARTNER_ADDRS"], "list"),
];

export function readEnvironment(
  environment: { readonly [name: string]: string | undefined },
): EnvironmentLayer {
  const locations: Locations = new Map();
  const issues = new Issues(locations);
  const value: JsonObject = {};
  for (const variable of ENVIRONMENT) {
    const text = environment[variable.name];
    if (text === undefined) continue;
    const location = { file: `environment ${variable.name}`, line: null };
    if (text.trim() === "") {
      if (isSecretKey(variable.path.at(-1))) {
        issues.at("error", location, "is set and empty: give it the secret, or unset it");
      }
      continue;
    }
    if (text.includes("\ufffd")) {
      issues.at("error", location, "holds bytes that are no UTF-8, and would be read as another text");
      continue;
    }
    const read = readVariable(variable.kind, text, location, issues);
    if (read === null) continue;
    set(value, variable.path, read);
    locations.set(pathKey(variable.path), location);
  }
  warnOfUnread(environment, ENVIRONMENT.map(({ name }) => name), "is not known, and has no effect", issues);
  return { value, locations, issues };
}

/** The variables beside a whole configuration, which alone counts then. */
export function besideWholeConfiguration(
  environment: { readonly [name: string]: string | undefined },
): Issues {
  const issues = new Issues();
  const why = `has no effect beside ${WHOLE_CONFIGURATION}`;
  warnOfUnread(environment, [WHOLE_CONFIGURATION], why, issues);
  return issues;
}

/** A slip in a name (PATRONI_RAFT_PASWORD) would otherwise leave a value out without a word. */
function warnOfUnread(
  environment: { readonly [name: string]: string | undefined },
  read: readonly string[],
  why: string,
  issues: Issues,
): void {
  const known = new Set(read);
  for (const name of Object.keys(environment).sort()) {
    if (!name.startsWith("PATRONI_") || known.has(name) || environment[name] === undefined) continue;
    const reason = name === WHOLE_CONFIGURATION
      ? "counts only where no file is named, and has no effect"
      : why;
    issues.at("warning", { file: `environment ${name}`, line: null }, reason);
  }
}

function group(prefix: string, path: Path, names: readonly string[], kind: Kind = "text"): Variable[] {
  return names.map((name) => ({
    name: `PATRONI_${prefix}${name}`,
    path: [...path, name.toLowerCase()],
    kind,
  }));
}

function readVariable(kind: Kind, text: string, location: Location, issues: Issues): Json {
  switch (kind) {
    case "text":
      return text;
    case "format":
      return readFormat(text);
    case "list":
      return readList(text);
    case "map": {
      const value = fragment(text.trim().startsWith("{") ? text : `{${text}}`);
      if (isJsonObject(value)) return value;
      issues.at("error", location, "expected a map in YAML, like {key: value, other: value}");
      return null;
    }
  }
}

/** A log's format: a text with places, or a list of fields for JSON. */
function readFormat(text: string): Json {
  if (/%\(\w+\)/.test(text)) return text;
  const value = fragment(/^\s*(\[|- )/.test(text) ? text : `[${text}]`);
  return Array.isArray(value) ? value : text;
}

/** Commas separate unless it is a YAML list; `[::1]:2222` begins with a bracket and is none. */
function readList(text: string): Json[] {
  if (/^\s*(\[|- )/.test(text)) {
    const value = fragment(text);
    if (Array.isArray(value)) return value;
  }
  return text.split(",").map((item) => item.trim().replace(/^(["'])(.*)\1$/, "$2")).filter((item) =>
    item !== ""
  );
}

function fragment(text: string): Json | undefined {
  const parsed = parseYaml("", `value: ${text.includes("\n") ? `\n${text}` : text}`);
  return parsed.value?.["value"];
}

function set(target: JsonObject, path: Path, value: Json): void {
  let current = target;
  for (const part of path.slice(0, -1)) {
    const next = current[part];
    if (isJsonObject(next)) current = next;
    else current = current[part] = {};
  }
  current[String(path.at(-1))] = value;
}
