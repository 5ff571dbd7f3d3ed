/** `GET /openapi.json`: what this API takes and answers, for programs and for people who write them. */
import { Hono } from "@hono/hono";
import type { ApiEnv } from "../env.ts";
import { jsonText } from "../json_text.ts";
import { JSON_HEADERS } from "../status.ts";

export function openApiRoutes(): Hono<ApiEnv> {
  let text: string | null = null;
  return new Hono<ApiEnv>().get("/openapi.json", async () => {
    // All forms with their texts, which no other request needs: loaded by the first one that does.
    text ??= jsonText((await import("./document.ts")).openApiDocument());
    return new Response(text, { headers: JSON_HEADERS });
  });
}
