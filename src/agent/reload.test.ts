import { expect, test } from "bun:test";
import type { ApiServer } from "../api/server.ts";
import { MemoryLog } from "../lib/log.ts";
import type { LocalConfig } from "../model/config.ts";
import { MINIMAL, parsedConfig } from "../model/config_testing.ts";
import { applyReload } from "./reload.ts";

const inForce = parsedConfig(MINIMAL);

function reload(text: string, apiFails: string | null = null) {
  const log = new MemoryLog();
  const used: LocalConfig[] = [];
  const api: ApiServer = {
    port: 1,
    reload: () => {
      if (apiFails !== null) throw new Error(apiFails);
    },
    stop: () => Promise.resolve(),
  };
  const use = (config: LocalConfig) => void used.push(config);
  applyReload({ inForce, read: parsedConfig(text), use, tls: null, api, log });
  return { used: used[0]!, times: used.length, lines: log.lines };
}

test("what counts is used and named; what does not is named and not used", () => {
  const text = MINIMAL.replace(
    "superuser: {username: postgres, password: hunter2",
    "superuser: {username: postgres, password: new",
  );
  const { used, times, lines } = reload(text.replace("7801", "7809"));
  expect(times).toBe(1);
  expect(used.postgresql!.superuser.password).toBe("new");
  expect(used.raft).toEqual(inForce.raft);
  expect(lines.join("\n")).toContain(
    "configuration reloaded: postgresql.authentication.rewind.password, postgresql.authentication.superuser.password",
  );
  expect(lines.join("\n")).toContain("raft.bind_addr, raft.self_addr: not reloaded");
});

test("a listener that cannot move: its section stays whole, the rest counts, and nothing claims otherwise", () => {
  const text = MINIMAL.replace("8001", "8009\n  authentication: {username: a, password: b}") +
    "tags: {zone: x}\n";
  const { used, lines } = reload(text, "another program listens there already");
  expect(used.restapi).toEqual(inForce.restapi);
  expect(used.tags).toEqual({ zone: "x" });
  const said = lines.join("\n");
  expect(said).toContain("(restapi) go on as before: another program listens there already");
  expect(said).not.toContain("restapi.listen");
});
