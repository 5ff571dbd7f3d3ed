/**
 * What the command line needs of a configuration: whom to ask, and how to prove who it is. Reads a member's file, or
 * one with only scope, raft.partner_addrs and restapi.connect_address; asks for nothing that a server would need.
 */
import type { CtlConfig } from "./config.ts";
import { check } from "./config_check.ts";
import { compareIssues, Issues } from "./config_issues.ts";
import type { LocatedIssue } from "./config_issues.ts";
import { mergeSources, withoutNulls } from "./config_layers.ts";
import type { ConfigSource, Environment } from "./config_layers.ts";
import { buildCtl, buildRestApi } from "./config_restapi.ts";
import { ctlSchema, raftSchema, restapiSchema } from "./config_schema.ts";
import { formatHostPort, isWildcard, parseHostPort } from "./host_port.ts";

export interface CtlTarget {
  readonly scope: string | null;
  /** host:port of REST interfaces to try, in order; members beyond these are learned from whoever answers. */
  readonly apiAddresses: readonly string[];
  readonly raftAddresses: readonly string[];
  /** Whether REST speaks HTTPS, as far as the file tells. */
  readonly https: boolean;
  readonly ctl: CtlConfig;
}

const DEFAULT_API_PORT = 8008;

/** `target` is null after an error. */
export function parseCtlConfig(
  sources: readonly ConfigSource[],
  environment: Environment,
): { target: CtlTarget | null; issues: readonly LocatedIssue[] } {
  const { merged, locations, found } = mergeSources(sources, environment);
  const issues = new Issues(locations);
  const all = () => [...found, ...issues.list].sort(compareIssues);
  if (found.some((issue) => issue.severity === "error")) return { target: null, issues: all() };
  const root = withoutNulls(merged);
  const restSection = check(restapiSchema, root["restapi"] ?? {}, ["restapi"], issues);
  const ctlSection = check(ctlSchema, root["ctl"] ?? {}, ["ctl"], issues);
  const raftSection = check(raftSchema, root["raft"] ?? {}, ["raft"], issues);
  if (!restSection || !ctlSection || !raftSection) return { target: null, issues: all() };
  // Only what the client needs of restapi counts here; whether a server could listen there is not our question.
  const anywhere = { host: "127.0.0.1", port: DEFAULT_API_PORT };
  const restapi = buildRestApi(
    { ...restSection, listen: anywhere, connect_address: anywhere },
    true,
    new Issues(),
  );
  const published = restSection.connect_address ?? restSection.listen;
  const own = published && !isWildcard(published.host) ? [published] : [];
  const raftAddresses = [raftSection.self_addr, ...(raftSection.partner_addrs ?? [])].filter((each) =>
    each !== undefined
  );
  const guessed = raftAddresses.flatMap((address) => {
    const host = parseHostPort(address, DEFAULT_API_PORT)?.host;
    return host === undefined ? [] : [{ host, port: published?.port ?? DEFAULT_API_PORT }];
  });
  const ctl = buildCtl(ctlSection, restapi, issues);
  const scope = root["scope"];
  const target: CtlTarget = {
    scope: typeof scope === "string" || typeof scope === "number" ? String(scope) : null,
    apiAddresses: [...new Set([...own, ...guessed].map(formatHostPort))],
    raftAddresses,
    https: restSection.certfile !== undefined || ctlSection.cacert !== undefined ||
      ctlSection.certfile !== undefined,
    ctl,
  };
  return { target: issues.hasErrors ? null : target, issues: all() };
}
