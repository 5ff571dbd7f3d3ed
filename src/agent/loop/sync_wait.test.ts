import { expect, test } from "bun:test";
import { SyncWait } from "./sync_wait.ts";

function opened() {
  const said: string[] = [];
  const wait = new SyncWait({ info: (_, text) => void said.push(text) });
  return { wait, said };
}

test("what is waited for is said once, and again when it is something else", () => {
  const { wait, said } = opened();
  wait.note({ kind: "wait", why: "b" }, 0);
  wait.note({ kind: "wait", why: "b" }, 10);
  wait.note(null, 20);
  wait.note({ kind: "wait", why: "c" }, 30);
  expect(said).toEqual(["synchronous replication waits until b", "synchronous replication waits until c"]);
});

test("PostgreSQL is asked soon, more and more seldom, and not when nothing is waited for", () => {
  const { wait } = opened();
  expect([wait.dueMs, wait.isDue(1e9)]).toEqual([Infinity, false]);
  wait.note({ kind: "wait", why: "b" }, 1000);
  const asked: number[] = [];
  for (let nowMs = 1000; nowMs < 20_000; nowMs += 10) if (wait.isDue(nowMs)) asked.push(nowMs - 1000);
  expect(asked.slice(0, 3)).toEqual([50, 100, 150]);
  expect(asked.length).toBeLessThan(40);
  expect(asked.at(-1)! - asked.at(-2)!).toBe(1000);
  wait.note(null, 20_000);
  expect([wait.dueMs, wait.isDue(1e9)]).toEqual([Infinity, false]);
});
