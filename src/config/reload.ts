/**
 * Decides what a reload of the local file changes, key by key, and what it cannot change while the agent or
 * PostgreSQL runs. A value that needs a restart of the agent keeps the one in force, everywhere: half of the
 * program with an old address and half with a new one would be worse than either. Pure; the types make a new
 * field of the configuration ask for its rule here.
 */
import type {
  BootstrapConfig,
  CtlConfig,
  LocalConfig,
  LogConfig,
  PostgresqlConfig,
  RaftConfig,
  RestApiConfig,
  WatchdogConfig,
} from "../model/config.ts";
import { assert } from "../lib/assert.ts";
import type { JsonObject } from "../model/json.ts";
import { LOCAL_ROWS } from "./key_rows.ts";

const EFFECTS = [
  /** Counts at once. */
  "reload",
  /** Is written at once, and counts when PostgreSQL is started again. */
  "PostgreSQL restart",
  /** Counts when the agent is started again; until then the value in force stays. */
  "restart",
  /** Read when a cluster is initialised. */
  "once",
] as const;
export type ReloadEffect = typeof EFFECTS[number];

/** The key in the file (null: follows from another one), and when a changed value counts. */
export type ReloadRule = readonly [
  key: string | null,
  effect: ReloadEffect | ((before: unknown, after: unknown) => ReloadEffect),
];

/**
 * The effect that the key's row names first, which the tables of docs/configuration.md show. A rule with an
 * effect of its own is for a key whose row names none, or more than one.
 */
function row(key: string): ReloadRule {
  const said = saidOf(key);
  const effect = EFFECTS.find((each) => each === said);
  assert(effect !== undefined, `the row of ${key} says "${said}" of a changed value`);
  return [key, effect];
}

/** A section inside of another may have a row for each of its keys. null: its rows say nothing. */
export function saidOf(key: string): string | null {
  const text = LOCAL_ROWS.get(key) ?? [...LOCAL_ROWS].find(([name]) => name.startsWith(`${key}.`))?.[1];
  return text?.effect?.split(/[;,]/)[0] ?? null;
}

type Rules<Section> = { readonly [field in keyof Required<Section>]: ReloadRule };

type SectionName = "raft" | "restapi" | "ctl" | "postgresql" | "bootstrap" | "watchdog" | "log";

const ROOT: Rules<Omit<LocalConfig, SectionName>> = {
  name: row("name"),
  scope: row("scope"),
  namespace: row("namespace"),
  file: [null, "reload"],
  tags: ["tags", "reload"],
  nofailover: [null, "reload"],
  failoverPriority: [null, "reload"],
  localDynamic: ["", "reload"],
};

const RAFT: Rules<RaftConfig> = {
  selfAddr: row("raft.self_addr"),
  bindAddr: row("raft.bind_addr"),
  partnerAddrs: row("raft.partner_addrs"),
  dataDir: row("raft.data_dir"),
  password: row("raft.password"),
  // Other files are read by the watch on renewed certificates. Encryption cannot begin or end without a
  // restart.
  tls: ["raft.tls", (before, after) => before !== null && after !== null ? "reload" : "restart"],
  electionMinMs: row("raft.election_timeout"),
  electionMaxMs: row("raft.election_timeout"),
  heartbeatMs: row("raft.heartbeat_interval"),
};

const RESTAPI: Rules<RestApiConfig> = {
  listen: row("restapi.listen"),
  connectAddress: row("restapi.connect_address"),
  authentication: row("restapi.authentication"),
  certfile: row("restapi.certfile"),
  keyfile: row("restapi.keyfile"),
  keyfilePassword: row("restapi.keyfile_password"),
  cafile: row("restapi.cafile"),
  ciphers: row("restapi.ciphers"),
  verifyClient: row("restapi.verify_client"),
  allowlist: row("restapi.allowlist"),
  allowlistIncludeMembers: row("restapi.allowlist_include_members"),
  legacyMetrics: row("restapi.legacy_metrics"),
  ui: row("restapi.ui"),
  httpExtraHeaders: row("restapi.http_extra_headers"),
  httpsExtraHeaders: row("restapi.https_extra_headers"),
};

const CTL: Rules<CtlConfig> = {
  authentication: ["ctl.authentication", "reload"],
  insecure: ["ctl.insecure", "reload"],
  cacert: ["ctl.cacert", "reload"],
  certfile: ["ctl.certfile", "reload"],
  keyfile: ["ctl.keyfile", "reload"],
  keyfilePassword: ["ctl.keyfile_password", "reload"],
};

const LISTEN = "postgresql.listen";
const CONNECT_ADDRESS = "postgresql.connect_address";

const POSTGRESQL: Rules<PostgresqlConfig> = {
  listenAddresses: row(LISTEN),
  port: row(LISTEN),
  // Together with a new `listen`: when PostgreSQL is started again.
  connectAddress: row(CONNECT_ADDRESS),
  proxyAddress: row("postgresql.proxy_address"),
  dataDir: row("postgresql.data_dir"),
  configDir: row("postgresql.config_dir"),
  binDir: row("postgresql.bin_dir"),
  binName: row("postgresql.bin_name"),
  pgpass: row("postgresql.pgpass"),
  useUnixSocket: row("postgresql.use_unix_socket"),
  useUnixSocketRepl: row("postgresql.use_unix_socket_repl"),
  superuser: row("postgresql.authentication.superuser"),
  replication: row("postgresql.authentication.replication"),
  rewind: row("postgresql.authentication.rewind"),
  createReplicaMethods: ["postgresql.create_replica_methods", "reload"],
  basebackup: ["postgresql.basebackup", "reload"],
  customConf: row("postgresql.custom_conf"),
  callbacks: row("postgresql.callbacks"),
  prePromote: row("postgresql.pre_promote"),
  beforeStop: row("postgresql.before_stop"),
  pgCtlTimeoutS: row("postgresql.pg_ctl_timeout"),
  callbackTimeoutS: row("postgresql.callback_timeout"),
  removeDataDirectoryOnRewindFailure: row("postgresql.remove_data_directory_on_rewind_failure"),
  removeDataDirectoryOnDivergedTimelines: row("postgresql.remove_data_directory_on_diverged_timelines"),
  // Everything without a field of its own: parameters, pg_hba, recovery_conf ...
  raw: ["postgresql", "reload"],
};

const BOOTSTRAP: Rules<BootstrapConfig> = {
  dcs: ["bootstrap.dcs", "once"],
  initdb: ["bootstrap.initdb", "once"],
  pgHba: ["bootstrap.pg_hba", "once"],
  postBootstrap: ["bootstrap.post_bootstrap", "once"],
  users: ["bootstrap.users", "once"],
  custom: ["bootstrap.method", "once"],
};

const WATCHDOG: Rules<WatchdogConfig> = {
  mode: row("watchdog.mode"),
  device: row("watchdog.device"),
  safetyMarginS: row("watchdog.safety_margin"),
  driver: row("watchdog.driver"),
};

const LOG: Rules<LogConfig> = {
  type: ["log.type", "reload"],
  level: ["log.level", "reload"],
  dir: ["log.dir", "reload"],
  mode: ["log.mode", "reload"],
  fileNum: ["log.file_num", "reload"],
  fileSizeBytes: ["log.file_size", "reload"],
  decisions: ["log.decisions", "reload"],
  staticFields: ["log.static_fields", "reload"],
  format: ["log.format", "reload"],
  jsonFields: ["log.format", "reload"],
  dateFormat: ["log.dateformat", "reload"],
  loggers: ["log.loggers", "reload"],
  tracebackLevel: ["log.traceback_level", "reload"],
  maxQueueSize: ["log.max_queue_size", "reload"],
};

const SECTIONS: { readonly [section in SectionName]: { readonly [field: string]: ReloadRule } } = {
  raft: RAFT,
  restapi: RESTAPI,
  ctl: CTL,
  postgresql: POSTGRESQL,
  bootstrap: BOOTSTRAP,
  watchdog: WATCHDOG,
  log: LOG,
};

/** All rules, for the check that the documentation says the same. */
export const RELOAD_RULES: readonly ReloadRule[] = [ROOT, ...Object.values(SECTIONS)]
  .flatMap((rules) => Object.values(rules));

export interface ReloadPlan {
  /** In force from now on. */
  readonly config: LocalConfig;
  /** `postgresql.connect_address` for when PostgreSQL has been started again; null: the one in force. */
  readonly publishLater: string | null;
  /** Keys by what a change of them needs; values are never named, as they may be secret. */
  readonly keys: { readonly [effect in ReloadEffect]: readonly string[] };
}

interface Draft {
  readonly keys: { [effect in ReloadEffect]: Set<string> };
}

/**
 * `read`: the file as it is now. `listenPending`: a reload before this one has changed where PostgreSQL is to
 * listen, and it has not been started since.
 */
export function planReload(inForce: LocalConfig, read: LocalConfig, listenPending = false): ReloadPlan {
  const draft: Draft = {
    keys: { reload: new Set(), "PostgreSQL restart": new Set(), restart: new Set(), once: new Set() },
  };
  const next: { [field: string]: unknown } = { ...read, ...applyRules(ROOT, inForce, read, draft) };
  for (const [section, rules] of Object.entries(SECTIONS)) {
    const before = inForce[section as SectionName];
    const after = read[section as SectionName];
    if (before !== null && after !== null) {
      next[section] = applyRules(rules, before, after, draft);
    } else {
      // A member that becomes a witness, or a witness a member.
      next[section] = before;
      if (before !== after) draft.keys.restart.add(section);
    }
  }
  let publishLater: string | null = null;
  if (inForce.postgresql !== null && read.postgresql !== null) {
    const raw = withKept(inForce.postgresql.raw, read.postgresql.raw);
    const { connectAddress } = read.postgresql;
    const before = inForce.postgresql.connectAddress;
    const pending = listenPending || draft.keys["PostgreSQL restart"].has(LISTEN);
    // The others follow the published address. Where no server listens yet, they could not connect.
    if (pending && connectAddress !== before) {
      publishLater = connectAddress;
      draft.keys.reload.delete(CONNECT_ADDRESS);
      draft.keys["PostgreSQL restart"].add(CONNECT_ADDRESS);
    }
    next.postgresql = {
      ...next.postgresql as PostgresqlConfig,
      raw,
      connectAddress: publishLater === null ? connectAddress : before,
    };
  }
  const sorted = (effect: ReloadEffect) => [...draft.keys[effect]].sort();
  return {
    config: next as unknown as LocalConfig,
    publishLater,
    keys: {
      reload: sorted("reload"),
      "PostgreSQL restart": sorted("PostgreSQL restart"),
      restart: sorted("restart"),
      once: sorted("once"),
    },
  };
}

/** For the log, one line each. */
export function describeReload({ keys }: ReloadPlan): { readonly info: string; readonly warnings: string[] } {
  const { reload, restart, once } = keys;
  const ofPostgres = keys["PostgreSQL restart"];
  const warnings = [
    ...(ofPostgres.length === 0
      ? []
      : [`${ofPostgres.join(", ")}: counts after a restart of PostgreSQL (agent ctl restart)`]),
    ...(restart.length === 0
      ? []
      : [`${restart.join(", ")}: not reloaded, the value in force stays until the agent is restarted`]),
    ...(once.length === 0 ? [] : [
      `${once.join(", ")}: read only when a cluster is initialised; a running one is changed by edit-config`,
    ]),
  ];
  const changed = reload.length === 0 ? "no key that counts at once has changed" : reload.join(", ");
  return { info: `configuration reloaded: ${changed}`, warnings };
}

function applyRules(
  rules: { readonly [field: string]: ReloadRule },
  before: object,
  after: object,
  draft: Draft,
): object {
  const next: { [field: string]: unknown } = {};
  for (const [field, [key, effect]] of Object.entries(rules)) {
    const old = (before as { [field: string]: unknown })[field];
    const wanted = (after as { [field: string]: unknown })[field];
    const found = typeof effect === "function" ? effect(old, wanted) : effect;
    next[field] = found === "restart" ? old : wanted;
    if (key === null) continue;
    for (const changed of changedKeys(key, old, wanted)) {
      if (field !== "raw" || !PARSED.has(changed.split(".")[1]!)) draft.keys[found].add(changed);
    }
  }
  return next;
}

/**
 * The section as written, which is laid over the cluster's again: keys that need a restart stay in it, too.
 */
function withKept(before: JsonObject, after: JsonObject): JsonObject {
  const next = { ...after };
  for (const [key, effect] of Object.values(POSTGRESQL)) {
    if (effect !== "restart") continue;
    const name = key!.split(".")[1]!;
    const kept = before[name];
    if (kept === undefined) delete next[name];
    else next[name] = kept;
  }
  return next;
}

/** Keys of the postgresql section that have fields of their own. */
const PARSED: ReadonlySet<string> = new Set([
  ...Object.values(POSTGRESQL).map(([key]) => key!.split(".")[1] ?? ""),
  "create_replica_method",
]);

/** Maps by their keys, everything else as a whole. */
function changedKeys(key: string, before: unknown, after: unknown): string[] {
  if (equal(before, after)) return [];
  if (key.endsWith(".listen") || !isMap(before) || !isMap(after)) return [key];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    // Connection options of a role stand beside its name and password in the file.
    const path = name === "options" && key.startsWith("postgresql.authentication.")
      ? key
      : key === ""
      ? name
      : `${key}.${name}`;
    return changedKeys(path, before[name], after[name]);
  });
}

function isMap(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, at) => equal(item, b[at]));
  }
  if (!isMap(a) || !isMap(b)) return (a ?? null) === (b ?? null);
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => equal(a[name], b[name]));
}
