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
import type { JsonObject } from "../model/json.ts";

export type ReloadEffect =
  /** Counts at once. */
  | "reload"
  /** Is written at once, and counts when PostgreSQL is started again. */
  | "PostgreSQL restart"
  /** Counts when the agent is started again; until then the value in force stays. */
  | "restart"
  /** Read when a cluster is initialised. */
  | "once";

/** The key in the file (null: follows from another one), and when a changed value counts. */
export type ReloadRule = readonly [
  key: string | null,
  effect: ReloadEffect | ((before: unknown, after: unknown) => ReloadEffect),
];
type Rules<Section> = { readonly [field in keyof Required<Section>]: ReloadRule };

type SectionName = "raft" | "restapi" | "ctl" | "postgresql" | "bootstrap" | "watchdog" | "log";

const ROOT: Rules<Omit<LocalConfig, SectionName>> = {
  name: ["name", "restart"],
  scope: ["scope", "restart"],
  namespace: ["namespace", "restart"],
  file: [null, "reload"],
  tags: ["tags", "reload"],
  nofailover: [null, "reload"],
  failoverPriority: [null, "reload"],
  localDynamic: ["", "reload"],
};

const RAFT: Rules<RaftConfig> = {
  selfAddr: ["raft.self_addr", "restart"],
  bindAddr: ["raft.bind_addr", "restart"],
  partnerAddrs: ["raft.partner_addrs", "restart"],
  dataDir: ["raft.data_dir", "restart"],
  password: ["raft.password", "restart"],
  // Other files are read by what reads renewed ones; there is nothing that could begin or end encryption
  // meanwhile.
  tls: ["raft.tls", (before, after) => before !== null && after !== null ? "reload" : "restart"],
  electionMinMs: ["raft.election_timeout", "restart"],
  electionMaxMs: ["raft.election_timeout", "restart"],
  heartbeatMs: ["raft.heartbeat_interval", "restart"],
};

const RESTAPI: Rules<RestApiConfig> = {
  listen: ["restapi.listen", "reload"],
  connectAddress: ["restapi.connect_address", "reload"],
  authentication: ["restapi.authentication", "reload"],
  certfile: ["restapi.certfile", "reload"],
  keyfile: ["restapi.keyfile", "reload"],
  keyfilePassword: ["restapi.keyfile_password", "reload"],
  cafile: ["restapi.cafile", "reload"],
  verifyClient: ["restapi.verify_client", "reload"],
  allowlist: ["restapi.allowlist", "reload"],
  allowlistIncludeMembers: ["restapi.allowlist_include_members", "reload"],
  httpExtraHeaders: ["restapi.http_extra_headers", "reload"],
  httpsExtraHeaders: ["restapi.https_extra_headers", "reload"],
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
  listenAddresses: [LISTEN, "PostgreSQL restart"],
  port: [LISTEN, "PostgreSQL restart"],
  // Together with a new `listen`: when PostgreSQL is started again.
  connectAddress: [CONNECT_ADDRESS, "reload"],
  proxyAddress: ["postgresql.proxy_address", "reload"],
  dataDir: ["postgresql.data_dir", "restart"],
  configDir: ["postgresql.config_dir", "restart"],
  binDir: ["postgresql.bin_dir", "restart"],
  binName: ["postgresql.bin_name", "restart"],
  pgpass: ["postgresql.pgpass", "restart"],
  useUnixSocket: ["postgresql.use_unix_socket", "reload"],
  useUnixSocketRepl: ["postgresql.use_unix_socket_repl", "reload"],
  superuser: ["postgresql.authentication.superuser", "reload"],
  replication: ["postgresql.authentication.replication", "reload"],
  rewind: ["postgresql.authentication.rewind", "reload"],
  createReplicaMethods: ["postgresql.create_replica_methods", "reload"],
  basebackup: ["postgresql.basebackup", "reload"],
  customConf: ["postgresql.custom_conf", "restart"],
  callbacks: ["postgresql.callbacks", "reload"],
  prePromote: ["postgresql.pre_promote", "reload"],
  beforeStop: ["postgresql.before_stop", "reload"],
  pgCtlTimeoutS: ["postgresql.pg_ctl_timeout", "reload"],
  removeDataDirectoryOnRewindFailure: ["postgresql.remove_data_directory_on_rewind_failure", "reload"],
  removeDataDirectoryOnDivergedTimelines: [
    "postgresql.remove_data_directory_on_diverged_timelines",
    "reload",
  ],
  // What no other field stands for: parameters, pg_hba, recovery_conf ...
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
  mode: ["watchdog.mode", "reload"],
  device: ["watchdog.device", "reload"],
  safetyMarginS: ["watchdog.safety_margin", "reload"],
  driver: ["watchdog.driver", "restart"],
};

const LOG: Rules<LogConfig> = {
  type: ["log.type", "reload"],
  level: ["log.level", "reload"],
  dir: ["log.dir", "reload"],
  mode: ["log.mode", "reload"],
  fileNum: ["log.file_num", "reload"],
  fileSizeBytes: ["log.file_size", "reload"],
  staticFields: ["log.static_fields", "reload"],
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
    // The others follow what is published: at an address where nobody listens yet they would find nobody.
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
 * The section as written, which is laid over the cluster's again: what a restart is needed for stays in it,
 * too.
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
