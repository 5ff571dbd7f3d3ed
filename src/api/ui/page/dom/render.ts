/** Puts the parts of the page into their places. */
import type { PageState } from "../model/state.ts";
import { staleness, verdict } from "../model/verdict.ts";
import { lease, raft } from "../tree/consensus.ts";
import { members } from "../tree/members.ts";
import { button, h, type Node } from "../tree/node.ts";
import { alerts, clusterActions, header } from "../tree/overview.ts";
import { configuration, events, history, why } from "../tree/records.ts";
import { patch } from "./patch.ts";

const PARTS: { readonly [id: string]: (state: PageState, nowMs: number) => readonly Node[] } = {
  header,
  alerts,
  "cluster-actions": clusterActions,
  members,
  lease,
  raft,
  why,
  events,
  history,
  configuration,
  footer,
};

export function render(state: PageState, nowMs: number): void {
  for (const [id, part] of Object.entries(PARTS)) patch(place(id), part(state, nowMs));
  document.body.classList.toggle("old", staleness(state, nowMs) !== null);
  const title = state.data === null ? "Cluster" : `${verdict(state).title}: ${state.data.scope}`;
  if (document.title !== title) document.title = title;
}

export function place(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no place #${id}`);
  return found;
}

function footer({ data, signedIn }: PageState): Node[] {
  if (data === null) return [];
  return [
    h("span", {}, `agent ${data.version} on ${data.name}`),
    h("a", { href: "/openapi.json" }, "REST API"),
    h("a", { href: "/metrics" }, "Metrics"),
    ...(signedIn ? [button("Sign out", "sign-out")] : []),
  ];
}
