/**
 * Access to unsafe requests (POST, PUT, PATCH, DELETE), in Patroni's order: source address, client
 * certificate, Basic authentication; before the last, whether a page of another origin asks, and at the end
 * whether this is the member that the page means. Safe requests need nothing here; `verify_client: required`
 * is enforced by TLS for all.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "@hono/hono";
import type { RestApiConfig } from "../model/config.ts";
import { Allowlist } from "./allowlist.ts";
import type { ApiEnv } from "./env.ts";
import { textResponse } from "./body.ts";
import type { ApiPort } from "./port.ts";
import { strangePage } from "./same_origin.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

export function accessControl(port: ApiPort): MiddlewareHandler<ApiEnv> {
  const rules = rulesCache(port);
  return async (context, next) => {
    if (SAFE_METHODS.has(context.req.method)) return await next();
    const { config, allowlist } = rules();
    // A primary that has lost the DCS may ask from any address: the failsafe answer uses the configured list
    // only.
    const withMembers = context.req.path !== "/failsafe";
    if (!await allowlist.allows(context.env?.ip ?? null, withMembers)) {
      return textResponse(403, "Access is denied");
    }
    if (config.certfile !== null && config.verifyClient !== "none" && !context.env?.clientCertificate) {
      return textResponse(403, "client certificate required");
    }
    const sender = {
      origin: context.req.header("origin"),
      site: context.req.header("sec-fetch-site"),
      host: context.req.header("host"),
    };
    const strange = strangePage(sender, config, port.view().statuses.map(({ status }) => status.apiUrl));
    if (strange !== null) return textResponse(403, strange);
    const reason = wrongCredentials(config.authentication, context.req.header("authorization"));
    if (reason !== null) return textResponse(401, reason, { "WWW-Authenticate": 'Basic realm="Patroni"' });
    const meant = context.req.header("agent-member");
    if (meant !== undefined && meant !== encodeURIComponent(port.view().config.name)) {
      return textResponse(412, "this address leads to another member by now than the one that is meant");
    }
    await next();
  };
}

/** The list is built anew only when a reload has changed it, because it keeps resolved names. */
function rulesCache(port: ApiPort): () => { config: RestApiConfig; allowlist: Allowlist } {
  let current: { key: string; allowlist: Allowlist } | null = null;
  return () => {
    const config = port.view().config.restapi;
    // By value: each copy of the configuration is another object.
    const key = JSON.stringify([config.allowlist, config.allowlistIncludeMembers]);
    if (current?.key !== key) {
      const allowlist = new Allowlist({
        entries: config.allowlist,
        includeMembers: config.allowlistIncludeMembers,
        memberUrls: () => port.view().statuses.map(({ status }) => status.apiUrl),
      });
      current = { key, allowlist };
    }
    return { config, allowlist: current.allowlist };
  };
}

function wrongCredentials(
  wanted: RestApiConfig["authentication"],
  header: string | undefined,
): string | null {
  if (wanted === null) return null;
  if (header === undefined) return "no auth header received";
  const expected = Buffer.from(`${wanted.username}:${wanted.password}`, "utf8").toString("base64");
  return header.startsWith("Basic ") && sameText(header.slice("Basic ".length), expected)
    ? null
    : "not authenticated";
}

/** Takes the same time wherever the texts differ, and whatever their lengths. */
function sameText(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}
