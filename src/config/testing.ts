/** Configurations to start tests from. */
import { effectiveDynamic } from "./dynamic.ts";
import { describeIssue } from "./issues.ts";
import type { Environment } from "./layers.ts";
import { parseConfig } from "./parse.ts";
import type { ParsedConfig, ParseOptions } from "./parse.ts";
import type { DynamicConfig, LocalConfig } from "../model/config.ts";

/** The smallest configuration without an error or a warning. */
export const MINIMAL = `scope: main
name: node1
raft:
  self_addr: 127.0.0.1:7801
  partner_addrs: [127.0.0.1:7802, 127.0.0.1:7803]
  data_dir: /srv/raft
restapi:
  listen: 127.0.0.1:8001
postgresql:
  listen: 127.0.0.1:5001
  data_dir: /srv/data
  authentication:
    superuser: {username: postgres, password: hunter2}
    replication: {username: replicator, password: hunter2}
`;

/**
 * What tests of other rooms start from: the defaults, with the ttl that a log begins with (src/dcs), so that
 * no change of it is under way.
 */
export const DEFAULT_DYNAMIC: DynamicConfig = effectiveDynamic({ ttl: 5 }, parsedConfig(MINIMAL)).config;

export function parse(text: string, environment: Environment = {}, options: ParseOptions = {}): ParsedConfig {
  return parseConfig([{ file: "a.yml", text }], environment, options);
}

/** MINIMAL with its first match of `find` replaced. */
export function minimalWith(find: string, replacement: string): string {
  if (!MINIMAL.includes(find)) throw new Error(`${find} is not in the minimal configuration`);
  return MINIMAL.replace(find, () => replacement);
}

export function parsedConfig(
  text: string,
  environment: Environment = {},
  options: ParseOptions = {},
): LocalConfig {
  const { config, issues } = parse(text, environment, options);
  if (config === null) throw new Error(issues.map(describeIssue).join("\n"));
  return config;
}
