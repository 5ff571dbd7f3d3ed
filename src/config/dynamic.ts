/**
 * The dynamic configuration in force on one member: built-in defaults, the cluster's values, and the local
 * `postgresql` section over them (docs/compatibility.md section 3.1). Always gives a usable result: what
 * cannot be used is replaced by its default and reported.
 */
import type {
  ConfigIssue,
  DynamicConfig,
  EffectivePostgresql,
  LocalConfig,
  PostgresqlConfig,
  RoleSettings,
  ServerRole,
} from "../model/config.ts";
import { readRoot } from "./dynamic_read.ts";
import { controlledParameters, fileParameters, roleParameters } from "./guc.ts";
import { Issues } from "./issues.ts";
import type { Path } from "./issues.ts";
import { LOCAL_ONLY_POSTGRESQL_KEYS, USE_SLOTS } from "./keys/postgresql.ts";
import { readReplicaMethods } from "./methods.ts";
import { buildPostgresql, mergedPgCtlTimeoutS } from "./postgresql.ts";
import { usableKeys } from "./postgresql_keys.ts";
import { readRejoin } from "./rejoin.ts";
import { roleKeys, SERVER_ROLES } from "./roles.ts";
import { readHba, readIdent, readRecoveryConf } from "./server_files.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";

const PATH: Path = ["postgresql"];

/** `dcs`: the cluster's configuration, or `bootstrap.dcs` as long as there is none. */
export function effectiveDynamic(
  dcs: JsonObject,
  local: Pick<LocalConfig, "localDynamic" | "postgresql">,
): { config: DynamicConfig; issues: ConfigIssue[] } {
  const issues = new Issues();
  const root = readRoot(dcs, local.localDynamic, [], issues, "in force");
  const logicalSlots = root.slots.some(({ type }) => type === "logical");
  const { createReplicaMethods: remote = ["basebackup"] } = root.standbyCluster ?? {};
  const postgresql = {
    ...effectivePostgresql(dcs, local.postgresql?.raw ?? {}, remote, issues),
    logicalSlots,
  };
  return { config: { ...root, postgresql }, issues: issues.list.map(asWarning) };
}

/**
 * The local `postgresql` section with the dynamic one beneath it: what callbacks, clone, rewind and timeouts
 * go by. For reading only: not to be given to effectiveDynamic, where dynamic values would pass for local
 * ones.
 */
export function effectivePostgresqlSection(dcs: JsonObject, local: PostgresqlConfig): PostgresqlConfig {
  const raw = mergedSection(dcs, local.raw);
  const built = buildPostgresql(raw, { cwd: null, home: null }, new Issues());
  if (built === null) return local;
  return {
    ...built,
    listenAddresses: local.listenAddresses,
    port: local.port,
    connectAddress: local.connectAddress,
    proxyAddress: local.proxyAddress,
    dataDir: local.dataDir,
    configDir: local.configDir,
    binDir: local.binDir ?? built.binDir,
    pgpass: local.pgpass,
    superuser: local.superuser,
    replication: local.replication,
    rewind: local.rewind,
  };
}

function effectivePostgresql(
  dcs: JsonObject,
  local: JsonObject,
  remoteMethods: readonly string[],
  issues: Issues,
): Omit<EffectivePostgresql, "logicalSlots"> {
  const dynamic = dynamicSection(dcs, issues);
  const merged = mergedSection(dcs, local);
  const dynamicParameters = mapOrEmpty(dynamic["parameters"], [...PATH, "parameters"], issues);
  const localParameters = isJsonObject(local["parameters"]) ? local["parameters"] : {};
  const parameters = fileParameters(dynamicParameters, localParameters, [...PATH, "parameters"], issues);
  const ofRole = (role: ServerRole) => roleSettings(role, { parameters, dynamic, local, merged }, issues);
  return {
    useSlots: parseBool(dynamic["use_slots"]) ?? USE_SLOTS,
    rejoin: readRejoin(merged),
    pgCtlTimeoutS: mergedPgCtlTimeoutS(merged),
    parameters,
    roles: {
      primary: ofRole("primary"),
      replica: ofRole("replica"),
      standby_leader: ofRole("standby_leader"),
    },
    controlled: controlledParameters(dynamicParameters, [...PATH, "parameters"], issues),
    pgHba: readHba(merged["pg_hba"], [...PATH, "pg_hba"], issues),
    pgIdent: readIdent(merged["pg_ident"], [...PATH, "pg_ident"], issues),
    recoveryConf: readRecoveryConf(merged["recovery_conf"], [...PATH, "recovery_conf"], issues),
    createReplicaMethods: readReplicaMethods(merged),
    remoteMethods: readReplicaMethods({ ...merged, create_replica_methods: [...remoteMethods] }),
    section: dynamic,
  };
}

function roleSettings(
  role: ServerRole,
  { parameters, dynamic, local, merged }: {
    readonly parameters: { readonly [name: string]: string };
    readonly dynamic: JsonObject;
    readonly local: JsonObject;
    readonly merged: JsonObject;
  },
  issues: Issues,
): RoleSettings {
  const keys = roleKeys(role);
  const own = mapOrEmpty(dynamic[keys.parameters], [...PATH, keys.parameters], issues);
  const localOwn = local[keys.parameters];
  return {
    parameters: roleParameters(
      parameters,
      own,
      isJsonObject(localOwn) ? localOwn : {},
      [...PATH, keys.parameters],
      issues,
    ),
    pgHba: readHba(merged[keys.pgHba], [...PATH, keys.pgHba], issues),
    pgIdent: readIdent(merged[keys.pgIdent], [...PATH, keys.pgIdent], issues),
  };
}

const MERGED_KEYS = ["parameters", ...SERVER_ROLES.map((role) => roleKeys(role).parameters)];

/**
 * Local keys replace dynamic ones whole; only the maps of parameters merge, and `use_slots` is the cluster's.
 */
function mergedSection(dcs: JsonObject, local: JsonObject): JsonObject {
  const dynamic = dynamicSection(dcs);
  const merged = { ...dynamic, ...local };
  for (const key of MERGED_KEYS) {
    const parameters = [dynamic[key], local[key]].filter(isJsonObject);
    if (parameters.length > 0) merged[key] = Object.assign({}, ...parameters);
  }
  delete merged["use_slots"];
  return merged;
}

/** The usable part of the cluster's section: one unusable value must not cost the others their effect. */
function dynamicSection(dcs: JsonObject, issues: Issues = new Issues()): JsonObject {
  const section = dcs["postgresql"];
  if (!isJsonObject(section)) return {};
  const dropped: readonly string[] = LOCAL_ONLY_POSTGRESQL_KEYS;
  const shared = Object.entries(section).filter(([key, value]) => isSet(value) && !dropped.includes(key));
  return usableKeys(Object.fromEntries(shared), PATH, issues);
}

function mapOrEmpty(value: Json | undefined, path: Path, issues: Issues): JsonObject {
  if (isJsonObject(value)) return value;
  if (isSet(value)) issues.error(path, "expected a map of parameters");
  return {};
}

/** A value in force cannot be refused any more: the default stands in for one that cannot be used. */
function asWarning({ severity, path, message }: ConfigIssue): ConfigIssue {
  const consequence = severity === "error" ? "; it is ignored, the default is used" : "";
  return { severity: "warning", path, line: null, message: message + consequence };
}
