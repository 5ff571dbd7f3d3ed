import { expect, test } from "bun:test";
import { type Raft, type RaftStatus, withoutAddress } from "../../../raft/mod.ts";
import { RELAY_CHANNEL } from "./messages.ts";
import { StatusRelay } from "./status_relay.ts";

const MEMBERS = [[1, "10.0.0.1:7800"], [2, "10.0.0.2:7800"], [3, withoutAddress("c")], [
  4,
  withoutAddress("d"),
], [5, withoutAddress("e")]] as const;
const bytes = new TextEncoder().encode('{"name":"d"}');

/** The relays of five members, three of them without an address, connected by what they send; 1 leads. */
function cluster(leader = 1) {
  const heard: (readonly [by: number, from: number, text: string])[] = [];
  const handlers = new Map<number, (from: number, bytes: Uint8Array) => void>();
  const relays = new Map<number, StatusRelay>(MEMBERS.map(([id]) => {
    const raft: Pick<Raft, "id" | "status" | "send" | "onChannel"> = {
      id,
      status: () =>
        ({
          id,
          leader,
          role: id === leader ? "leader" : "follower",
          members: MEMBERS.map(([other, addr]) => ({ id: other, addr })),
        }) as unknown as RaftStatus,
      send: (to, channel, sent) => {
        expect(channel).toBe(RELAY_CHANNEL);
        handlers.get(to)!(id, sent);
      },
      onChannel: (_channel, handler) => void handlers.set(id, handler),
    };
    return [
      id,
      new StatusRelay(raft, (from, sent) => heard.push([id, from, new TextDecoder().decode(sent)])),
    ];
  }));
  return { heard, handlers, relays };
}

test("what the leader hears of a member without an address reaches the others without one, as that member's word", () => {
  const { heard, relays } = cluster();
  relays.get(1)!.pass(4, () => bytes);
  expect(heard).toEqual([[3, 4, '{"name":"d"}'], [5, 4, '{"name":"d"}']]);
});

test("nothing is passed on of a member with an address, which is heard by all, nor by one that does not lead", () => {
  const { heard, relays } = cluster();
  relays.get(1)!.pass(2, () => bytes);
  relays.get(2)!.pass(4, () => bytes);
  expect(heard).toEqual([]);
});

test("what does not come from the leader, is no relayed status, or is the member's own is dropped", () => {
  const { heard, handlers } = cluster();
  const relayed = (from: number) => new TextEncoder().encode(JSON.stringify({ from, status: "{}" }));
  handlers.get(3)!(2, relayed(4));
  handlers.get(3)!(1, relayed(3));
  handlers.get(3)!(1, new TextEncoder().encode("{"));
  handlers.get(3)!(1, new TextEncoder().encode('{"from":-1,"status":"{}"}'));
  expect(heard).toEqual([]);
  handlers.get(3)!(1, relayed(4));
  expect(heard).toEqual([[3, 4, "{}"]]);
});
