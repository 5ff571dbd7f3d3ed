/** The members of a cluster as `list` and `topology` show them: patronictl's columns, order and wording. */
import type {
  ClusterJson,
  ClusterMemberJson,
  CopyJson,
  LeadFailureJson,
  SlotAtRiskJson,
} from "../../src/api/client.ts";
import { describeCopy } from "../../src/model/copy_status.ts";
import type { Ailment } from "../../src/model/ailment.ts";
import type { SyncTrouble, SyncTroubleKind } from "../../src/model/sync_trouble.ts";
import type { LastStop } from "../../src/model/last_stop.ts";
import type { Io } from "./io.ts";
import { type Cell, type Format, printListing, type Row } from "./output.ts";
import { type Column, table } from "./table.ts";
import { type TopologyMember, topologyOrder } from "./topology_order.ts";
import { yamlFlowText, yamlText } from "./yaml_text.ts";
import { shownText } from "../../src/model/plain_text.ts";
import { textOf } from "../../src/model/text_of.ts";

const COLUMNS = [
  "Cluster",
  "Member",
  "Host",
  "Role",
  "State",
  "TL",
  "Receive LSN",
  "Receive Lag",
  "Replay LSN",
  "Replay Lag",
] as const;
const RIGHT = ["TL", "Receive LSN", "Receive Lag", "Replay LSN", "Replay Lag"];

/** Shown when asked for, or when some member has something there. */
const OPTIONAL: readonly (readonly [string, (member: ClusterMemberJson) => boolean])[] = [
  ["Pending restart", (member) => member.pending_restart === true],
  ["Pending restart reason", (member) => Object.keys(member.pending_restart_reason ?? {}).length > 0],
  ["Scheduled restart", (member) => member.scheduled_restart !== undefined],
  ["Tags", (member) => Object.keys(member.tags ?? {}).length > 0],
];

export interface MembersOptions {
  readonly format: Format;
  readonly extended: boolean;
  /** Below the table: witnesses, and how many more voters may fail. @default false */
  readonly quorum?: boolean;
}

export function printMembers(
  io: Io,
  cluster: ClusterJson,
  { format, extended, quorum = false }: MembersOptions,
): void {
  const { members } = cluster;
  const optional = OPTIONAL.filter(([, has]) => extended || members.some(has)).map(([name]) => name);
  const watchdogs = extended && members.some((member) => member.agent?.watchdog !== undefined);
  const columns = [...COLUMNS, ...optional, ...(watchdogs ? ["Watchdog"] : [])];
  const appendPort = needsPorts(members);
  const ordered: readonly TopologyMember[] = format === "topology"
    ? topologyOrder(members)
    : members.map((member) => ({ member, shownName: member.name }));
  const forPeople = format === "pretty" || format === "topology";
  const rows = ordered.map(({ member, shownName }) => {
    const cells = memberCells(cluster.scope, member, shownName, appendPort, forPeople);
    return {
      ...cells,
      ...(member.tags ? { Tags: tagsCell(member.tags, format) } : {}),
      ...(isStopped(member) ? { "Stop reason": stopText(member.agent!.last_stop!) } : {}),
      ...(member.agent?.copy ? { Copy: copyText(member.agent.copy) } : {}),
      ...(member.agent?.ailments ? { Ailments: member.agent.ailments.map(ailmentText).join("\n") } : {}),
      ...(member.agent?.sync_troubles
        ? { "Sync troubles": member.agent.sync_troubles.map(troubleCell).join("\n") }
        : {}),
    };
  });
  if (!forPeople) {
    // Formats that programs read by column keep their columns.
    const keys = format === "tsv"
      ? columns
      : [...columns, "Stop reason", "Copy", "Ailments", "Sync troubles"];
    return printListing(
      io,
      { columns: keys, rows: rows.map((row) => filled(row, columns, format)), right: RIGHT },
      format,
      "",
    );
  }
  io.out(membersTable(cluster, columns.slice(1), rows));
  for (const line of [...footer(cluster, extended), ...(quorum ? quorumLines(cluster) : [])]) io.out(line);
}

/** The row as it is printed: in tsv every column has its place; in JSON and YAML empty ones are left out. */
function filled(row: Row, columns: readonly string[], format: Format): Row {
  if (format === "tsv") return Object.fromEntries(columns.map((name) => [name, row[name] ?? ""]));
  return Object.fromEntries(Object.entries(row).filter(([, cell]) => cell !== ""));
}

function membersTable(cluster: ClusterJson, columns: readonly string[], rows: readonly Row[]): string {
  const shown: Column[] = columns.map((name) => ({
    title: name.endsWith(" Lag") ? "Lag" : name,
    align: RIGHT.includes(name) ? "right" : "left",
  }));
  const initialize = cluster.agent?.initialize ?? null;
  const systemId = initialize === null ? "uninitialized" : initialize === "" ? "initializing" : initialize;
  const cells = rows.map((row) => columns.map((name) => shownText(textOf(row[name] ?? ""))));
  return table(` Cluster: ${cluster.scope} (${systemId}) `, shown, cells);
}

/** Ports are shown when they say something: one is not PostgreSQL's own, or two members share a host. */
function needsPorts(members: readonly ClusterMemberJson[]): boolean {
  const placed = members.filter(({ host }) => host !== undefined);
  return placed.some(({ port }) => port !== undefined && port !== 5432) ||
    new Set(placed.map(({ host }) => host)).size < placed.length;
}

function memberCells(
  cluster: string,
  member: ClusterMemberJson,
  name: string,
  appendPort: boolean,
  forPeople: boolean,
): Row {
  const host = member.host ?? "";
  const reasons = Object.entries(member.pending_restart_reason ?? {}).map(([parameter, change]) => {
    const text = `${parameter}: ${change.old_value}->${change.new_value}`;
    return forPeople && text.length > 50 ? `${parameter}: [hidden - too long]` : text;
  });
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
    "Pending restart": member.pending_restart ? "*" : "",
    "Pending restart reason": reasons.join("\n"),
    "Scheduled restart": scheduled === undefined ? "" : `${scheduled.schedule}${version}`,
    Watchdog: watchdogCell(member),
  };
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

/** The voters beside the members, and how many voters may fail. Members of an older version do not say. */
function quorumLines({ agent }: ClusterJson): string[] {
  const witnesses = agent?.witnesses ?? [];
  return [
    ...(witnesses.length > 0 ? [` Witness: ${witnesses.join(", ")}`] : []),
    ...(typeof agent?.can_lose === "number" ? [` Quorum: can lose ${agent.can_lose} more`] : []),
  ];
}

/** Its PostgreSQL was stopped, and does not run again. */
function isStopped({ agent }: ClusterMemberJson): boolean {
  return agent?.last_stop?.over === false;
}

function stopText({ steps, why, at }: LastStop): string {
  return `${why} (${steps.join(", ")} since ${at})`;
}

function failureText({ why, times, at, sits_out }: LeadFailureJson): string {
  const often = times > 1 ? `${times} times, last at ${at}` : at;
  return `${why} (${often})${sits_out ? ": others come first for a while" : ""}`;
}

function ailmentText({ cause, severity, since, detail }: Ailment): string {
  return `${cause} (${severity} since ${since}): ${detail}`;
}

/** A kind of a later version has none here. */
const TROUBLE_TITLES: { readonly [kind: string]: string } = {
  "writes-blocked": "Writes wait",
  "too-few-members": "Synchronous mode",
  "name-clash": "Name clash",
} satisfies { readonly [kind in SyncTroubleKind]: string };

function troubleCell({ kind, since, detail }: SyncTrouble): string {
  return `${kind} (since ${since}): ${detail}`;
}

function troubleText(member: string, { kind, since, detail }: SyncTrouble): string {
  return ` ${TROUBLE_TITLES[kind] ?? "Synchronous mode"}: ${member}, since ${since}: ${detail}`;
}

function riskText({ held_bytes, safe_bytes }: SlotAtRiskJson): string {
  const gib = (bytes: number) => `${(Math.max(0, bytes) / 2 ** 30).toFixed(1)} GiB`;
  return safe_bytes === null
    ? "has lost the WAL that it needs: its user has to begin anew"
    : `holds ${gib(held_bytes)} of WAL, and loses it when ${gib(safe_bytes)} more are written`;
}

function copyText({ from, by, done_bytes, total_bytes, bytes_per_second }: CopyJson): string {
  return describeCopy({
    from,
    ...(by === undefined ? {} : { by }),
    doneBytes: done_bytes,
    totalBytes: total_bytes,
    bytesPerSecond: bytes_per_second,
  });
}

function footer(
  { members, pause, failsafe_mode_is_active: failsafe, scheduled_switchover: scheduled, agent }: ClusterJson,
  extended: boolean,
): string[] {
  const lines: string[] = [];
  const until = agent?.pause_until;
  if (pause) lines.push(` Maintenance mode: on${until === undefined ? "" : `, until ${until}`}`);
  if (failsafe) lines.push(" Failsafe mode: active");
  if (agent?.operator_needed !== undefined) lines.push(` Operator needed: ${agent.operator_needed}`);
  if (agent?.failover_waits_s !== undefined) {
    lines.push(` Failover: waits ${agent.failover_waits_s} s until the primary has followed the lower ttl`);
  }
  if (agent?.failsafe_lacks !== undefined) lines.push(` Failsafe mode: ${agent.failsafe_lacks}`);
  if (scheduled) {
    lines.push(` Switchover scheduled at: ${scheduled.at}`);
    if (scheduled.from !== undefined) lines.push(`${"from".padStart(24)}: ${scheduled.from}`);
    if (scheduled.to !== undefined) lines.push(`${"to".padStart(24)}: ${scheduled.to}`);
  }
  for (const { name, agent: own } of members) {
    if (own?.last_state === undefined) continue;
    lines.push(` Unknown: ${name} does not answer, ${own.last_state} ${own.last_state_s} s ago`);
  }
  for (const { name, agent: own } of members) {
    if (own?.copy !== undefined) lines.push(` Copying: ${name} ${copyText(own.copy)}`);
    if (own?.copy_failed !== undefined) lines.push(` Copy failed: ${name}: ${own.copy_failed}`);
    if (own?.needs_reinit !== undefined) lines.push(` Needs reinit: ${name}: ${own.needs_reinit}`);
    for (const slot of own?.slots_at_risk ?? []) {
      lines.push(` Slot: ${slot.name} on ${name} ${riskText(slot)}`);
    }
  }
  for (const { name, agent: own } of members) {
    for (const ailment of own?.ailments ?? []) lines.push(` Ailing: ${name}, ${ailmentText(ailment)}`);
    for (const trouble of own?.sync_troubles ?? []) lines.push(troubleText(name, trouble));
  }
  for (const member of members) {
    const stop = member.agent?.last_stop;
    if (stop === undefined || !(extended || isStopped(member))) continue;
    lines.push(` ${stop.over ? "Last stop" : "Stopped"}: ${member.name}, ${stopText(stop)}`);
  }
  for (const { name, agent: own } of members) {
    if (own?.lead_failure !== undefined) {
      lines.push(` Cannot lead: ${name}, ${failureText(own.lead_failure)}`);
    }
  }
  for (const { name, agent: own } of members) {
    const refused = own?.reload_refused;
    if (refused === undefined) continue;
    lines.push(` Reload refused: ${name} goes on with what it had, ${refused.why} (${refused.at})`);
  }
  for (const { name, last_seen_s } of agent?.unreachable ?? []) {
    lines.push(` Unreachable: ${name}${last_seen_s === null ? "" : `, last seen ${last_seen_s} s ago`}`);
  }
  if (agent?.fresh === false) {
    const age = agent.view_age_ms === null ? "" : `${Math.round(agent.view_age_ms / 1000)} s old, `;
    lines.push(
      ` Stale: ${age}as ${agent.answered_by} saw it, which has no contact with a majority of the members`,
    );
  }
  return lines;
}
