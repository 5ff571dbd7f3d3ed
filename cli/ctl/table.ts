/** Tables as PrettyTable draws them, with a title in the upper border as patronictl puts it there. */

export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** `title` may be empty. Cells may hold several lines; then every row is ruled off. */
export function table(
  title: string,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const header = columns.map((column) => column.title);
  const widths = columns.map((_, index) =>
    Math.max(...[header, ...rows].flatMap((row) => (row[index] ?? "").split("\n").map(textWidth)))
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const ruleRows = rows.some((row) => row.some((cell) => cell.includes("\n")));
  const draw = (row: readonly string[]) => rowLines(row, columns, widths);
  const body = rows.map(draw);
  const lines = [withTitle(rule, title), ...draw(header), rule];
  if (ruleRows) lines.push(...body.flatMap((row) => [...row, rule]));
  else lines.push(...body.flat(), rule);
  return lines.join("\n");
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

function textWidth(text: string): number {
  return [...text].length;
}
