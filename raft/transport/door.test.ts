import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "bun:test";
import { Door, plainAddress } from "./door.ts";

const DEADLINE_MS = 3000;
const MEMBER = "10.0.0.2";

class FakeSocket extends EventEmitter {
  destroyed = false;
  readonly remoteAddress: string | undefined;

  constructor(from: string | undefined) {
    super();
    this.remoteAddress = from;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close");
  }
}

function made() {
  const time = { nowMs: 0 };
  const said: string[] = [];
  const door = new Door({
    now: () => time.nowMs,
    deadlineMs: DEADLINE_MS,
    isMember: (ip) => ip === MEMBER,
    onRefused: (from, reason) => said.push(`${from} ${reason}`),
  });
  const knock = (from: string | undefined) => {
    const fake = new FakeSocket(from);
    const socket = fake as unknown as Socket;
    return { socket, fake, in: door.enter(socket) };
  };
  /** Connects so slowly that no rate is exceeded; returns the connections that are still there. */
  const many = (count: number, from: (i: number) => string) => {
    const sockets = Array.from({ length: count }, (_, i) => {
      time.nowMs += 100;
      return knock(from(i)).fake;
    });
    return () => sockets.filter(({ destroyed }) => !destroyed).length;
  };
  return { door, time, said, knock, many };
}

test("whoever does not prove himself in time is put out, and whoever has is left alone", () => {
  const { door, time, said, knock } = made();
  const [idle, proved, gone] = [knock("1.1.1.1"), knock("1.1.1.2"), knock("1.1.1.3")];
  door.leave(proved!.socket);
  gone!.fake.destroy();
  time.nowMs = DEADLINE_MS;
  door.turnOutOverdue(0);
  expect(idle!.fake.destroyed).toBe(false);
  time.nowMs++;
  // This process has not run for a moment, in which it could hear nobody.
  door.turnOutOverdue(10);
  expect(idle!.fake.destroyed).toBe(false);
  door.turnOutOverdue(0);
  expect([idle!.fake.destroyed, proved!.fake.destroyed]).toEqual([true, false]);
  expect(said).toEqual(["1.1.1.1 no handshake"]);
});

test("one who was refused and does not hang up is put out at the same deadline, and that is said once", () => {
  const { door, time, said, knock } = made();
  const { socket, fake } = knock("1.1.1.1");
  door.refuse(socket, "wrong password");
  time.nowMs = DEADLINE_MS + 1;
  door.turnOutOverdue(0);
  expect(fake.destroyed).toBe(true);
  expect(said).toEqual(["1.1.1.1 wrong password"]);
});

test("an address at its limit makes room among its own, oldest first; others stay", () => {
  const { knock, many } = made();
  const other = knock("1.1.1.2");
  const first = knock("1.1.1.1");
  const left = many(200, () => "1.1.1.1");
  expect(left()).toBe(32);
  expect([first.fake.destroyed, other.fake.destroyed]).toEqual([true, false]);
});

test("many addresses together are bounded, those that hold most make room, and members are never among them", () => {
  const { knock, many } = made();
  const members = Array.from({ length: 20 }, () => knock(MEMBER));
  const lone = knock("9.9.9.9");
  const left = many(1000, (i) => `1.1.${i % 10}.1`);
  expect(left()).toBe(127);
  // The member's address holds most of all.
  expect([...members, lone].filter(({ fake }) => fake.destroyed)).toEqual([]);
  expect(knock(MEMBER).in).toBe(true);
});

test("who comes too fast is turned away, by address and in all; a member comes in all the same", () => {
  const { time, said, knock } = made();
  const entered = (from: (i: number) => string, count: number) =>
    Array.from({ length: count }, (_, i) => knock(from(i)).in).filter(Boolean).length;
  expect(entered(() => "1.1.1.1", 1000)).toBe(12);
  expect(entered((i) => `2.${i >> 8}.${i & 255}.1`, 1000)).toBe(12);
  expect(said.at(-1)).toBe("2.3.231.1 too many new connections a second");
  expect(entered(() => MEMBER, 48)).toBe(48);
  // A second later there is room for the connections of one second.
  time.nowMs += 1000;
  expect(entered((i) => `3.${i >> 8}.${i & 255}.1`, 1000)).toBe(24);
});

test("one network of IPv6 is one stranger, and a mapped IPv4 address is itself", () => {
  const { knock } = made();
  const entered = Array.from({ length: 100 }, (_, i) => knock(`2001:db8::${i.toString(16)}`).in);
  expect(entered.filter(Boolean).length).toBe(12);
  expect(knock("2001:db8:0:1::1").in).toBe(true);
  expect(knock("2001:db8:0:0:5::").in).toBe(false);
  expect(plainAddress("::ffff:10.0.0.2")).toBe(MEMBER);
  expect(plainAddress("::1")).toBe("::1");
});

test("what is remembered of strangers is forgotten, and one that is gone already is nobody", () => {
  const { door, time, knock } = made();
  expect(knock(undefined).in).toBe(false);
  for (let i = 0; i < 60; i++) {
    time.nowMs += 1000;
    for (let j = 0; j < 64; j++) knock(`5.${i}.${j}.1`).fake.destroy();
    door.turnOutOverdue(0);
  }
  time.nowMs += 60_000;
  door.turnOutOverdue(0);
  expect(Object.values(door.size)).toEqual([0, 0, 0]);
});
