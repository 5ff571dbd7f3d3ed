import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { type Column, table } from "./table.ts";

const COLUMNS: readonly Column[] = [{ title: "Name", align: "left" }, { title: "TL", align: "right" }];

test("columns are as wide as their widest cell, numbers stand right", () => {
  expect(table("", COLUMNS, [["node1", "3"], ["n", "12345"]])).toBe([
    "+-------+-------+",
    "| Name  |    TL |",
    "+-------+-------+",
    "| node1 |     3 |",
    "| n     | 12345 |",
    "+-------+-------+",
  ].join("\n"));
});

test("the title lies in the upper border and is cut where the table ends", () => {
  expect(table(" A: b ", COLUMNS, [["node1", "3"]]).split("\n")[0]).toBe("+ A: b -+----+");
  expect(table(" A title that is too long ", COLUMNS, [["node1", "3"]]).split("\n")[0]).toBe(
    "+ A title tha+",
  );
});

test("rows are ruled off when a cell has several lines", () => {
  expect(table("", COLUMNS, [["a\nbc", "1"], ["d", "2"]])).toBe([
    "+------+----+",
    "| Name | TL |",
    "+------+----+",
    "| a    |  1 |",
    "| bc   |    |",
    "+------+----+",
    "| d    |  2 |",
    "+------+----+",
  ].join("\n"));
});

test("a tab in a cell moves no border", () => {
  const lines = table("", COLUMNS, [["a\tb", "1"], ["12345678\tc", "2"]]).split("\n");
  expect(lines.slice(3, 5)).toEqual(["| a       b         |  1 |", "| 12345678        c |  2 |"]);
});

test("without rows the borders remain", () => {
  expect(table("", COLUMNS, [])).toBe("+------+----+\n| Name | TL |\n+------+----+\n+------+----+");
});

test("every line of a table is as long as the others, whatever signs are in it, and none is cut in half", () => {
  const sign = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/[\r\n\t]/.test(text));
  fc.assert(fc.property(sign, fc.array(fc.tuple(sign, sign), { maxLength: 4 }), (title, rows) => {
    const columns = [{ title: "Member", align: "left" }, { title: "Host", align: "right" }] as const;
    const lines = table(` Cluster: ${title} `, columns, rows).split("\n");
    expect(new Set(lines.map((line) => [...line].length)).size).toBe(1);
    for (const line of lines) expect(line.isWellFormed()).toBe(true);
    for (const [i, [name, host]] of rows.entries()) {
      expect(lines[3 + i]).toStartWith(`| ${name}`);
      expect(lines[3 + i]).toEndWith(`${host} |`);
    }
  }));
});
