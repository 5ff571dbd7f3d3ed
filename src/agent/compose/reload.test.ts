import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import { MINIMAL, parsedConfig } from "../../config/testing.ts";
import { applyReload, inTurn } from "./reload.ts";

const inForce = parsedConfig(MINIMAL);

async function reload(text: string, apiFails: string | null = null) {
  const log = new MemoryLog();
  const used: LocalConfig[] = [];
  const api = {
    reload: () => Promise.resolve(apiFails),
    show: async () => {
      await Bun.sleep(1);
      log.info("test", `shown after ${used.length} uses`);
    },
  };
  const use = (config: LocalConfig) => void used.push(config);
  await applyReload({ inForce, read: parsedConfig(text), use, tls: null, api, log });
  return { used: used[0]!, times: used.length, lines: log.lines };
}

test("what counts is used and named; what does not is named and not used", async () => {
  const text = MINIMAL.replace(
    "superuser: {username: postgres, password: hunter2",
    "superuser: {username: postgres, password: new",
  );
  const { used, times, lines } = await reload(text.replace("7801", "7809"));
  expect(times).toBe(1);
  expect(lines[0]).toContain("shown after 1 uses");
  expect(used.postgresql!.superuser.password).toBe("new");
  expect(used.raft).toEqual(inForce.raft);
  expect(lines.join("\n")).toContain(
    "configuration reloaded: postgresql.authentication.rewind.password, postgresql.authentication.superuser.password",
  );
  expect(lines.join("\n")).toContain("raft.bind_addr, raft.self_addr: not reloaded");
});

test("a listener that cannot move: its section stays whole, the rest counts, and nothing claims otherwise", async () => {
  const text = MINIMAL.replace("8001", "8009\n  authentication: {username: a, password: b}") +
    "tags: {zone: x}\n";
  const { used, lines } = await reload(text, "another program listens there already");
  expect(used.restapi).toEqual(inForce.restapi);
  expect(used.tags).toEqual({ zone: "x" });
  const said = lines.join("\n");
  expect(said).toContain("(restapi) go on as before: another program listens there already");
  expect(said).not.toContain("restapi.listen");
});

test("reloads come one after the other, each from what the one before has left", async () => {
  const order: string[] = [];
  let n = 0;
  const reload = inTurn(async () => {
    const own = ++n;
    order.push(`begin ${own}`);
    await Bun.sleep(5);
    order.push(`end ${own}`);
  });
  await Promise.all([reload(), reload()]);
  expect(order).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
});
