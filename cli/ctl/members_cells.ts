/** What stands in each column of the table of members: patronictl's wording. */
import type { ClusterMemberJson } from "../../src/api/client.ts";
import { ailmentText, clockText, copyText, isStopped, stopText, troubleCell } from "./members_footer.ts";
import type { Cell, Format, Row } from "./output.ts";
import { yamlFlowText, yamlText } from "./yaml_text.ts";

export interface CellsOptions {
  readonly cluster: string;
  readonly format: Format;
  /** The port stands behind the host. */
  readonly appendPort: boolean;
}

export function isForPeople(format: Format): boolean {
  return format === "pretty" || format === "topology";
}

/** Every column that there is. `name`: as it is shown. */
export function memberCells(
  member: ClusterMemberJson,
  name: string,
  { cluster, format, appendPort }: CellsOptions,
): Row {
  const { agent, tags } = member;
  const host = member.host ?? "";
  const scheduled = member.scheduled_restart;
  const version = scheduled?.postgres_version === undefined
    ? ""
    : ` if version < ${scheduled.postgres_version}`;
  return {
    Cluster: cluster,
    Member: name,
    Host: appendPort && host !== "" && member.port !== undefined ? `${host}:${member.port}` : host,
    Role: titleCase(member.role),
    State: member.state,
    TL: member.timeline ?? "",
    "Receive LSN": member.receive_lsn ?? "",
    "Receive Lag": megabytes(member.receive_lag),
    "Replay LSN": member.replay_lsn ?? "",
    "Replay Lag": megabytes(member.replay_lag),
    "Lag in MB": member.lag === "unknown" ? "unknown" : megabytes(member.lag),
    "Pending restart": member.pending_restart ? "*" : "",
    "Pending restart reason": reasonCell(member, format),
    "Scheduled restart": scheduled === undefined ? "" : `${scheduled.schedule}${version}`,
    Watchdog: watchdogCell(member),
    ...(tags ? { Tags: tagsCell(tags, format) } : {}),
    ...(isStopped(member) ? { "Stop reason": stopText(agent!.last_stop!) } : {}),
    ...(agent?.copy ? { Copy: copyText(agent.copy) } : {}),
    ...(agent?.ailments ? { Ailments: agent.ailments.map(ailmentText).join("\n") } : {}),
    ...(agent?.clock_off_s === undefined ? {} : { Clock: clockText(agent.clock_off_s) }),
    ...(agent?.sync_troubles ? { "Sync troubles": agent.sync_troubles.map(troubleCell).join("\n") } : {}),
  };
}

/** One a line; in tsv, whose records are one line each, with commas between. */
function reasonCell({ pending_restart_reason: changes = {} }: ClusterMemberJson, format: Format): string {
  const reasons = Object.entries(changes).map(([parameter, change]) => {
    const text = `${parameter}: ${change.old_value}->${change.new_value}`;
    return isForPeople(format) && text.length > 50 ? `${parameter}: [hidden - too long]` : text;
  });
  return reasons.join(format === "tsv" ? ", " : "\n");
}

/** The watchdog runs on the leader only. There its absence is shown. */
function watchdogCell({ role, agent }: ClusterMemberJson): string {
  if (agent?.watchdog === undefined) return "";
  const { mode, active, timeout } = agent.watchdog;
  if (active) return `${mode}, ${timeout} s`;
  return role.endsWith("leader") ? `${mode}, not active` : mode;
}

function tagsCell(tags: object, format: Format): Cell {
  if (format === "json" || format === "yaml" || format === "yml") return tags;
  return format === "pretty" ? yamlText(tags).trim() : yamlFlowText(tags);
}

function titleCase(role: string): string {
  return role.split("_").map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`).join(" ");
}

/** Bytes as whole MB; halves to the even one, as Python rounds. "" when unknown. */
function megabytes(bytes: number | string | undefined): number | "" {
  if (typeof bytes !== "number") return "";
  const exact = bytes / 1024 / 1024;
  const floor = Math.floor(exact);
  if (exact - floor === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(exact);
}
