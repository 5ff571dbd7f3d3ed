/**
 * `agent validate-config FILE...`: every error that can be found before a member is started, one line each,
 * and an exit code. Changes nothing on the host; ports are tried by listening for a moment.
 */
import { stringify } from "yaml";
import { checkTiming } from "../src/lease/timing.ts";
import { checkWatchdogTiming } from "../src/brain/watchdog.ts";
import type { LocalConfig } from "../src/model/config.ts";
import { effectiveDynamic } from "../src/config/dynamic.ts";
import { checkClusterFiles, type MemberFile } from "../src/config/cluster_files.ts";
import { WHOLE_CONFIGURATION } from "../src/config/env.ts";
import {
  compareIssues,
  formatIssue,
  Issues,
  type LocatedIssue,
  withoutSecrets,
} from "../src/config/issues.ts";
import type { Environment } from "../src/config/layers.ts";
import { syncMisfits } from "../src/model/sync_fit.ts";
import { isLoopback, parseHostPort } from "../src/model/host_port.ts";
import type { ParsedConfig } from "../src/config/parse.ts";
import { loadConfig } from "./config_source.ts";
import { checkHost } from "./validate_host.ts";

export interface ValidateOptions {
  readonly environment: Environment;
  /** A port that is in use already is no error: the member may be running. */
  readonly ignoreListenPort?: boolean;
  readonly witness?: boolean;
  /** Also print the merged configuration, passwords as ***. */
  readonly printConfig?: boolean;
  readonly write: (line: string) => void;
}

/** Returns the exit code: 0 without errors (warnings allowed), else 1. Several files: a whole cluster. */
export async function validateConfigCommand(
  paths: readonly string[],
  options: ValidateOptions,
): Promise<number> {
  if (paths.length > 1) return validateCluster(paths, options);
  const { environment, witness } = options;
  const path = paths[0] ?? null;
  const parsed = loadConfig({ path, environment, witness });
  const found = [...parsed.issues];
  if (parsed.config !== null) {
    const issues = new Issues(parsed.locations, { file: parsed.config.file, line: null });
    checkBeginning(parsed.config, issues);
    warnAlone(parsed.config, issues);
    await checkHost(parsed.config, options.ignoreListenPort ?? false, issues);
    found.push(...issues.list);
  }
  return report(path ?? WHOLE_CONFIGURATION, [parsed], found, options);
}

/**
 * The members of one cluster, which run on hosts of their own: this one is not looked at. Variables of the
 * environment are those of one member, and not used.
 */
function validateCluster(paths: readonly string[], options: ValidateOptions): number {
  const { HOME } = options.environment;
  const parsed = paths.map((path) => memberFile(path, { HOME }));
  const members = parsed.flatMap(({ config, locations }): MemberFile[] =>
    config === null ? [] : [{ config, issues: new Issues(locations, { file: config.file, line: null }) }]
  );
  for (const { config, issues } of members) checkBeginning(config, issues);
  checkClusterFiles(members, members.length === paths.length);
  const found = [...parsed.flatMap(({ issues }) => issues), ...members.flatMap(({ issues }) => issues.list)];
  return report(`${paths.length} files`, parsed, found, options);
}

/** A file without a section postgresql is that of a witness. */
function memberFile(path: string, environment: Environment): ParsedConfig {
  const parsed = loadConfig({ path, environment });
  const isWitness = parsed.config === null && Object.keys(parsed.mergedYaml).length > 0 &&
    !Object.hasOwn(parsed.mergedYaml, "postgresql");
  return isWitness ? loadConfig({ path, environment, witness: true }) : parsed;
}

function report(
  name: string,
  files: readonly ParsedConfig[],
  found: LocatedIssue[],
  { printConfig, write }: ValidateOptions,
): number {
  for (const { mergedYaml } of printConfig ? files : []) {
    write(stringify(withoutSecrets(mergedYaml), { lineWidth: 0 }).trimEnd());
    if (files.length > 1) write("---");
  }
  for (const issue of found.sort(compareIssues)) write(formatIssue(issue));
  for (const { missingRaft } of files) {
    if (missingRaft === null) continue;
    write(`Add this section (addresses and password are yours to fill in):\n${missingRaft}`);
  }
  const errors = found.filter((issue) => issue.severity === "error").length;
  const warnings = found.length - errors;
  write(
    errors > 0
      ? `${name}: ${count(errors, "error")}, ${count(warnings, "warning")}`
      : `${name}: valid, ${count(warnings, "warning")}`,
  );
  return errors > 0 ? 1 : 0;
}

/** Checks the configuration that the cluster would begin with: bootstrap.dcs, or its substitute. */
function checkBeginning(config: LocalConfig, issues: Issues): void {
  const dynamic = effectiveDynamic(config.bootstrap.dcs, config).config;
  const { ttlS, loopWaitS, failsafeMode } = dynamic;
  if (failsafeMode && config.raft.partnerAddrs.length === 0) {
    issues.warning(
      ["bootstrap", "dcs", "failsafe_mode"],
      "has no effect with one member: it asks the others whether the primary may go on without raft (raft.partner_addrs is empty)",
    );
  }
  const misfits = syncMisfits(dynamic, { able: config.raft.partnerAddrs.length, barred: [] });
  for (const { key, message } of misfits) {
    issues.warning(["bootstrap", "dcs", key], `${message} (by raft.partner_addrs)`);
  }
  for (const problem of checkTiming(ttlS * 1000, config.raft.electionMaxMs)) {
    issues.error(["bootstrap", "dcs", "ttl"], problem);
  }
  for (const problem of checkWatchdogTiming(config.watchdog, { ttlS, loopWaitS })) {
    issues.error(["watchdog", "safety_margin"], problem);
  }
}

/** So begins every file that `agent generate-config` has made; started like that, each host is a cluster. */
function warnAlone({ raft, postgresql }: LocalConfig, issues: Issues): void {
  const host = parseHostPort(raft.selfAddr ?? "")?.host;
  if (host === undefined || isLoopback(host) || postgresql === null || raft.partnerAddrs.length > 0) return;
  issues.warning(
    ["raft", "partner_addrs"],
    "names nobody: where there is no cluster yet, this member makes one of its own. Name the other members",
  );
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
