/**
 * The local configuration: files and environment in, a LocalConfig or a list of sentences out. Pure: the
 * caller has read the files (cli/config_source.ts). Never throws, and no message holds a secret.
 */
import type * as z from "zod";
import type { LocalConfig } from "../model/config.ts";
import { buildBootstrap } from "./bootstrap.ts";
import { check, expected } from "./check.ts";
import { json } from "./fields.ts";
import { readRoot } from "./dynamic_read.ts";
import { WHOLE_CONFIGURATION } from "./env.ts";
import { compareIssues, Issues } from "./issues.ts";
import type { LocatedIssue, Locations } from "./issues.ts";
import { mergeSources, withoutNulls } from "./layers.ts";
import type { ConfigSource, Environment } from "./layers.ts";
import { buildLog } from "./log.ts";
import { checkClusterName, checkMemberName } from "./names.ts";
import { buildPostgresql } from "./postgresql.ts";
import { warnPlaceholders } from "./placeholder.ts";
import { checkPorts } from "./ports.ts";
import { buildRaft, proposeRaftSection } from "./raft.ts";
import { buildCtl, buildRestApi } from "./restapi.ts";
import { warnRootKeys } from "./root_keys.ts";
import { bootstrapSchema } from "./keys/bootstrap.ts";
import { FALLBACKS } from "./keys/dynamic.ts";
import { logSchema } from "./keys/log.ts";
import { raftSchema } from "./keys/raft.ts";
import { ctlSchema, restapiSchema } from "./keys/restapi.ts";
import { OTHER_STORES, rootSchema } from "./keys/root.ts";
import { tagsSchema } from "./keys/tags.ts";
import { buildWatchdog } from "./watchdog.ts";
import { isLoopback, parseHostPort } from "../model/host_port.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { normalizeNamespace } from "../model/namespace.ts";
import type { PathContext } from "../model/posix_path.ts";
import { readTags } from "./tags.ts";

export interface ParseOptions {
  /** The path the user named: a file or a directory. */
  readonly path?: string;
  /** The directory that relative paths in the configuration start from. */
  readonly cwd?: string;
  /** A voter without PostgreSQL: the postgresql section is not needed and not read. */
  readonly witness?: boolean;
}

export interface ParsedConfig {
  /** null after an error, and when the raft section is missing. */
  readonly config: LocalConfig | null;
  readonly issues: readonly LocatedIssue[];
  /** Files and environment merged, passwords included: not to be printed. */
  readonly mergedYaml: JsonObject;
  /** A file for another store (etcd, ...) without a raft section: the one to add. Otherwise null. */
  readonly missingRaft: string | null;
  /** Where each key is written: for a check against the host. */
  readonly locations: Locations;
}

export function parseConfig(
  sources: readonly ConfigSource[],
  environment: Environment,
  options: ParseOptions = {},
): ParsedConfig {
  const { merged, locations, found } = mergeSources(sources, environment);
  const finish = (config: LocalConfig | null, more: readonly LocatedIssue[], missingRaft: string | null) => ({
    config,
    issues: [...found, ...more].sort(compareIssues),
    mergedYaml: merged,
    missingRaft,
    locations,
  });
  if (found.some((issue) => issue.severity === "error")) return finish(null, [], null);
  const file = options.path ?? sources[0]?.file ?? WHOLE_CONFIGURATION;
  const issues = new Issues(locations, { file, line: null });
  if (sources.length === 0 && !environment[WHOLE_CONFIGURATION] && Object.keys(merged).length === 0) {
    issues.error([], "no configuration: name a file, or set PATRONI_CONFIGURATION");
    return finish(null, issues.list, null);
  }
  const paths: PathContext = { cwd: options.cwd ?? null, home: environment["HOME"] || null };
  const config = build(withoutNulls(merged), file, paths, options.witness ?? false, issues);
  const otherStore = OTHER_STORES.some((store) => isJsonObject(merged[store]));
  const missingRaft = otherStore && !isJsonObject(merged["raft"]);
  return finish(
    issues.hasErrors ? null : config,
    issues.list,
    missingRaft ? proposeRaftSection(merged) : null,
  );
}

/** Every section is read even when another one is wrong, so that one look shows all there is to correct. */
function build(
  root: JsonObject,
  file: string,
  paths: PathContext,
  witnessCommand: boolean,
  issues: Issues,
): LocalConfig | null {
  warnRootKeys(root, issues);
  const read = <Schema extends z.ZodType>(schema: Schema, key: string) =>
    check(schema, root[key] ?? {}, [key], issues);
  const head = check(rootSchema, root, [], issues);
  const sections = {
    restapi: read(restapiSchema, "restapi"),
    ctl: read(ctlSchema, "ctl"),
    bootstrap: read(bootstrapSchema, "bootstrap"),
    log: read(logSchema, "log"),
    tags: read(tagsSchema, "tags"),
    watchdog: read(json, "watchdog"),
  };
  const raftSection = root["raft"] === undefined ? missingRaft(root, issues) : read(raftSchema, "raft");
  const name = head?.name ?? "member";
  if (head) {
    checkMemberName(name, issues);
    checkClusterName(head.scope, "scope", issues);
    checkClusterName(head.namespace ?? "", "namespace", issues);
  }
  const witness = witnessCommand || raftSection?.witness === true;
  const postgresql = postgresqlOf(root["postgresql"], witness, paths, issues);
  const surroundings = { name, postgresDataDir: postgresql?.dataDir ?? null, paths };
  const raft = raftSection && buildRaft(raftSection, surroundings, issues);
  const restapi = sections.restapi && buildRestApi(sections.restapi, witness, issues);
  const ctl = buildCtl(sections.ctl ?? {}, restapi, issues);
  const bootstrap = buildBootstrap(sections.bootstrap ?? {}, objectOrEmpty(root["bootstrap"]), issues);
  const watchdog = buildWatchdog(sections.watchdog ?? {}, issues);
  const log = buildLog(sections.log ?? {}, issues);
  const tags = readTags(sections.tags ?? {}, issues);
  if (head && tags.tags["replicatefrom"] === name) {
    issues.warning(["tags", "replicatefrom"], "names this member itself: it follows the primary");
  }
  readRoot({}, localDynamic(root), [], issues, "proposed");
  checkPorts({ raft, restapi, postgresql }, issues);
  if (head === null || raft === null || restapi === null) return null;
  warnUnreachable(raft, { postgresql, restapi }, issues);
  warnPlaceholders({ raft, restapi, postgresql }, issues);
  const namespace = normalizeNamespace(head.namespace ?? "");
  const identity = { name, scope: head.scope, namespace, file };
  return {
    ...identity,
    raft,
    restapi,
    ctl,
    postgresql,
    bootstrap,
    watchdog,
    ...tags,
    log,
    localDynamic: localDynamic(root),
  };
}

function postgresqlOf(
  section: Json | undefined,
  witness: boolean,
  paths: PathContext,
  issues: Issues,
): LocalConfig["postgresql"] {
  if (witness) {
    // Most likely the file of a member, which would then be there without its PostgreSQL.
    if (section !== undefined) {
      issues.error(
        ["postgresql"],
        "a witness has no PostgreSQL: start the file of a member by `agent run`, or remove this section",
      );
    }
    return null;
  }
  if (isJsonObject(section)) return buildPostgresql(section, paths, issues);
  issues.error(
    ["postgresql"],
    section === undefined
      ? "required: listen, data_dir and the rest (a voter without PostgreSQL is started by `agent witness`)"
      : expected("a section with keys of its own", ["postgresql"], section),
  );
  return null;
}

/** Members on other hosts, and a published address that leads nowhere from there. */
function warnUnreachable(
  raft: LocalConfig["raft"],
  published: Pick<LocalConfig, "postgresql" | "restapi">,
  issues: Issues,
): void {
  const loopback = (address: string) => isLoopback(parseHostPort(address)?.host ?? "");
  if (raft.partnerAddrs.every(loopback)) return;
  for (const section of ["postgresql", "restapi"] as const) {
    const address = published[section]?.connectAddress;
    if (address === undefined || !loopback(address)) continue;
    issues.warning(
      [section, "connect_address"],
      `${address} cannot be reached by the members on other hosts`,
    );
  }
}

function objectOrEmpty(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function missingRaft(root: JsonObject, issues: Issues): null {
  const store = OTHER_STORES.find((name) => isJsonObject(root[name]));
  if (store === undefined) {
    issues.error(
      ["raft"],
      "required: the members' addresses (self_addr, partner_addrs), data_dir and password",
    );
  } else {
    issues.error(
      ["raft"],
      `required: the members form their own quorum in place of ${store} (self_addr, partner_addrs, data_dir, password)`,
    );
  }
  return null;
}

function localDynamic(root: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(root).filter(([key]) => FALLBACKS.includes(key)));
}
