/** Request bodies: JSON objects of at most 1 MiB. Whatever else arrives is answered, never thrown. */
import type { HonoRequest } from "@hono/hono";
import type { Json, JsonObject } from "../model/json.ts";

export const MAX_BODY_BYTES = 1024 * 1024;

export type Body = { readonly ok: true; readonly value: JsonObject } | {
  readonly ok: false;
  readonly response: Response;
};

/** Reads a JSON object. `optional`: no body, or an empty object, is an empty object; else they are errors. */
export async function readBody(request: HonoRequest, optional: boolean): Promise<Body> {
  const declared = request.header("content-length");
  if (declared === undefined && request.header("transfer-encoding") === undefined) {
    return optional ? { ok: true, value: {} } : refused(411, "Length Required");
  }
  if (Number(declared ?? 0) > MAX_BODY_BYTES) return refused(413, "Request body is too large");
  const text = await request.text();
  if (text.length > MAX_BODY_BYTES) return refused(413, "Request body is too large");
  if (text === "" && optional) return { ok: true, value: {} };
  const value = parseJson(text);
  if (!isObject(value)) return refused(400, "Bad Request");
  return Object.keys(value).length > 0 || optional ? { ok: true, value } : refused(400, "Bad Request");
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Text bodies end without a newline, and are never taken for markup by a browser. */
export function textResponse(
  status: number,
  text: string,
  headers: { readonly [name: string]: string } = {},
): Response {
  return new Response(text, { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });
}

function refused(status: number, text: string): Body {
  return { ok: false, response: textResponse(status, text) };
}

/** Patroni's reading of a boolean: also "on", "yes", 1 ... */
export function truthy(value: Json | undefined): boolean {
  return value === true || ["true", "yes", "on", "1"].includes(String(value ?? "").toLowerCase());
}
