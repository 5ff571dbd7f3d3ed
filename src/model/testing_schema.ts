/** The part of JSON Schema that checks are described in, for tests of documents. */
import type { JsonSchema } from "./shape.ts";

const TYPES: { readonly [type: string]: (value: unknown) => boolean } = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  array: (value) => Array.isArray(value),
  object: isMap,
};
const KNOWN = new Set([
  ..."type enum anyOf minimum maximum minLength maxLength items prefixItems minItems maxItems".split(" "),
  ..."properties required additionalProperties maxProperties description examples default $ref".split(" "),
]);

export interface SchemaOptions {
  /** Fields that a map's schema does not name are flaws, unless it says what they are. @default false */
  readonly closed?: boolean;
  /** @default none can be referred to */
  readonly resolve?: (ref: string) => JsonSchema;
}

/** Where and why the value does not fit; null: it fits. Throws for a keyword that is not known here. */
export function schemaFlaw(schema: JsonSchema, value: unknown, options: SchemaOptions = {}): string | null {
  const strange = Object.keys(schema).find((keyword) => !KNOWN.has(keyword));
  if (strange !== undefined) throw new Error(`${strange} is no keyword that is known here`);
  if (typeof schema.$ref === "string") return schemaFlaw(options.resolve!(schema.$ref), value, options);
  const flaws = [
    typeFlaw(schema, value),
    boundsFlaw(schema, value),
    Array.isArray(value) ? itemsFlaw(schema, value, options) : null,
    isMap(value) ? fieldsFlaw(schema, value, options) : null,
  ];
  return flaws.find((flaw) => flaw !== null) ?? null;

  function typeFlaw({ type, enum: words, anyOf }: JsonSchema, one: unknown): string | null {
    const types = [type ?? []].flat() as string[];
    if (types.length > 0 && !types.some((name) => TYPES[name]!(one))) return `${show(one)} is no ${types}`;
    if (Array.isArray(words) && !words.includes(one)) return `${show(one)} is none of ${words}`;
    const ways = anyOf as JsonSchema[] | undefined;
    return ways?.every((way) => schemaFlaw(way, one, options) !== null) ? `${show(one)} fits no way` : null;
  }
}

function boundsFlaw(schema: JsonSchema, value: unknown): string | null {
  const { minimum, maximum, minLength, maxLength } = schema as { readonly [keyword: string]: number };
  const size = typeof value === "string" ? value.length : null;
  const bad =
    typeof value === "number" && (value < (minimum ?? -Infinity) || value > (maximum ?? Infinity)) ||
    size !== null && (size < (minLength ?? 0) || size > (maxLength ?? Infinity));
  return bad ? `${show(value)} is out of bounds` : null;
}

function itemsFlaw(schema: JsonSchema, value: readonly unknown[], options: SchemaOptions): string | null {
  const { minItems, maxItems } = schema as { readonly [keyword: string]: number };
  if (value.length < (minItems ?? 0) || value.length > (maxItems ?? Infinity)) return `${value.length} items`;
  const prefix = (schema.prefixItems ?? []) as JsonSchema[];
  for (const [at, item] of value.entries()) {
    const flaw = schemaFlaw(prefix[at] ?? (schema.items as JsonSchema | undefined) ?? {}, item, options);
    if (flaw !== null) return `[${at}]: ${flaw}`;
  }
  return null;
}

function fieldsFlaw(
  schema: JsonSchema,
  value: { [key: string]: unknown },
  options: SchemaOptions,
): string | null {
  const properties = schema.properties as { readonly [name: string]: JsonSchema } | undefined;
  const missing = ((schema.required ?? []) as string[]).find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${missing} is missing`;
  if (Object.keys(value).length > ((schema.maxProperties as number | undefined) ?? Infinity)) {
    return "too many";
  }
  const others = schema.additionalProperties ?? (options.closed && properties !== undefined ? false : {});
  for (const [name, one] of Object.entries(value)) {
    const inner = properties !== undefined && Object.hasOwn(properties, name) ? properties[name]! : others;
    if (inner === false) return `${name} is not named`;
    const flaw = schemaFlaw(inner as JsonSchema, one, options);
    if (flaw !== null) return `${name}: ${flaw}`;
  }
  return null;
}

function isMap(value: unknown): value is { [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}
