/** The order in which a standby is promoted: what it must never be without. */
import { expect, test } from "bun:test";
import type { GuardReply } from "../../guard/port.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import type { SlotCopies } from "./slot_copies.ts";
import { PostgresRun } from "./run.ts";

/** Promotes under epoch 3 with a guard that answers so, one after the other. */
async function promoted(...replies: GuardReply[]) {
  const done: string[] = [];
  const parts = {
    guard: {
      view: () => ({ postmaster: { pid: 7 } }),
      promote: (epoch: number, reply: (answer: GuardReply) => void) => {
        done.push(`guard told of ${epoch}`);
        reply(replies.shift()!);
      },
    },
    files: {
      writePromoteTrigger: () => done.push("file written"),
      removePromoteTrigger: () => done.push("file removed"),
    },
    postgresql: { prePromote: null },
    memory: { server: null },
  };
  const run = new PostgresRun(
    { parts } as unknown as PostgresContext,
    {} as PostgresMonitor,
    {} as SlotCopies,
  );
  const watch = { askEnd: () => {}, expectNoEnd: () => {} };
  return { error: await run.promote(3, new AbortController().signal, watch), done };
}

const REFUSED = { ok: false, error: "epoch 3 is over" } as const;

test("a standby's trigger file is written only when its guard fences it as a primary, and is removed if that ends", async () => {
  expect(await promoted(REFUSED)).toEqual({ error: "epoch 3 is over", done: ["guard told of 3"] });
  expect(await promoted({ ok: true }, REFUSED)).toEqual({
    error: "epoch 3 is over",
    done: ["guard told of 3", "file written", "guard told of 3", "file removed"],
  });
});

test("nothing is started in a directory that was put in place of the one that was decided about", async () => {
  const valid = (dataId?: string) => ({ kind: "valid", ...(dataId === undefined ? {} : { dataId }) });
  const started = (before: object, now: object) => {
    const memory: { found: { directory: object } } = { found: { directory: before } };
    const context = {
      parts: { memory, guard: {}, files: {}, clock: {} },
      whyBusy: () => null,
      survey: () => {
        memory.found = { directory: now };
        return Promise.resolve();
      },
    };
    const run = new PostgresRun(
      context as unknown as PostgresContext,
      {} as PostgresMonitor,
      {} as SlotCopies,
    );
    return run.start({ epoch: 3, follow: null }, new AbortController().signal);
  };
  const replaced = "another data directory was put in its place: it is looked at first";
  expect(await started(valid("one"), valid("two"))).toBe(replaced);
  expect(await started(valid("one"), valid())).toBe(replaced);
  expect(await started(valid("one"), { kind: "absent" })).toBe("the data directory is absent");
  // Where it had none yet, the look has given it its first name; it goes on here.
  expect(await started(valid(), { kind: "absent" })).toBe("the data directory is absent");
});

test("a server is not started again in a directory that was put in place of its own while it was stopped", async () => {
  const restarted = (now: string) => {
    const memory = { found: { directory: { kind: "valid", dataId: "one" } }, following: null };
    let runs = true;
    const context = {
      parts: {
        memory,
        guard: {
          view: () => ({ postmaster: runs ? { pid: 7, writable: true, epoch: 3 } : null, anyProcess: runs }),
        },
        files: {},
        clock: {},
      },
      whyBusy: () => null,
      survey: () => {
        memory.found = { directory: { kind: "valid", dataId: now } };
        return Promise.resolve();
      },
    };
    const run = new PostgresRun(
      context as unknown as PostgresContext,
      {} as PostgresMonitor,
      {} as SlotCopies,
    );
    // The end of the server is followed by a look at what it has left.
    run.ending.stopInPlace = async () => {
      runs = false;
      await context.survey();
      return null;
    };
    return run.restart(new AbortController().signal, () => {});
  };
  expect(await restarted("two")).toBe("another data directory was put in its place: it is looked at first");
  // It goes on here, to what this context does not have.
  await expect(restarted("one")).rejects.toThrow("removePromoteTrigger");
});
