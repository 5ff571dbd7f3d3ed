/** The lease, and the group of voters. */
import { counted, durationText } from "../model/format.ts";
import type { PageState } from "../model/state.ts";
import type { RaftMemberJson } from "../../../shapes.ts";
import type { UiDataJson } from "../../shape.ts";
import { h, type Node } from "./node.ts";

export function lease({ data }: PageState): Node[] {
  if (data === null) return [];
  const { holder, epoch, ttl_s, held_here, remaining_ms } = data.lease;
  const remaining = held_here && remaining_ms > 0
    ? `${(remaining_ms / 1000).toFixed(1)} s, renewed all the time`
    : held_here
    ? "held without a lease: the cluster is paused"
    : holder === null
    ? "nobody holds it"
    : `known to ${holder}`;
  return [facts([
    ["holder", holder ?? "nobody"],
    ["epoch", String(epoch)],
    ["ttl", `${ttl_s} s`],
    ["left", remaining],
    ["loop", `${data.name} looked ${durationText(data.loop_age_ms)} ago`],
  ])];
}

function facts(list: readonly (readonly [name: string, value: string])[]): Node {
  return h(
    "dl",
    { class: "facts" },
    list.map(([name, value]) => h("div", { key: name }, h("dt", {}, name), h("dd", {}, value))),
  );
}

export function raft({ data }: PageState): Node[] {
  if (data === null) return [];
  if (data.raft === null) return [h("p", { class: "empty" }, "Raft does not run yet.")];
  const { leader, term, commit, applied, members } = data.raft;
  const canLose = data.cluster.agent.can_lose;
  return [
    facts([
      ["leader", leader ?? "none"],
      ["term", String(term)],
      ["log", `${commit} committed, ${applied} applied here`],
      ["may fail", canLose === null ? "not known" : counted(canLose, "more voter")],
    ]),
    h(
      "div",
      { class: "wide" },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, "Members of the raft group"),
        h("thead", {}, row("th", ["Member", "Part", "Log", "Contact"])),
        h("tbody", {}, members.map((one) => memberRow(one, data))),
      ),
    ),
  ];
}

function row(cell: "th" | "td", texts: readonly string[]): Node {
  return h("tr", {}, texts.map((text) => h(cell, cell === "th" ? { scope: "col" } : {}, text)));
}

function memberRow(member: RaftMemberJson, { raft, name }: UiDataJson): Node {
  const { voter, witness, match, last_contact_ms: contact } = member;
  const part = !voter ? "no vote" : witness ? "witness" : "voter";
  const leads = member.name === raft?.leader;
  const heard = member.name === name
    ? "answers"
    : contact === null
    ? (raft?.leader === name ? "never" : "known to the leader")
    : contact < 1000
    ? "now"
    : `${durationText(contact)} ago`;
  return h(
    "tr",
    { key: String(member.id) },
    h("th", { scope: "row" }, member.name),
    h("td", {}, leads ? `leader, ${part}` : part),
    h("td", {}, match === null ? "–" : String(match)),
    h("td", {}, heard),
  );
}
