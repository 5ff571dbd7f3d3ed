/** The values of `agent ctl query`, as they come from the server. */
import { expect, test } from "bun:test";
import pg from "pg";
import { readerOf } from "./query.ts";

test("times and intervals are shown as the server wrote them, whatever the time zone of this host", () => {
  const read = (type: number, text: string): unknown => readerOf(type, pg.types.getTypeParser)(text);
  const texts: readonly [number, string][] = [
    [20, "9223372036854775807"],
    [1082, "2026-11-29"],
    [1114, "2026-11-29 02:00:00"],
    [1184, "2026-11-29 02:00:00.123456+01"],
    [1185, '{"2026-11-29 02:00:00+01"}'],
    [1186, "1 day 02:03:04"],
  ];
  for (const [type, text] of texts) expect(read(type, text)).toBe(text);
  expect([read(16, "t"), read(23, "-7"), read(3802, '{"a": [1]}'), read(1007, "{1,2}")]).toEqual([
    true,
    -7,
    { a: [1] },
    [1, 2],
  ]);
});
