import { expect, test } from "bun:test";
import { describeReload, planReload, RELOAD_RULES, saidOf } from "./reload.ts";
import { MINIMAL, minimalWith, parsedConfig } from "./testing.ts";

const before = parsedConfig(MINIMAL);
const after = (find: string, replacement: string) => parsedConfig(minimalWith(find, replacement));
const NONE = { reload: [], "PostgreSQL restart": [], restart: [], once: [] };

test("a file without a change changes nothing", () => {
  const plan = planReload(before, parsedConfig(MINIMAL));
  expect(plan).toEqual({ config: before, publishLater: null, keys: NONE });
  expect(describeReload(plan)).toEqual({
    info: "configuration reloaded: no key that counts at once has changed",
    warnings: [],
  });
});

test("a password is named by its key, never by its value, and counts at once", () => {
  const read = after("replicator, password: hunter2", "replicator, password: hunter3, sslmode: require");
  const plan = planReload(before, read);
  expect(plan.keys).toEqual({
    ...NONE,
    reload: [
      "postgresql.authentication.replication.password",
      "postgresql.authentication.replication.sslmode",
    ],
  });
  expect(plan.config).toEqual(read);
  expect(JSON.stringify(describeReload(plan))).not.toContain("hunter");
});

test("what needs a restart of the agent stays as it is, in every part of the configuration", () => {
  const read = parsedConfig(
    MINIMAL.replace("scope: main", "scope: other").replace("7801", "7809").replace("/srv/data", "/srv/data2")
      .replace("name: node1", "name: node9"),
  );
  const plan = planReload(before, read);
  expect(plan.config).toEqual(before);
  expect(plan.keys.restart).toEqual([
    "name",
    "postgresql.config_dir",
    "postgresql.data_dir",
    "raft.bind_addr",
    "raft.self_addr",
    "scope",
  ]);
  expect(describeReload(plan).warnings).toEqual([
    `${plan.keys.restart.join(", ")}: not reloaded, the value in force stays until the agent is restarted`,
  ]);
});

test("parameters, tags and fallbacks are named one by one; a new address of PostgreSQL needs its restart", () => {
  const read = parsedConfig(
    MINIMAL.replace(
      "127.0.0.1:5001",
      "127.0.0.1:5009\n  parameters: {work_mem: 5MB}\n  pg_hba: [local all all trust]",
    ) +
      "tags: {nofailover: true}\nttl: 9\n",
  );
  const { keys } = planReload(before, read);
  expect(keys["PostgreSQL restart"]).toEqual(["postgresql.connect_address", "postgresql.listen"]);
  expect(keys.reload).toEqual([
    "postgresql.parameters",
    "postgresql.pg_hba",
    "tags.nofailover",
    "ttl",
  ]);
});

test("an address is not published before PostgreSQL listens there", () => {
  const listens = after("listen: 127.0.0.1:5001", "listen: 127.0.0.1:5009");
  const first = planReload(before, listens);
  expect(first.config.postgresql).toMatchObject({ port: 5009, connectAddress: "127.0.0.1:5001" });
  expect(first.publishLater).toBe("127.0.0.1:5009");
  // Reloaded once more before the restart: still not. After it, or where only the published address changes:
  // at once.
  const again = planReload(first.config, listens, true);
  expect([again.config.postgresql!.connectAddress, again.publishLater]).toEqual([
    "127.0.0.1:5001",
    "127.0.0.1:5009",
  ]);
  expect(planReload(first.config, listens).config.postgresql!.connectAddress).toBe("127.0.0.1:5009");
  const moved = after("listen: 127.0.0.1:5001", "listen: 127.0.0.1:5001\n  connect_address: db1:5001");
  const plan = planReload(before, moved);
  expect([plan.config.postgresql!.connectAddress, plan.publishLater]).toEqual(["db1:5001", null]);
  expect(plan.keys.reload).toEqual(["postgresql.connect_address"]);
});

test("other certificates between members are read; encryption is neither begun nor ended by a reload", () => {
  const tls = { certfile: "/a", keyfile: "/b", cafile: "/c" };
  const encrypted = { ...before, raft: { ...before.raft, tls } };
  const renewed = { ...before, raft: { ...before.raft, tls: { ...tls, certfile: "/d" } } };
  expect(planReload(encrypted, renewed).keys).toEqual({ ...NONE, reload: ["raft.tls.certfile"] });
  expect(planReload(encrypted, before).keys).toEqual({ ...NONE, restart: ["raft.tls"] });
  expect(planReload(encrypted, before).config).toEqual(encrypted);
});

test("a member does not become a witness by a reload", () => {
  const plan = planReload(before, { ...before, postgresql: null });
  expect(plan).toMatchObject({ config: before, keys: { ...NONE, restart: ["postgresql"] } });
});

test("no rule says something else than the row of its key, from which docs/configuration.md is printed", () => {
  const wrong = RELOAD_RULES.flatMap(([key, effect]) => {
    if (!key || key === "postgresql") return [];
    const said = saidOf(key);
    // "once, at a clone": read again by a reload, and used then.
    const isOnce = said === "once" && effect === "reload";
    return said === null || isOnce || typeof effect === "function" || effect === said
      ? []
      : [`${key}: ${said}`];
  });
  expect(wrong).toEqual([]);
  expect([saidOf("raft.self_addr"), saidOf("restapi.authentication")]).toEqual(["restart", "reload"]);
});
