/**
 * The values of `agent ctl query`, in JSON and YAML. As text they are the server's own:
 * test/postgres_lifecycle.test.ts.
 */
import { expect, test } from "bun:test";
import type { Json } from "../../src/model/json.ts";
import { jsonValue } from "./query_value.ts";

test("numbers, booleans and documents are such in JSON where it holds them exactly; all else is the server's text", () => {
  const rows: readonly (readonly [type: number, text: string | null, value: Json])[] = [
    [16, "t", true],
    [16, "f", false],
    [23, "-7", -7],
    [20, "42", 42],
    [20, "9223372036854775807", "9223372036854775807"],
    [701, "0.1", 0.1],
    [701, "NaN", "NaN"],
    [701, "-Infinity", "-Infinity"],
    [1700, "1.50", "1.50"],
    [3802, '{"a": [1]}', { a: [1] }],
    [114, '{"a": 12345678901234567890}', '{"a": 12345678901234567890}'],
    [114, "null", null],
    [25, null, null],
    [17, "\\x0102", "\\x0102"],
    [1007, "{1,2}", "{1,2}"],
    [1082, "2026-11-29", "2026-11-29"],
    [1184, "2026-11-29 02:00:00.123456+01", "2026-11-29 02:00:00.123456+01"],
    [1186, "1 day 02:03:04", "1 day 02:03:04"],
  ];
  for (const [type, text, value] of rows) expect([text, jsonValue(type, text)]).toEqual([text, value]);
});
