/** The cluster's configuration as its members hold it. */
import type { JsonObject } from "../../src/model/json.ts";
import type { ClusterAccess } from "./access.ts";
import { CtlError } from "./errors.ts";
import { CONFIG, parseAnswer } from "../../src/api/client.ts";

export interface RemoteConfig {
  readonly value: JsonObject;
  /** For If-Match; null when the member does not tell. */
  readonly etag: string | null;
}

/** Throws CtlError when there is none. */
export async function readConfig(access: ClusterAccess, cluster: string): Promise<RemoteConfig> {
  const reply = await access.get("/config");
  if (reply.status !== 200) throw new CtlError(`The config key does not exist in the cluster ${cluster}`);
  return { value: parseConfig(reply.text), etag: reply.headers.get("ETag") };
}

export function parseConfig(text: string): JsonObject {
  const parsed = parseAnswer(text, CONFIG);
  return parsed.ok ? parsed.value : {};
}
