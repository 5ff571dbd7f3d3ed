/**
 * Every shape that the REST API takes and answers, one line each, against shapes.txt: a field that comes,
 * goes, or becomes another is seen in review. `UPDATE_GOLDEN=1` writes it anew.
 */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonSchema } from "../../model/shape.ts";
import { DOCUMENT, resolved } from "./testing.ts";

const FILE = join(import.meta.dir, "shapes.txt");

interface Content {
  readonly [type: string]: { readonly schema: JsonSchema };
}
interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: JsonSchema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: { readonly [status: string]: { readonly $ref?: string; readonly content?: Content } };
  readonly security?: readonly object[];
}

/** `string`, `integer 0..9`, `pause | null`: what one value may be, without what is inside it. */
function typeOf(schema: JsonSchema): string {
  const { type, minimum, maximum, maxLength, maxItems, pattern, const: only } = schema;
  if (typeof schema.$ref === "string") return schema.$ref.split("/").at(-1)!;
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map(typeOf).join(" | ");
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (only !== undefined) return JSON.stringify(only);
  const bounds = [
    ...(minimum === undefined && maximum === undefined ? [] : [`${minimum ?? ""}..${maximum ?? ""}`]),
    ...(maxLength === undefined ? [] : [`to ${maxLength} characters`]),
    ...(maxItems === undefined ? [] : [`to ${maxItems} items`]),
    ...(pattern === undefined ? [] : [`/${pattern}/`]),
  ];
  return [type ?? "any", ...bounds].join(" ");
}

/** The value, and below it each of its fields: `members[].lag?`. */
function linesOf(path: string, schema: JsonSchema): string[] {
  const own = `${path}: ${typeOf(schema)}`;
  const inside = (within: JsonSchema): string[] => {
    const properties = (within.properties ?? {}) as { readonly [name: string]: JsonSchema };
    const required = (within.required ?? []) as readonly string[];
    const fields = Object.entries(properties).flatMap(([name, field]) =>
      linesOf(`${path}.${name}${required.includes(name) ? "" : "?"}`, field)
    );
    const { items, additionalProperties: other } = within as { [keyword: string]: JsonSchema | undefined };
    return [
      ...fields,
      ...(typeof items === "object" ? linesOf(`${path}[]`, items) : []),
      ...(typeof other === "object" ? linesOf(`${path}.*`, other) : []),
      ...(Array.isArray(within.anyOf) ? within.anyOf.flatMap(inside) : []),
    ];
  };
  return [own, ...inside(schema)];
}

function contentLines(title: string, content: Content = {}): string[] {
  return Object.entries(content).flatMap(([type, { schema }]) => {
    const name = typeof schema.$ref === "string" ? schema.$ref.split("/").at(-1)! : null;
    if (name !== null) return [`  ${title} ${type} ${name}`];
    return linesOf("", schema).map((line, index) =>
      index === 0 ? `  ${title} ${type}${line.slice(1)}` : `    ${line}`
    );
  });
}

function operationLines(method: string, path: string, operation: Operation): string[] {
  const { parameters = [], requestBody, responses, security } = operation;
  return [
    `${method.toUpperCase()} ${path}${security === undefined ? "" : " (changes something: authenticated)"}`,
    ...parameters.map((one) => `  ${one.in} ${one.name}: ${typeOf(one.schema)}`),
    ...contentLines("takes", requestBody?.content),
    ...Object.entries(responses).flatMap(([status, { $ref, content }]) => {
      if ($ref !== undefined) return [`  ${status} ${$ref.split("/").at(-1)}`];
      return content === undefined ? [`  ${status}`] : contentLines(status, content);
    }),
  ];
}

test("every shape of the REST API is what it was", () => {
  const named = resolved("#/components/schemas") as { readonly [name: string]: JsonSchema };
  const answers = resolved("#/components/responses") as { readonly [name: string]: { content?: Content } };
  const text = [
    ...Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) =>
        operationLines(method, path, operation as Operation)
      )
    ),
    ...Object.entries(answers).map(([name, { content }]) => [name, ...contentLines("is", content)]),
    ...Object.entries(named).map(([name, schema]) => linesOf(name, schema)),
  ].map((lines) => `${lines.join("\n")}\n`).join("\n");
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(FILE, text);
  expect(text.split("\n")).toEqual(readFileSync(FILE, "utf8").split("\n"));
});
