import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../../raft/node/testing.ts";
import { DYNAMIC } from "../../brain/testing.ts";
import type { Connection, Row } from "../../postgres/connection.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import { PostgresSlots } from "./slots.ts";

const directory = mkdtempSync(join(tmpdir(), "slots-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A primary. `stands`: the monitor has a connection. */
function primary({ stands }: { readonly stands: boolean }) {
  const names: string[] = [];
  let opened = 0;
  let asked = 0;
  const connection = {
    query: (text: string): Promise<readonly Row[]> => {
      if (text.includes("AS recovering")) return Promise.resolve([{ recovering: "f" }]);
      const made = /pg_create_physical_replication_slot\('(\w+)'/.exec(text)?.[1];
      if (made !== undefined) names.push(made);
      return Promise.resolve(names.map((name) => ({ slot_name: name, active: "f", restart: "1" })));
    },
  } as Connection;
  const memory = {
    server: { pid: 7, ready: true, slots: [] as { readonly name: string }[], status: null },
    syncedSlots: false,
    timelineHistory: [],
  };
  const context = {
    dataDir: mkdtempSync(join(directory, "data-")),
    dynamic: DYNAMIC,
    parts: {
      clock: new ManualClock(),
      guard: { view: () => ({ postmaster: { pid: 7, phase: "running", writable: true } }) },
      memory,
      server: {
        with: (_how: unknown, use: (to: Connection) => unknown) => {
          opened++;
          return use(connection);
        },
      },
      programs: { major: 15 },
      changed: () => {},
    },
    info: () => {},
    warn: (text: string) => {
      throw new Error(text);
    },
  } as unknown as PostgresContext;
  const monitor: Pick<PostgresMonitor, "ask"> = {
    ask: async (pid, question) => {
      asked++;
      expect(pid).toBe(7);
      return stands ? await question(connection) : null;
    },
  };
  const slots = new PostgresSlots(context, monitor, () => {});
  const want = (...members: string[]) =>
    slots.ensure({ members, permanent: [], elsewhere: [], gone: [], positions: {} });
  const seen = () => memory.server.slots.map(({ name }) => name);
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  return { slots, want, seen, until, opened: () => opened, asked: () => asked };
}

test("slots that are as they should be are looked at over the connection that stands", async () => {
  const { slots, want, seen, until, opened, asked } = primary({ stands: true });
  want("b");
  await until(() => seen().join() === "b");
  expect([asked(), opened()]).toEqual([1, 1]);
  slots.reconcile();
  await until(() => asked() === 2);
  slots.reconcile();
  await until(() => asked() === 3);
  expect([opened(), seen()]).toEqual([1, ["b"]]);
  want("b", "c");
  await until(() => seen().join() === "b,c");
  expect(opened()).toBe(2);
});

test("without such a connection they are looked at over one of their own", async () => {
  const { slots, want, seen, until, opened } = primary({ stands: false });
  want("b");
  await until(() => seen().join() === "b");
  expect(opened()).toBe(2);
  slots.reconcile();
  await until(() => opened() === 3);
});
