import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import type { ServerStatus } from "../../postgres/status_query.ts";
import { formatSetting } from "../../sync/setting.ts";
import type { PostgresContext } from "./context.ts";
import { PostgresMemory } from "./memory.ts";
import { PostgresSync } from "./sync_setting.ts";
import type { PostgresUpkeep } from "./upkeep.ts";

const SETTING = { method: "FIRST", count: 1, names: ["b"] } as const;

/** A server that goes by its files at once. `meanwhile` happens while a question is asked. */
function server(meanwhile: { [query: string]: () => void }, inRecovery = true) {
  const memory = new PostgresMemory();
  memory.track(7);
  Object.assign(memory.server!, { ready: true, status: { inRecovery } as ServerStatus });
  const [asked, warnings, log]: [string[], string[], MemoryLog] = [[], [], new MemoryLog()];
  const query = (text: string) => {
    asked.push(text);
    const happens = meanwhile[text];
    delete meanwhile[text];
    happens?.();
    return Promise.resolve([{ present: memory.standbys.text() }]);
  };
  const parts = {
    memory,
    log,
    guard: { view: () => ({ postmaster: { pid: 7, phase: "running" } }) },
    changed: () => {},
    server: { with: (_: unknown, use: (connection: unknown) => unknown) => use({ query }) },
    clock: { now: () => 0 },
  };
  const context = { parts, warn: (text: string) => warnings.push(text) } as unknown as PostgresContext;
  const upkeep = { rewrite: () => Promise.resolve() } as unknown as PostgresUpkeep;
  return { memory, asked, warnings, sync: new PostgresSync(context, upkeep) };
}

/** Everything above answers at once. */
const settled = () => new Promise((done) => setTimeout(done));

test("a checkpoint is made once for a server that goes by the setting", async () => {
  const { sync, memory, asked, warnings } = server({});
  sync.want(SETTING);
  await settled();
  expect(memory.server).toMatchObject({ syncLoaded: true, commitsWait: true });
  expect(memory.standbys.text()).toBe(formatSetting(SETTING));
  expect(asked.filter((text) => text === "CHECKPOINT").length).toBe(1);
  sync.settleIfOwed();
  await settled();
  expect(asked.filter((text) => text === "CHECKPOINT").length).toBe(1);
  expect(warnings).toEqual([]);
});

test("standbys that others set while the checkpoint runs, and that are taken back before it ends, void it", async () => {
  const { sync, memory, asked, warnings } = server({
    CHECKPOINT: () => memory.standbys.setByOthers("nobody"),
  });
  sync.want(SETTING);
  await settled();
  expect(memory.server).toMatchObject({ syncLoaded: true, commitsWait: true, othersSync: null });
  expect(asked.filter((text) => text === "CHECKPOINT").length).toBe(2);
  expect(warnings).toEqual([expect.stringContaining("changed to 'nobody' by others")]);
});

test("standbys are made to answer once a primary goes by the setting, as an answer releases what waits", async () => {
  const writes = async (inRecovery: boolean) => {
    const { sync, asked, memory } = server({}, inRecovery);
    sync.want(SETTING);
    await settled();
    expect(memory.server!.syncLoaded).toBe(true);
    const read = asked.findIndex((text) => text.includes("current_setting('synchronous_standby_names')"));
    const [local, ...more] = asked.slice(read + 1).filter((text) =>
      /synchronous_commit|FOR KEY SHARE/.test(text)
    );
    return [local, more.length];
  };
  expect(await writes(false)).toEqual(["SET synchronous_commit = local", 1]);
  expect(await writes(true)).toEqual([undefined, 0]);
});
