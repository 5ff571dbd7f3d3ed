/**
 * The page at `/ui`. It reads what everybody may read over REST, and its changes are REST's own requests with
 * REST's own access control: it has no right that its reader does not have without it.
 */
import { type Context, Hono } from "@hono/hono";
import type { RestApiConfig } from "../../model/config.ts";
import { textResponse } from "../body.ts";
import type { ApiEnv } from "../env.ts";
import { jsonText } from "../json_text.ts";
import type { ApiPort } from "../port.ts";
import { uiData } from "./data.ts";
import { PAGE_HEADERS, typeOf } from "./page_headers.ts";

const OFF = "the page is switched off: restapi.ui";

export function uiRoutes(port: ApiPort): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  const restapi = () => port.view().config.restapi;
  const served =
    (answer: (context: Context<ApiEnv>) => Response | Promise<Response>) => (context: Context<ApiEnv>) =>
      restapi().ui ? answer(context) : textResponse(404, OFF);

  routes.get("/ui", served(() => file("index.html", restapi())));
  routes.get(
    "/ui/data",
    served(() =>
      new Response(jsonText(uiData(port, Date.now())), {
        headers: { ...PAGE_HEADERS, "Content-Type": "application/json" },
      })
    ),
  );
  routes.get("/ui/:path{.+}", served((context) => file(context.req.param("path") ?? "", restapi())));
  return routes;
}

async function file(path: string, restapi: RestApiConfig): Promise<Response> {
  const { FILES } = await import("./files.ts");
  const text = Object.hasOwn(FILES, path) ? FILES[path] : undefined;
  if (text === undefined) return textResponse(404, "the page has no such file");
  const body = path === "index.html" ? text.replace("{credentials}", credentialsOf(restapi)) : text;
  return new Response(body, { headers: { ...PAGE_HEADERS, "Content-Type": typeOf(path) } });
}

/**
 * The browser keeps no password for the page, which sends its own. Only a client certificate, where one is
 * asked for, is the browser's to add.
 */
function credentialsOf({ certfile, verifyClient }: RestApiConfig): string {
  return certfile !== null && verifyClient !== "none" ? "same-origin" : "omit";
}
