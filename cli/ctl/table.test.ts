import { expect, test } from "bun:test";
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

test("without rows the borders remain", () => {
  expect(table("", COLUMNS, [])).toBe("+------+----+\n| Name | TL |\n+------+----+\n+------+----+");
});
