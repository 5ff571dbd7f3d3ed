/** Checks data against a schema: types become sentences with the found value, unknown keys warnings. */
import * as z from "zod";
import { describeValue, dottedPath, isSecretPlace } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { editDistance } from "../lib/edit_distance.ts";
import { isJsonObject } from "../model/merge.ts";

/** The schema's output, or null after at least one error was reported. */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  path: Path,
  issues: Issues,
): z.output<Schema> | null {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const inner = issue.path.map((part) => typeof part === "symbol" ? String(part) : part);
    const full = [...path, ...inner];
    issues.error(full, expected(issue.message, full, valueAt(value, inner)));
  }
  return null;
}

export function expected(what: string, path: Path, found: unknown): string {
  return found === undefined ? `required: ${what}` : `expected ${what}, got ${describeValue(path, found)}`;
}

/**
 * Keys that the schema does not name, sections in it included. `alsoKnown`: names that only the data tells.
 */
export function warnUnknownKeys(
  schema: z.ZodType,
  value: unknown,
  path: Path,
  issues: Issues,
  alsoKnown: readonly string[] = [],
): void {
  const shape = shapeOf(schema);
  if (!shape || !isJsonObject(value)) return;
  const known = [...Object.keys(shape), ...alsoKnown];
  for (const [key, item] of Object.entries(value)) {
    const inner = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (inner) warnUnknownKeys(inner as z.ZodType, item, [...path, key], issues);
    else if (!alsoKnown.includes(key)) warnUnknownKey(key, known, path, issues);
  }
}

export function warnUnknownKey(key: string, known: readonly string[], path: Path, issues: Issues): void {
  // A guess costs more than all else about a key: for thousands of keys it held the agent's loop up for
  // longer than a lease lasts.
  const near = issues.showsMore("warning") ? nearest(key, known) : null;
  // Beside passwords, an unknown key may be a password in the wrong place.
  if (isSecretPlace(path) && near === null) {
    issues.warning(path, "holds a key that is not known and has no effect (not shown)");
  } else {
    const guess = near === null ? "" : `; did you mean ${dottedPath([...path, near])}?`;
    issues.warning([...path, key], `this key is not known and has no effect${guess}`);
  }
}

/** The known name of which `name` may be a typing error. */
export function nearest(name: string, known: readonly string[]): string | null {
  const limit = Math.max(1, Math.floor(Math.min(name.length, 40) / 3));
  const typed = name.toLowerCase().replaceAll("-", "_");
  let best: { name: string; distance: number } | null = null;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > limit) continue;
    const distance = editDistance(typed, candidate);
    if (distance <= limit && (best === null || distance < best.distance)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name ?? null;
}

function shapeOf(schema: z.ZodType): z.ZodRawShape | null {
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap() as z.ZodType);
  return schema instanceof z.ZodObject ? schema.shape : null;
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const part of path) {
    if (Array.isArray(current)) current = current[Number(part)];
    else if (isJsonObject(current) && Object.hasOwn(current, part)) current = current[part];
    else return undefined;
  }
  return current;
}
