import { expect, test } from "bun:test";
import type { Clock } from "../../../raft/mod.ts";
import { sendersHaveRead, startupHasRead } from "./reload_seen.ts";

type Answer = { readonly [column: string]: string };

/** Each query gets the next answer, and time goes on with each wait; the last answer stays. */
function server(...answers: readonly (readonly Answer[])[]) {
  const asked: string[] = [];
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    after: (ms, run) => {
      nowMs += ms;
      queueMicrotask(run);
      return { cancel: () => {} };
    },
    soon: (run) => queueMicrotask(run),
  };
  const query = (text: string) => {
    asked.push(text);
    return Promise.resolve(answers[Math.min(asked.length, answers.length) - 1] ?? []);
  };
  return { asked, clock: { clock }, connection: { query }, nowMs: () => nowMs };
}

const never = () => false;
const INSERTED = [{ inserted: "0/5000" }];
const senders = (...pids: readonly string[]) => pids.map((pid) => ({ pid }));

test("each WAL sender counts once it was seen at the top of its loop, together or one after the other", async () => {
  const none = server(INSERTED, []);
  expect(await sendersHaveRead(none.connection, none.clock, never)).toBe(true);
  expect(none.asked[1]).toContain("'0/5000'::pg_lsn");
  const turns = server(INSERTED, senders("7", "8"), senders("8"), senders("7"));
  expect(await sendersHaveRead(turns.connection, turns.clock, never)).toBe(true);
  expect(turns.asked.length).toBe(4);
});

test("a WAL sender that has come since is no reason to wait, and one that stands still is", async () => {
  const come = server(INSERTED, senders("7"), senders("9"));
  expect(await sendersHaveRead(come.connection, come.clock, never)).toBe(true);
  const stands = server(INSERTED, senders("7"), senders("7", "9"));
  expect(await sendersHaveRead(stands.connection, stands.clock, never)).toBe(false);
  expect(stands.nowMs()).toBeGreaterThanOrEqual(10_000);
  const stale = server(INSERTED, senders("7"));
  expect(await sendersHaveRead(stale.connection, stale.clock, () => true)).toBe(false);
});

test("the startup process counts once it waits, or has gone on to the record after the next", async () => {
  const at = (replayed: string, waits = "f") => [{ waits, replayed }];
  const seen = async (...answers: readonly (readonly Answer[])[]) => {
    const { connection, clock, asked } = server(...answers);
    return { has: await startupHasRead(connection, clock, never), looks: asked.length };
  };
  expect(await seen(at("0/1"), at("0/1", "t"))).toEqual({ has: true, looks: 2 });
  expect(await seen(at("0/1"), at("0/2"), at("0/3"), at("0/4"))).toEqual({ has: true, looks: 3 });
  expect(await seen(at("0/1"), at("0/2"))).toMatchObject({ has: false });
  expect(await seen([])).toEqual({ has: true, looks: 1 });
});
