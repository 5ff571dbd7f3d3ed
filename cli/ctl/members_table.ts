/** The members of a cluster as `list` and `topology` show them: patronictl's columns and order. */
import type { ClusterJson, ClusterMemberJson } from "../../src/api/client.ts";
import { shownText } from "../../src/model/plain_text.ts";
import { textOf } from "../../src/model/text_of.ts";
import type { Colour } from "./colour.ts";
import { UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import { isForPeople, memberCells } from "./members_cells.ts";
import { footer, quorumLines } from "./members_footer.ts";
import { type Format, printListing, type Row } from "./output.ts";
import { type Column, tableLines } from "./table.ts";
import { type TopologyMember, topologyOrder } from "./topology_order.ts";

/** For ClusterAccess.look: printMembers says below its table when the answer is stale. */
export const SHOWS_AGE = { showsAge: true } as const;

const FIRST = ["Cluster", "Member", "Host", "Role", "State", "TL"] as const;
const COLUMNS = [...FIRST, "Receive LSN", "Receive Lag", "Replay LSN", "Replay Lag"] as const;
/** Those of patronictl before 4.1, for scripts. */
const LEGACY_COLUMNS = [...FIRST, "Lag in MB"] as const;
const RIGHT = ["TL", "Receive LSN", "Receive Lag", "Replay LSN", "Replay Lag", "Lag in MB"];

/** Shown when asked for, or when some member has something there. */
const OPTIONAL: readonly (readonly [string, (member: ClusterMemberJson) => boolean])[] = [
  ["Pending restart", (member) => member.pending_restart === true],
  ["Pending restart reason", (member) => Object.keys(member.pending_restart_reason ?? {}).length > 0],
  ["Scheduled restart", (member) => member.scheduled_restart !== undefined],
  ["Tags", (member) => Object.keys(member.tags ?? {}).length > 0],
];
const WATCHDOG = "Watchdog";
/** Only in formats that name each cell: those read by column keep their columns. */
const NAMED_ONLY = ["Stop reason", "Copy", "Ailments", "Sync troubles", "Clock"];
const ALL = [...COLUMNS, "Lag in MB", ...OPTIONAL.map(([name]) => name), WATCHDOG, ...NAMED_ONLY];

/** null: patronictl's. */
export type Columns = "legacy" | readonly string[] | null;

/** `legacy`, or names with commas between, in any case. Throws UsageError. */
export function parseColumns(text: string | null): Columns {
  if (text === null || text === "legacy") return text;
  return text.split(",").map((part) => {
    const asked = part.trim();
    const found = ALL.find((name) => name.toLowerCase() === asked.toLowerCase());
    if (found !== undefined) return found;
    throw new UsageError(
      `Invalid value for '--columns': '${asked}' is not 'legacy' or one of ${ALL.join(", ")}.`,
    );
  });
}

export interface MembersOptions {
  readonly format: Format;
  readonly extended: boolean;
  /** @default patronictl's */
  readonly columns?: Columns;
  /** Below the table: witnesses, and how many more voters may fail. @default false */
  readonly quorum?: boolean;
  /** Where this comes from, when no member has answered. */
  readonly stale?: string;
}

export function printMembers(io: Pick<Io, "out">, cluster: ClusterJson, options: MembersOptions): void {
  const { members } = cluster;
  const { format, extended, quorum = false } = options;
  const columns = columnsFor(members, options);
  const ordered: readonly TopologyMember[] = format === "topology"
    ? topologyOrder(members)
    : members.map((member) => ({ member, shownName: member.name }));
  const layout = { cluster: cluster.scope, format, appendPort: needsPorts(members) };
  const rows = ordered.map(({ member, shownName }) => memberCells(member, shownName, layout));
  if (!isForPeople(format)) {
    const isChosen = Array.isArray(options.columns);
    const keys = format === "tsv" || isChosen ? columns : [...columns, ...NAMED_ONLY];
    const filledRows = rows.map((row) => filled(row, columns, format));
    return printListing(io, { columns: keys, rows: filledRows, right: RIGHT }, format, "");
  }
  printTable(io, cluster, columns, rows, ordered.map(({ member }) => member));
  for (const line of footer(cluster, extended)) io.out(line, "notice");
  if (options.stale !== undefined) io.out(` Stale: from ${options.stale}`, "bad");
  if (quorum) { for (const line of quorumLines(cluster)) io.out(line); }
}

function columnsFor(members: readonly ClusterMemberJson[], options: MembersOptions): readonly string[] {
  const { columns = null, extended, format } = options;
  if (columns !== null && columns !== "legacy") return columns;
  const optional = OPTIONAL.filter(([, has]) => extended || members.some(has)).map(([name]) => name);
  const watchdogs = extended && members.some((member) => member.agent?.watchdog !== undefined);
  const all = [
    ...(columns === "legacy" ? LEGACY_COLUMNS : COLUMNS),
    ...optional,
    ...(watchdogs ? [WATCHDOG] : []),
  ];
  // The border of a table has the name of the cluster.
  return isForPeople(format) ? all.slice(1) : all;
}

/** The row as it is printed: in tsv every column has its place; in JSON and YAML empty ones are left out. */
function filled(row: Row, columns: readonly string[], format: Format): Row {
  if (format === "tsv") return Object.fromEntries(columns.map((name) => [name, row[name] ?? ""]));
  return Object.fromEntries(Object.entries(row).filter(([, cell]) => cell !== ""));
}

function printTable(
  io: Pick<Io, "out">,
  cluster: ClusterJson,
  columns: readonly string[],
  rows: readonly Row[],
  members: readonly ClusterMemberJson[],
): void {
  const shown: Column[] = columns.map((name) => ({
    title: name.endsWith(" Lag") ? "Lag" : name,
    align: RIGHT.includes(name) ? "right" : "left",
  }));
  const initialize = cluster.agent?.initialize ?? null;
  const systemId = initialize === null ? "uninitialized" : initialize === "" ? "initializing" : initialize;
  const cells = rows.map((row) => columns.map((name) => shownText(textOf(row[name] ?? ""))));
  for (const { text, row } of tableLines(` Cluster: ${cluster.scope} (${systemId}) `, shown, cells)) {
    io.out(text, row === null ? undefined : colourOf(members[row]!));
  }
}

const WELL = ["running", "streaming", "in archive recovery"];
const CHANGING = /^(starting|stopping|restarting|creating replica|initializing|promoting|running custom)/;

function colourOf({ role, state }: ClusterMemberJson): Colour | undefined {
  if (!WELL.includes(state)) return CHANGING.test(state) ? "notice" : "bad";
  return role.endsWith("leader") ? "title" : undefined;
}

/** Ports are shown when they say something: one is not PostgreSQL's own, or two members share a host. */
function needsPorts(members: readonly ClusterMemberJson[]): boolean {
  const placed = members.filter(({ host }) => host !== undefined);
  return placed.some(({ port }) => port !== undefined && port !== 5432) ||
    new Set(placed.map(({ host }) => host)).size < placed.length;
}
