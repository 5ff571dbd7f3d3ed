/**
 * `GET /ui/data`: what the page asks for again and again, as one small answer from memory. Events, history
 * and configuration have endpoints of their own, and are asked for only when `revision` has changed.
 */
import { VERSION } from "../../model/version.ts";
import { clusterJson } from "../cluster.ts";
import type { ApiPort } from "../port.ts";
import { raftJson } from "../raft_routes.ts";
import { shownLeader } from "../status.ts";
import type { UiDataJson } from "./shape.ts";

export function uiData(port: ApiPort, wallMs: number): UiDataJson {
  const view = port.view();
  const { dcs, dynamic, config } = view;
  return {
    name: config.name,
    scope: config.scope,
    version: VERSION,
    at: new Date(wallMs).toISOString(),
    revision: dcs?.revision ?? null,
    witness: view.postgres === null,
    loop_age_ms: Math.round(view.loopAgeMs),
    reinitialize: view.reinitialize ?? null,
    lease: {
      holder: shownLeader(dcs),
      epoch: dcs?.lock.epoch ?? 0,
      ttl_s: dynamic.ttlS,
      held_here: port.holdsLease(),
      remaining_ms: Math.round(port.leaseRemainingMs()),
    },
    cluster: clusterJson(view),
    raft: raftJson(view),
  };
}
