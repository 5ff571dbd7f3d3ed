/** Tables as PrettyTable draws them, with a title in the upper border as patronictl puts it there. */

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

export interface TableLine {
  readonly text: string;
  /** Index of the row that it belongs to; null: border or heading. */
  readonly row: number | null;
}

export function table(
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  return tableLines(title, columns, rows).map(({ text }) => text).join("\n");
}

/** `title` may be empty. Cells may hold several lines; then every row is ruled off. */
export function tableLines(
  title: string,
  columns: readonly Column[],
  texts: readonly (readonly string[])[],
): readonly TableLine[] {
  const rows = texts.map((row) => row.map((cell) => cell.split("\n").map(withoutTabs).join("\n")));
  const header = columns.map((column) => column.title);
  const widths = columns.map((_, index) =>
    Math.max(...[header, ...rows].flatMap((row) => (row[index] ?? "").split("\n").map(textWidth)))
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const ruleRows = rows.some((row) => row.some((cell) => cell.includes("\n")));
  const draw = (row: readonly string[]) => rowLines(row, columns, widths);
  const border = (text: string): TableLine => ({ text, row: null });
  const body = rows.map((row, index) => draw(row).map((text): TableLine => ({ text, row: index })));
  const lines = [withTitle(rule, title), ...draw(header), rule].map(border);
  if (ruleRows) lines.push(...body.flatMap((row) => [...row, border(rule)]));
  else lines.push(...body.flat(), border(rule));
  return lines;
}

function withTitle(rule: string, title: string): string {
  const shown = [...title].slice(0, rule.length - 2);
  return `${rule[0]}${shown.join("")}${rule.slice(1 + shown.length)}`;
}

function rowLines(row: readonly string[], columns: readonly Column[], widths: readonly number[]): string[] {
  const cells = columns.map((_, index) => (row[index] ?? "").split("\n"));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => {
    const parts = cells.map((lines, index) => {
      const text = lines[line] ?? "";
      const padding = " ".repeat(widths[index]! - textWidth(text));
      return columns[index]!.align === "right" ? ` ${padding}${text} ` : ` ${text}${padding} `;
    });
    return `|${parts.join("|")}|`;
  });
}

/** A tab would move what stands behind it, the border as well. */
function withoutTabs(line: string): string {
  return line.split("\t").reduce((shown, part) => `${shown}${" ".repeat(8 - textWidth(shown) % 8)}${part}`);
}

function textWidth(text: string): number {
  return [...text].length;
}
