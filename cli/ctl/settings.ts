/**
 * Which cluster to talk to and how: from -c, PATRONICTL_CONFIG_FILE, the default file, or nothing at all (the
 * agent of this host). Reads only what it needs and checks nothing else: a file with errors elsewhere must
 * not keep anyone from looking at the cluster.
 */
import { dirname, join } from "node:path";
import { type ClientOptions, type ClientTls, loadClientTls } from "../../src/api/client.ts";
import { placeOf } from "../../src/config/issues.ts";
import { type ConfigSource, mergeSources } from "../../src/config/layers.ts";
import { YAML_FILES } from "../../src/config/yaml.ts";
import { oneLine } from "../../src/lib/plain_text.ts";
import { readTextFiles } from "../../src/lib/text_files.ts";
import { formatHostPort, isWildcard, parseHostPort } from "../../src/model/host_port.ts";
import type { HostPort } from "../../src/model/config.ts";
import type { Json, JsonObject } from "../../src/model/json.ts";
import { isJsonObject } from "../../src/model/merge.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";

export interface Settings {
  /** null: whatever cluster answers. */
  readonly scope: string | null;
  /**
   * `http://host:port` of REST APIs to ask, the most likely first. Members beyond these are learned from the
   * answer.
   */
  readonly bases: readonly string[];
  readonly client: ClientOptions;
  /** raft.data_dir of the file, or its default; null: it is no member's. */
  readonly raftDirectory: string | null;
}

export interface SettingsOptions {
  readonly configFile: string | null;
  readonly dcsUrl: string | null;
  readonly insecure: boolean;
}

const DEFAULT_PORT = 8008;
const TIMEOUT_MS = 3000;

/** Throws CtlError when a file that was named cannot be used. */
export function findSettings(options: SettingsOptions, io: Io): Settings {
  const file = options.configFile ?? io.environment.PATRONICTL_CONFIG_FILE ?? null;
  const config = readConfiguration(file, io);
  const [restapi, ctl, raft] = ["restapi", "ctl", "raft"].map((name) => section(config, name)) as Sections;
  const https = text(restapi.certfile) !== null || text(ctl.cacert) !== null || text(ctl.certfile) !== null;
  const scheme = https ? "https" : "http";
  const base = (address: HostPort) => `${scheme}://${formatHostPort(address)}`;
  const found = [
    ...addressesOf(options.dcsUrl ?? (io.environment.DCS_URL || null), io).map(({ tls, ...address }) =>
      tls ? `https://${formatHostPort(address)}` : base(address)
    ),
    ...apiAddresses(restapi, raft).map(base),
  ];
  const bases = found.length > 0 ? found : [base({ host: "127.0.0.1", port: DEFAULT_PORT })];
  const scope = config.scope;
  return {
    scope: typeof scope === "string" || typeof scope === "number" ? String(scope) : null,
    raftDirectory: text(raft.data_dir) ?? defaultRaftDirectory(config),
    bases: [...new Set(bases)],
    client: {
      timeoutMs: TIMEOUT_MS,
      authentication: credentials(ctl) ?? credentials(restapi),
      tls: readTls(restapi, ctl, options.insecure),
    },
  };
}

/** As a member chooses it: beside its data directory. */
function defaultRaftDirectory(config: JsonObject): string | null {
  const [dataDir, name] = [text(section(config, "postgresql").data_dir), text(config.name)];
  return dataDir === null || name === null
    ? null
    : join(dirname(dataDir), `${name.replaceAll("/", "_")}.raft`);
}

type Sections = [restapi: JsonObject, ctl: JsonObject, raft: JsonObject];

function readConfiguration(file: string | null, io: Io): JsonObject {
  const path = file ?? defaultFile(io);
  const sources = path === null ? [] : readSources(path, file !== null);
  const { merged, found } = mergeSources(sources, io.environment);
  const problem = found.find(({ severity }) => severity === "error");
  if (problem) {
    const key = problem.path === "" ? "" : `${problem.path}: `;
    throw new CtlError(`${placeOf({ ...problem, file: problem.file ?? path })}: ${key}${problem.message}`);
  }
  return merged;
}

function defaultFile({ environment }: Io): string | null {
  // One that is set and empty counts as not set (XDG Base Directory Specification).
  const directory = environment.XDG_CONFIG_HOME ||
    (environment.HOME ? join(environment.HOME, ".config") : null);
  return directory === null ? null : join(directory, "patroni", "patronictl.yaml");
}

function readSources(path: string, mustExist: boolean): ConfigSource[] {
  try {
    return readTextFiles(path, YAML_FILES);
  } catch (error) {
    if (!mustExist) return [];
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw new CtlError(`${path}: ${message}`);
    throw new CtlError(
      `Provided config file ${path} not existing or no read rights. Check the -c/--config-file parameter`,
      { cause: error },
    );
  }
}

/**
 * The member of the file first, then its partners: their REST ports are not in the file and must be guessed.
 */
function apiAddresses(restapi: JsonObject, raft: JsonObject): HostPort[] {
  const published = address(restapi.connect_address) ?? address(restapi.listen);
  const own = published === null || !isWildcard(published.host)
    ? published
    : { ...published, host: "127.0.0.1" };
  const restPort = own?.port ?? DEFAULT_PORT;
  const self = address(raft.self_addr);
  const partners = list(raft.partner_addrs).map(address).filter((partner) => partner !== null);
  const sameOffset = partners.flatMap((partner) => {
    // Members on one host differ by port: REST ports are then often as far apart as raft ports.
    const offset = self !== null && partner.host === self.host ? partner.port - self.port : 0;
    return offset === 0 ? [] : [{ host: partner.host, port: restPort + offset }];
  });
  const samePort = [...partners, ...(self ? [self] : [])].map(({ host }) => ({ host, port: restPort }));
  return [...(own ? [own] : []), ...samePort, ...sameOffset].filter(({ port }) => port > 0 && port < 65536);
}

/**
 * Patronictl's -d names a store; here it names a member, or several with commas between. A store's is passed
 * over with a warning. What is neither was mistyped: to ask this host's own agent instead could change
 * another cluster than the one that is meant.
 */
function addressesOf(dcsUrl: string | null, io: Io): (HostPort & { readonly tls: boolean })[] {
  if (dcsUrl === null) return [];
  if (/^(?!https?:)[^,]*:\/\//.test(dcsUrl)) {
    io.err(`Warning: ${withoutLogin(dcsUrl)} is ignored: there is no store beside the members themselves`);
    return [];
  }
  return dcsUrl.split(",").map((url) => {
    const address = addressOf(url);
    if (address !== null) return { ...address, tls: url.trim().startsWith("https://") };
    throw new CtlError(
      `'${
        oneLine(withoutLogin(dcsUrl), MAX_SHOWN)
      }' names no member (-d, DCS_URL): HOST[:PORT] of its REST API is expected, ` +
        "or several with commas between",
    );
  });
}

/** Characters of an address that a message shows. */
const MAX_SHOWN = 200;

/** A store's address may hold a name and a password, which are nobody's to read. */
function withoutLogin(url: string): string {
  return url.replace(/^(\s*[\w+.-]*:\/\/)?.*@/s, "$1***@");
}

function addressOf(url: string): HostPort | null {
  return parseHostPort(url.trim().replace(/^https?:\/\//, "").replace(/\/.*$/, ""), DEFAULT_PORT);
}

function readTls(restapi: JsonObject, ctl: JsonObject, insecure: boolean): ClientTls | null {
  try {
    return loadClientTls({
      certfile: text(ctl.certfile) ?? text(restapi.certfile),
      keyfile: text(ctl.certfile) === null ? text(restapi.keyfile) : text(ctl.keyfile),
      keyfilePassword: text(ctl.certfile) === null
        ? text(restapi.keyfile_password)
        : text(ctl.keyfile_password),
      cafile: text(ctl.cacert) ?? text(restapi.cafile),
      insecure: insecure || ctl.insecure === true || text(ctl.insecure)?.toLowerCase() === "true",
    });
  } catch (error) {
    throw new CtlError(
      `cannot read a certificate file: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}

function credentials(part: JsonObject): ClientOptions["authentication"] {
  const { username, password } = section(part, "authentication");
  return text(username) !== null && text(password) !== null
    ? { username: text(username)!, password: text(password)! }
    : null;
}

function section(config: JsonObject, name: string): JsonObject {
  const value = config[name];
  return isJsonObject(value) ? value : {};
}

function text(value: Json | undefined): string | null {
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

function list(value: Json | undefined): Json[] {
  if (Array.isArray(value)) return value;
  return typeof value === "string" ? value.split(",") : [];
}

function address(value: Json | undefined): HostPort | null {
  return typeof value === "string" ? addressOf(value) : null;
}
