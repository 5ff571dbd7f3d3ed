import { expect, test } from "bun:test";
import { effectiveDynamic } from "./dynamic.ts";
import { validateDynamic } from "./dynamic_validate.ts";
import { parseConfig } from "./parse.ts";
import { MINIMAL, parsedConfig } from "./testing.ts";
import type { JsonObject } from "../model/json.ts";
import { textOf } from "../model/text_of.ts";

/** `String` makes no text of these: it throws. */
const MAPS = ['{"toString":1}', '[{"toString":1,"valueOf":2}]'];

test("a text is itself, a scalar its text, and anything else its JSON", () => {
  expect(["a", 1.5, true, null, undefined].map(textOf)).toEqual(["a", "1.5", "true", "null", "undefined"]);
  for (const json of MAPS) expect(textOf(JSON.parse(json))).toBe(json);
});

test("a map that cannot be made a text is a wrong value like others, in every place", () => {
  const local = parsedConfig(MINIMAL);
  for (const json of MAPS) {
    const value = JSON.parse(json);
    const dynamic: JsonObject[] = [
      { slots: { a: { type: value } } },
      { postgresql: { parameters: { wal_level: value } } },
      { postgresql: { create_replica_methods: value } },
    ];
    for (const dcs of dynamic) {
      validateDynamic(dcs);
      effectiveDynamic(dcs, local);
    }
    for (const section of [{ watchdog: { mode: value } }, { bootstrap: { method: value } }]) {
      const { issues } = parseConfig([
        { file: "a.yml", text: MINIMAL },
        { file: "b.json", text: JSON.stringify(section) },
      ], {});
      expect(issues.length).toBeGreaterThan(0);
    }
  }
});
