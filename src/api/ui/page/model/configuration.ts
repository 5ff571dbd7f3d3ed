/** The editor of the dynamic configuration: what was changed in its text, and the patch that says so. */
import type { Json, JsonObject } from "../../../../model/json.ts";

export interface Change {
  /** "postgresql.parameters.work_mem" */
  readonly key: string;
  /** As JSON; null: the key is not there. */
  readonly before: string | null;
  readonly after: string | null;
}

export type Edited =
  | {
    readonly ok: true;
    readonly value: JsonObject;
    readonly changes: readonly Change[];
    readonly patch: JsonObject;
  }
  | { readonly ok: false; readonly problem: string };

export function shownText(config: JsonObject): string {
  return JSON.stringify(config, null, 2);
}

/** `text` is what the operator made of `before`. */
export function edited(before: JsonObject, text: string): Edited {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, problem: `This is not JSON: ${error.message}` };
    throw error;
  }
  if (!isObject(value)) return { ok: false, problem: "An object is expected: { ... }" };
  const lost = nullIn(value, before, "");
  if (lost !== null) return { ok: false, problem: `${lost} is null: remove the key instead` };
  return { ok: true, value, changes: changes(before, value), patch: patchOf(before, value) };
}

export function changes(before: JsonObject, after: JsonObject, path = ""): readonly Change[] {
  return keysOf(before, after).flatMap((key) => {
    const [old, now] = [own(before, key), own(after, key)];
    const whole = path === "" ? key : `${path}.${key}`;
    if (old !== undefined && now !== undefined && isObject(old) && isObject(now)) {
      return changes(old, now, whole);
    }
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    return [{ key: whole, before: jsonOf(old), after: jsonOf(now) }];
  });
}

/** As PATCH /config takes it: null removes. Keys that are the same are left out, and so stay as they are. */
export function patchOf(before: JsonObject, after: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const key of keysOf(before, after)) {
    const [old, now] = [own(before, key), own(after, key)];
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    if (now === undefined) patch[key] = null;
    else patch[key] = old !== undefined && isObject(old) && isObject(now) ? patchOf(old, now) : now;
  }
  return patch;
}

/**
 * A patch cannot set null; one inside of something new would be kept as it is, and mean something else. One
 * that was there before is not sent: `{"slots": {"s1": null}}` is a slot.
 */
function nullIn(value: Json, before: Json | undefined, path: string): string | null {
  if (value === null) return before === null ? null : path;
  if (!isObject(value)) return null;
  for (const [key, inner] of Object.entries(value)) {
    const old = before !== undefined && isObject(before) ? own(before, key) : undefined;
    const found = nullIn(inner!, old, path === "" ? key : `${path}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

function keysOf(before: JsonObject, after: JsonObject): readonly string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])];
}

function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function jsonOf(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
