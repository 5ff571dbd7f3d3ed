/**
 * Request bodies: JSON objects within the bounds of src/model/bounded_json.ts. Anything else is answered,
 * never thrown.
 */
import type { HonoRequest } from "@hono/hono";
import { JSON_BOUNDS, parseBounded } from "../model/bounded_json.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { textOf } from "../model/text_of.ts";
import type { BodyForm } from "./requests.ts";

export const MAX_BODY_BYTES = JSON_BOUNDS.maxBytes;

export type Body = { readonly ok: true; readonly value: JsonObject } | {
  readonly ok: false;
  readonly response: Response;
};

/** Reads a JSON object of the form. */
export async function readBody(request: HonoRequest, { check, optional }: BodyForm): Promise<Body> {
  const declared = request.header("content-length");
  if (declared === undefined && request.header("transfer-encoding") === undefined) {
    return optional ? { ok: true, value: {} } : refused(411, "Length Required");
  }
  if (Number(declared ?? 0) > MAX_BODY_BYTES) return tooLarge(`more than ${MAX_BODY_BYTES} bytes`);
  const text = await request.text();
  if (text === "" && optional) return { ok: true, value: {} };
  const parsed = parseBounded(text);
  if (!parsed.ok) {
    return parsed.kind === "too-large"
      ? tooLarge(parsed.problem)
      : badRequest("a JSON object", parsed.problem);
  }
  if (!isObject(parsed.value)) return badRequest("a JSON object", "another JSON value");
  if (Object.keys(parsed.value).length === 0 && !optional) {
    return badRequest("a JSON object with at least one key", "an empty one");
  }
  const flaw = check(parsed.value, true);
  return flaw === null ? { ok: true, value: parsed.value } : refused(400, `Bad Request: ${flaw}`);
}

function tooLarge(problem: string): Body {
  return refused(413, `Request body is too large: ${problem}`);
}

function badRequest(expected: string, got: string): Body {
  return refused(400, `Bad Request: the body must be ${expected}, and is ${got}`);
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
  return value === true || ["true", "yes", "on", "1"].includes(textOf(value ?? "").toLowerCase());
}
