import { expect, test } from "bun:test";
import { parseBool } from "./parse_bool.ts";

test("every spelling of true", () => {
  for (const value of [true, 1, "1", "on", "ON", "On", "true", "True", "TRUE", "yes", "Yes", " on "]) {
    expect(parseBool(value)).toBe(true);
  }
});

test("every spelling of false", () => {
  for (const value of [false, 0, "0", "off", "OFF", "false", "False", "no", "NO"]) {
    expect(parseBool(value)).toBe(false);
  }
});

test("anything else is no boolean", () => {
  for (const value of ["", "y", "t", "maybe", 2, -1, null, undefined, {}, [], [true]]) {
    expect(parseBool(value)).toBeNull();
  }
});
