/** Prints rows in the requested format. */
import { jsonText } from "../../src/api/client.ts";
import { shownText } from "../../src/model/plain_text.ts";
import type { Io } from "./io.ts";
import { type Column, table } from "./table.ts";
import { yamlText } from "./yaml_text.ts";

export type Format = "pretty" | "tsv" | "json" | "yaml" | "yml" | "topology";
/** null: SQL's. */
export type Cell = string | number | boolean | object | null;
export type Row = { readonly [column: string]: Cell };

export interface Listing {
  /** Names of the columns, as tsv, JSON and YAML show them. */
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** Columns with numbers. */
  readonly right: readonly string[];
}

/** `title`: in the upper border of a table; "": none. */
export function printListing(
  io: Pick<Io, "out">,
  { columns, rows, right }: Listing,
  format: Format,
  title: string,
): void {
  switch (format) {
    case "json":
      return io.out(jsonText(rows.map((row) => pick(row, columns))));
    case "yaml":
    case "yml":
      return io.out(yamlText(rows.map((row) => pick(row, columns))).trimEnd());
    case "tsv":
      for (const line of [columns, ...rows.map((row) => columns.map((name) => cellText(row[name])))]) {
        io.out(line.map(tsvCell).join("\t"));
      }
      return;
    case "pretty":
    case "topology": {
      const shown: Column[] = columns.map((name) => ({
        title: name,
        align: right.includes(name) ? "right" : "left",
      }));
      io.out(table(title, shown, rows.map((row) => columns.map((name) => cellText(row[name])))));
    }
  }
}

function pick(row: Row, columns: readonly string[]): { [column: string]: Cell } {
  return Object.fromEntries(
    columns.filter((name) => row[name] !== undefined).map((name) => [name, row[name]!]),
  );
}

/** A record is one line: what would end it or its column is written as in PostgreSQL's COPY. */
export function tsvCell(text: string): string {
  return text.replace(/[\n\r\t]/g, (character) => TSV_ESCAPES[character]!);
}

const TSV_ESCAPES: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function cellText(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell === "boolean") return cell ? "True" : "False";
  return typeof cell === "object" ? jsonText(cell) : shownText(String(cell));
}
