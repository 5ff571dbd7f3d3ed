/** Holds answers against /openapi.json. */
import type { JsonSchema } from "../../model/shape.ts";
import { schemaFlaw } from "../../model/testing_schema.ts";
import { openApiDocument } from "./document.ts";

interface ResponseObject {
  readonly $ref?: string;
  readonly content?: { readonly [type: string]: { readonly schema: JsonSchema } };
}

export interface Answered {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

interface OperationObject {
  readonly responses: { readonly [status: string]: ResponseObject };
}

// As a client reads it.
export const DOCUMENT = JSON.parse(JSON.stringify(openApiDocument())) as {
  readonly openapi: string;
  readonly paths: { readonly [path: string]: { readonly [method: string]: OperationObject } };
};

export function resolved(ref: string): unknown {
  const found = ref.slice("#/".length).split("/").reduce<unknown>(
    (node, key) => (node as { readonly [key: string]: unknown } | undefined)?.[key],
    DOCUMENT,
  );
  if (found === undefined) throw new Error(`${ref} leads to nothing`);
  return found;
}

/** The path as the document names it; null: it does not. */
export function documentedPath(path: string): string | null {
  const plain = path.replace(/\?.*$/, "");
  if (DOCUMENT.paths[plain] !== undefined) return plain;
  return Object.keys(DOCUMENT.paths).find((one) =>
    one.endsWith("}") && plain.startsWith(one.replace(/\{\w+\}$/, ""))
  ) ?? null;
}

/** Why the answer is not one that the document promises; null: it is. */
export function undocumented({ method, path, status, type, text }: Answered): string | null {
  const operation = DOCUMENT.paths[documentedPath(path) ?? ""]?.[method.toLowerCase()];
  if (operation === undefined) return `${method} ${path} is not documented`;
  const response = operation.responses[status];
  if (response === undefined) return `${method} ${path} is not documented to answer ${status}`;
  const { content } = response.$ref === undefined ? response : resolved(response.$ref) as ResponseObject;
  if (content === undefined) return text === "" ? null : `${method} ${path} answers ${status} with a body`;
  const plainType = type?.replace(/;.*$/, "") ?? "";
  const schema = content[plainType]?.schema;
  if (schema === undefined) return `${method} ${path} answers ${status} as ${plainType}`;
  const value: unknown = plainType === "application/json" ? JSON.parse(text) : text;
  const flaw = schemaFlaw(schema, value, { closed: true, resolve: (ref) => resolved(ref) as JsonSchema });
  return flaw === null ? null : `${method} ${path} answers ${status}: ${flaw}`;
}
