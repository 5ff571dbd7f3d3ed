import { expect, test } from "bun:test";
import { emptyState } from "../../dcs/state_machine.ts";
import type { ClusterEvent } from "../../model/event.ts";
import type { DcsState, MemberFacts } from "../../model/records.ts";
import { seen, status } from "../testing.ts";
import { presenceEvents, type PresenceView } from "./presence.ts";

const AT = "2026-01-01T00:00:00.000Z";
const facts = (name: string): MemberFacts => ({
  name,
  connUrl: "",
  apiUrl: "",
  proxyUrl: null,
  raftAddr: "",
  tags: {},
  version: "",
});
const told = (kind: string, member: string): ClusterEvent => ({
  index: 1,
  id: 1,
  at: AT,
  member,
  kind,
  text: "",
});

function view(part: Partial<PresenceView> = {}, dcs: Partial<DcsState> = {}): PresenceView {
  const members = Object.fromEntries(["a", "b", "c"].map((name) => [name, facts(name)]));
  const lock = { ...emptyState().lock, epoch: 7, holder: "b", lastHolder: "b" };
  return {
    self: "a",
    dcs: { ...emptyState(), members, lock, ...dcs },
    statuses: [seen(status("b")), seen(status("c"))],
    leadingForMs: 60_000,
    at: AT,
    ...part,
  };
}
const silent = (ms: number) => ({ statuses: [{ status: status("b"), ageMs: ms }, seen(status("c"))] });

test("while all are heard there is nothing to tell, of the raft leader itself neither", () => {
  expect(presenceEvents(view())).toEqual([]);
});

test("a member that is silent for a ttl is lost; the holder's epoch is named, as that is about to end", () => {
  expect(presenceEvents(view(silent(4999)))).toEqual([]);
  expect(presenceEvents(view(silent(5000)))).toEqual([
    { kind: "member-lost", member: "b", at: AT, text: "b is not heard any more", facts: { epoch: 7 } },
  ]);
});

test("a holder whose lease has expired is lost as soon as it is not fresh any more: the cause comes before the grant", () => {
  const lock = {
    ...view().dcs.lock,
    holder: null,
    ended: { how: "expired", lsn: null, timeline: null },
  } as const;
  expect(presenceEvents(view(silent(1300), { lock })).map(({ member }) => member)).toEqual(["b"]);
  // It is heard, and only its renewals do not come.
  expect(presenceEvents(view(silent(300), { lock }))).toEqual([]);
  const released = { ...lock, ended: { ...lock.ended, how: "released" } } as const;
  expect(presenceEvents(view(silent(1300), { lock: released }))).toEqual([]);
});

test("a member that said it stops is not called lost by accident", () => {
  const statuses = [{ status: status("b", { shuttingDown: true }), ageMs: 9000 }, seen(status("c"))];
  expect(presenceEvents(view({ statuses }))[0]!.text).toBe("b has stopped, as it said");
});

test("it is told once, and again when it is back", () => {
  const lost = { events: [told("member-lost", "b")] };
  expect(presenceEvents(view(silent(9000), lost))).toEqual([]);
  expect(presenceEvents(view({}, lost)).map(({ kind, member }) => [kind, member])).toEqual([[
    "member-back",
    "b",
  ]]);
  const back = { events: [...lost.events, told("member-back", "b")] };
  expect(presenceEvents(view({}, back))).toEqual([]);
  expect(presenceEvents(view(silent(9000), back)).length).toBe(1);
});

test("a new raft leader waits for a ttl of its own before it calls a member lost that it never heard", () => {
  const statuses = [seen(status("c"))];
  expect(presenceEvents(view({ statuses, leadingForMs: 3000 }))).toEqual([]);
  expect(presenceEvents(view({ statuses, leadingForMs: 5000 })).map(({ member }) => member)).toEqual(["b"]);
});
