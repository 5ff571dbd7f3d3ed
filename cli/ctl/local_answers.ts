/**
 * What a member would answer from the records alone, made of the raft log of this host: for commands whose
 * answers the members make, when none of them answers.
 */
import { linkEvents } from "../../src/brain/cluster/event_causes.ts";
import { whyLock, whyMember, type WhyView } from "../../src/brain/cluster/why.ts";
import type { EventJson, WhyJson } from "../../src/api/client.ts";
import { recordKey } from "../../src/api/dcs_keys.ts";
import { EVENTS_QUERY, queryFlaw } from "../../src/api/requests.ts";
import { eventJson, shownEvents } from "../../src/api/shown_events.ts";
import { effectiveDynamic } from "../../src/config/dynamic.ts";
import type { DcsState } from "../../src/model/records.ts";
import { CtlError } from "./errors.ts";

/** `GET /agent/events` with this query. */
export function localEvents({ events }: DcsState, query: URLSearchParams): readonly EventJson[] {
  const asked = Object.fromEntries(query);
  const flaw = queryFlaw(asked, EVENTS_QUERY);
  if (flaw !== null) throw new CtlError(flaw);
  return shownEvents(events, asked);
}

/** `GET /agent/dcs/KEY`; null: there is no such record. */
export function localRecord(state: DcsState, key: string): string | null {
  if (key === "status" || key.startsWith("members/")) {
    throw new CtlError(`${key} is what the members report of themselves, and no log keeps it`);
  }
  return recordKey(state, key);
}

/** `GET /agent/why`: nobody is heard, so that there is no word on who could take over. */
export function localWhy(state: DcsState, name: string | null): WhyJson {
  const view: WhyView = {
    dcs: state,
    dynamic: effectiveDynamic(state.config?.value ?? {}, { localDynamic: {}, postgresql: null }).config,
    statuses: [],
    witnesses: [],
    events: linkEvents(state.events),
    primaryLsn: null,
    operatorNeeded: null,
    raftLeader: null,
    waitsFor: null,
    own: null,
  };
  const why = name === null ? whyLock(view) : whyMember(view, name);
  if (why === null) throw new CtlError(`${name} is not a member of the cluster`);
  return {
    member: why.member,
    holder: state.lock.holder,
    epoch: state.lock.epoch,
    answer: why.answer,
    unfit: [],
    chain: why.chain.map(eventJson),
    answered_by: "",
    fresh: false,
    raft_leader: null,
    raft_leader_api_url: null,
  };
}
