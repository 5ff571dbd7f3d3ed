import { expect, test } from "bun:test";
import pg from "pg";
import { MemoryLog } from "../../lib/log.ts";
import { CredentialWatch } from "./credential_watch.ts";
import type { PostgresContext } from "./context.ts";

function refusal(code: string, text: string): pg.DatabaseError {
  const error = new pg.DatabaseError(text, text.length, "error");
  error.code = code;
  return error;
}

/** A primary, whose own server is all that there is to ask. */
function primary() {
  const log = new MemoryLog();
  const world = { nowMs: 0, answer: null as Error | null, asked: 0 };
  const context = {
    dynamic: { postgresql: { rejoin: ["rewind"] } },
    parts: {
      log,
      clock: { now: () => world.nowMs },
      memory: { server: { ready: true } },
      guard: { view: () => ({ postmaster: { phase: "running", writable: true } }) },
      files: { intended: () => null },
      server: {
        with: () => {
          world.asked++;
          return world.answer === null ? Promise.resolve() : Promise.reject(world.answer);
        },
      },
    },
  } as unknown as PostgresContext;
  const watch = new CredentialWatch(context);
  const lookAt = async (nowMs: number) => {
    world.nowMs = nowMs;
    await watch.look();
    return world.asked;
  };
  return { log, world, watch, lookAt };
}

test("asked after a reload and every five minutes, more often while refused; said once, and when it is over", async () => {
  const { log, world, watch, lookAt } = primary();
  expect([await lookAt(1000), await lookAt(299_000), await lookAt(300_000), await lookAt(310_000)]).toEqual([
    0,
    0,
    1,
    1,
  ]);
  world.answer = refusal("28P01", "password authentication failed");
  watch.soon();
  expect([await lookAt(311_000), await lookAt(312_000), await lookAt(341_000)]).toEqual([2, 2, 3]);
  expect(log.lines.filter((line) => line.includes("refuses postgresql.authentication.superuser")).length)
    .toBe(1);
  world.answer = null;
  expect([await lookAt(371_000), await lookAt(401_000)]).toEqual([4, 4]);
  expect(log.lines.at(-1)).toContain("the passwords of the configuration are accepted again");
});

test("a server that cannot be reached, or a host that pg_hba.conf does not let in, says nothing of a password", async () => {
  const { log, world, watch, lookAt } = primary();
  for (
    const answer of [new Error("connect ECONNREFUSED"), refusal("28000", "no pg_hba.conf entry for host")]
  ) {
    world.answer = answer;
    watch.soon();
    await lookAt(world.nowMs + 1);
  }
  expect([world.asked, log.lines]).toEqual([2, []]);
});
