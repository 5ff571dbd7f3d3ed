/**
 * A key of the configuration with its text for users. The tables of docs/configuration.md are printed from
 * here, so that a key cannot be read without a row in them.
 */
import * as z from "zod";
import type { Issues, Path } from "../issues.ts";

/** Texts in Markdown. Neighbours that share one KeyText share one row of the table. */
export interface KeyText {
  /** The value that counts while the key is not there. Left out: none. */
  readonly default?: string;
  /** The step that makes a changed value count. */
  readonly effect?: string;
  readonly meaning: string;
  /** The name to print, where the key stands for names of the user's own. */
  readonly shown?: string;
  /** Read because existing files have it, without effect: a warning says so. */
  readonly noEffect?: true;
}

export interface KeyRow {
  /** From the root of the file. */
  readonly path: readonly string[];
  readonly text: KeyText;
}

export const NO_EFFECT: KeyText = { meaning: "accepted with a warning, no effect", noEffect: true };

const TEXTS = new WeakMap<z.core.$ZodType, KeyText>();

/** A key that may be left out. */
export function key<Schema extends z.ZodType>(schema: Schema, text: KeyText): z.ZodOptional<Schema> {
  const optional = schema.optional();
  TEXTS.set(optional, text);
  return optional;
}

export function requiredKey<Schema extends z.ZodType>(schema: Schema, text: KeyText): Schema {
  const own = schema.clone();
  TEXTS.set(own, text);
  // A clone has the type of its original; zod's types say only that it is a schema.
  return own as Schema;
}

/** The rows of a section, in its order. A section inside of it has one row, or a row for each of its keys. */
export function rowsOf(schema: z.core.$ZodType, path: readonly string[] = []): KeyRow[] {
  const text = TEXTS.get(schema);
  if (text !== undefined) {
    return [{ path: text.shown === undefined ? path : [...path.slice(0, -1), text.shown], text }];
  }
  const shape = shapeOf(schema);
  if (shape === null) throw new Error(`${path.join(".")} has no row: give it one with key()`);
  return Object.entries(shape).flatMap(([name, inner]) => rowsOf(inner, [...path, name]));
}

/** Warns of each given key that has no effect. */
export function warnWithoutEffect(
  schema: z.ZodObject,
  section: { readonly [key: string]: unknown },
  path: Path,
  issues: Issues,
): void {
  for (const [name, inner] of Object.entries(schema.shape)) {
    if (section[name] !== undefined && section[name] !== null && TEXTS.get(inner)?.noEffect) {
      issues.warning([...path, name], "is accepted and has no effect here");
    }
  }
}

function shapeOf(schema: z.core.$ZodType): z.core.$ZodShape | null {
  if (schema instanceof z.ZodOptional) return shapeOf(schema.unwrap());
  return schema instanceof z.ZodObject ? schema.shape : null;
}
