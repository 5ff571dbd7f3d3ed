/** Reads what changes with the records only. */
import type { EventJson, LossJson, WhyJson } from "../../../shapes.ts";
import type { ConfigRevisionJson } from "../../../shapes.ts";
import type { JsonObject } from "../../../../model/json.ts";
import type { HistoryLine, Records } from "../model/state.ts";
import type { Server } from "./ask.ts";

/** Rejects when one of them has no answer: then all are read again. */
export async function readRecords(server: Server, key: string): Promise<Records> {
  const [events, history, losses, revisions, why, configuration] = await Promise.all([
    server.readJson<readonly EventJson[]>("/agent/events?limit=100"),
    server.readJson<readonly HistoryLine[]>("/history"),
    server.readJson<readonly LossJson[]>("/agent/losses"),
    server.readJson<readonly ConfigRevisionJson[]>("/agent/config/history"),
    readWhy(server),
    readConfiguration(server),
  ]);
  return { key, events, history, losses, revisions, why, configuration };
}

/** There is none before the records are known. */
async function readWhy(server: Server): Promise<WhyJson | null> {
  const { status, text } = await server.read("/agent/why");
  return status === 200 ? JSON.parse(text) as WhyJson : null;
}

/** There is none before the cluster is initialized. */
export async function readConfiguration(server: Server): Promise<Records["configuration"]> {
  const { status, text, etag } = await server.read("/config");
  return status === 200 && etag !== null ? { value: JSON.parse(text) as JsonObject, etag } : null;
}
