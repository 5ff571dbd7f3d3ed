/** What becomes of a copy that is cancelled, and whether that is said of its source. */
import { expect, test } from "bun:test";
import { clone } from "../../brain/keep/testing.ts";
import { SystemClock } from "../../lib/clock.ts";
import { MemoryLog } from "../../lib/log.ts";
import type { FinishedAction } from "../../model/postgres_view.ts";
import { PostgresActions } from "./actions.ts";
import type { Clone } from "./copy.ts";
import { PostgresMemory } from "./memory.ts";

/** A copy from c that ends as a program that was cancelled does. */
async function cancelled(sourceFails: boolean): Promise<FinishedAction | undefined> {
  const memory = new PostgresMemory();
  const ended = Promise.withResolvers<void>();
  const actions = new PostgresActions({
    clock: new SystemClock(),
    log: new MemoryLog(),
    memory,
    changed: () => memory.last.clone && ended.resolve(),
  });
  actions.beginCopy(clone("c") as Clone, {
    clone: (_action, signal) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve("pg_basebackup was cancelled"))
      ),
    restore: () => Promise.resolve("not asked for"),
  });
  // The work of an action begins with its turn.
  await Promise.resolve();
  expect(memory.action?.copy).toMatchObject({ from: "c", fromStandby: true });
  actions.cancel(["clone"], "c is promoted", sourceFails);
  await ended.promise;
  return memory.last.clone;
}

test("a copy that is cancelled since its source fails has failed for that reason, from there", async () => {
  expect(await cancelled(true)).toMatchObject({ ok: false, from: "c", detail: "c is promoted", failures: 1 });
});

test("a copy that is cancelled for another reason says nothing of its source", async () => {
  const clone = await cancelled(false);
  expect(clone).toMatchObject({ ok: false, detail: "pg_basebackup was cancelled", failures: 1 });
  expect(clone?.from).toBeUndefined();
});
