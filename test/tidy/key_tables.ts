/** The tables of docs/configuration.md, from the rows of src/config/keys. */
import { CONTROLLED_ROWS } from "../../src/config/guc.ts";
import { bootstrapSchema, METHOD_ROWS } from "../../src/config/keys/bootstrap.ts";
import { DYNAMIC_ROWS, FALLBACKS } from "../../src/config/keys/dynamic.ts";
import { logSchema } from "../../src/config/keys/log.ts";
import { postgresqlSchema, REPLICA_METHOD_ROWS } from "../../src/config/keys/postgresql.ts";
import { raftSchema } from "../../src/config/keys/raft.ts";
import { ctlSchema, restapiSchema } from "../../src/config/keys/restapi.ts";
import { rootSchema } from "../../src/config/keys/root.ts";
import { rowsOf } from "../../src/config/keys/row.ts";
import type { KeyRow } from "../../src/config/keys/row.ts";
import { knownTags } from "../../src/config/keys/tags.ts";
import { watchdogSchema } from "../../src/config/keys/watchdog.ts";

const code = (text: string) => `\`${text}\``;

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`.replaceAll(/\| {2}(?=\|)/g, "| ");
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

/** Neighbours of one text share a row: `raft.tls.certfile`, `keyfile`, `cafile`. */
function localTable(rows: readonly KeyRow[]): string {
  const groups: KeyRow[][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last !== undefined && last[0]?.text === row.text) last.push(row);
    else groups.push([row]);
  }
  const withEffect = rows.some(({ text }) => text.effect !== undefined);
  const cells = groups.map((group) => {
    const { text } = group[0]!;
    const names = group.map(({ path }, at) => {
      const first = group[0]!.path.slice(0, -1).join(".");
      const same = at > 0 && path.slice(0, -1).join(".") === first;
      return code(same ? path.at(-1)! : path.join("."));
    });
    const effect = withEffect ? [text.effect ?? ""] : [];
    return [names.join(", "), text.default ?? "", ...effect, text.meaning];
  });
  return markdownTable(["key", "default", ...withEffect ? ["effect"] : [], "meaning"], cells);
}

const FALLBACK_ROW: KeyRow = {
  path: [FALLBACKS.join("`, `")],
  text: { effect: "reload", meaning: "fallbacks, see above" },
};

const USE_SLOTS_ROW = rowsOf(postgresqlSchema).find(({ path }) => path[0] === "use_slots")!.text;

function dynamicTable(): string {
  const rows = DYNAMIC_ROWS.map(({ key, was = [], type, meaning, example }) => {
    const old = was.length === 0 ? "" : `. Old name${was.length > 1 ? "s" : ""} ${was.map(code).join(", ")}`;
    return [code(key), type.shown, type.range, code(JSON.stringify({ [key]: example })), meaning + old];
  });
  return markdownTable(["key", "default", "range", "example", "meaning"], [
    ...rows,
    [
      "`postgresql.use_slots`",
      USE_SLOTS_ROW.default!,
      "",
      code(JSON.stringify({ postgresql: { use_slots: false } })),
      USE_SLOTS_ROW.meaning,
    ],
    [
      "`postgresql.parameters`",
      "",
      "",
      '`{"postgresql":{"parameters":{"work_mem":"16MB"}}}`',
      "for all members, merged with the local ones",
    ],
    ["`postgresql.*`", "", "", "", "every key of the local section but the facts of one host"],
  ]);
}

/** By the name that stands in the page. */
export const KEY_TABLES: { readonly [name: string]: () => string } = {
  root: () => localTable([...rowsOf(rootSchema).slice(0, 3), FALLBACK_ROW, ...rowsOf(rootSchema).slice(3)]),
  raft: () => localTable(rowsOf(raftSchema, ["raft"])),
  restapi: () => localTable(rowsOf(restapiSchema, ["restapi"])),
  ctl: () => localTable(rowsOf(ctlSchema, ["ctl"])),
  postgresql: () => localTable([...rowsOf(postgresqlSchema, ["postgresql"]), ...REPLICA_METHOD_ROWS]),
  bootstrap: () => localTable([...rowsOf(bootstrapSchema, ["bootstrap"]), ...METHOD_ROWS]),
  watchdog: () => localTable(rowsOf(watchdogSchema, ["watchdog"])),
  tags: () => localTable(rowsOf(knownTags, ["tags"])),
  log: () => localTable(rowsOf(logSchema, ["log"])),
  dynamic: dynamicTable,
  controlled: () =>
    markdownTable(
      ["parameter", "default", "allowed"],
      CONTROLLED_ROWS.map(({ names, default: standard, allowed }) => [names, standard, allowed]),
    ),
};
