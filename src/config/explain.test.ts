import { expect, test } from "bun:test";
import type { ServerRole } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import { explainKey } from "./explain.ts";
import type { ExplainInput } from "./explanation.ts";
import { parseConfig } from "./parse.ts";
import { MINIMAL } from "./testing.ts";
import { writtenConfig } from "./written.ts";

interface Given {
  readonly dcs?: JsonObject | null;
  /** Behind MINIMAL, which ends with the section postgresql. */
  readonly more?: string;
  readonly environment?: { readonly [name: string]: string };
  readonly role?: ServerRole;
  readonly pendingRestart?: ExplainInput["pendingRestart"];
}

function explain(
  key: string,
  { dcs = null, more = "", environment = {}, role = "replica", pendingRestart = null }: Given = {},
) {
  const parsed = parseConfig([{ file: "a.yml", text: `${MINIMAL}${more}` }], environment);
  if (parsed.config === null) throw new Error(JSON.stringify(parsed.issues));
  const written = writtenConfig(parsed.mergedYaml, parsed.locations);
  return explainKey(key, { dcs, local: parsed.config, written, role, pendingRestart });
}

/** `source value`, with a star where it counts. */
function told(key: string, given: Given = {}) {
  const found = explain(key, given)!;
  return {
    value: found.value,
    layers: found.layers.map(({ source, value, counts }) =>
      `${source} ${JSON.stringify(value)}${counts ? "*" : ""}`
    ),
  };
}

test("a dynamic key: its default, the file while the cluster has none, the cluster", () => {
  expect(told("ttl")).toEqual({ value: 3, layers: ["default 3*"] });
  expect(told("ttl", { more: "ttl: 9\n" })).toEqual({ value: 9, layers: ["default 3", "file 9*"] });
  expect(told("ttl", { more: "ttl: 9\n", dcs: { ttl: "7s" } })).toEqual({
    value: 7,
    layers: ["default 3", "file 9", 'dynamic "7s"*'],
  });
  expect(explain("ttl", { more: "ttl: 9\n" })!.layers[1]!.place).toMatch(/^a\.yml:\d+$/);
});

test("a value out of range is shown as it is used, with the reason, and an old name is the same key", () => {
  const found = explain("master_start_timeout", { dcs: { master_start_timeout: -5 } })!;
  expect(found).toMatchObject({ key: "primary_start_timeout", value: 0 });
  expect(found.notes).toEqual([
    "is the old name of primary_start_timeout",
    "-5 is below the minimum: 0 is used",
  ]);
});

test("a dynamic key in the file has no effect, and that is said", () => {
  const found = explain("check_timeline", { more: "check_timeline: true\n" })!;
  expect(found.value).toBe(false);
  expect(found.layers.map(({ counts }) => counts)).toEqual([true, false]);
  expect(found.notes.join()).toContain("the value in the file has no effect");
});

const PARAMETERS: Given = {
  dcs: {
    postgresql: {
      parameters: { Work_Mem: "4MB", jit: true },
      parameters_primary: { work_mem: "16MB" },
      recovery_conf: { restore_command: "get" },
    },
  },
  more: "  parameters: {work_mem: 8MB, restore_command: none}\n",
};

test("a parameter: the cluster, the file over it, the role over both, and recovery_conf over all", () => {
  expect(told("work_mem", PARAMETERS)).toEqual({
    value: "8MB",
    layers: ['dynamic "4MB"', 'file "8MB"*'],
  });
  const ofPrimary = { ...PARAMETERS, role: "primary" } as const;
  expect(told("postgresql.parameters.WORK_MEM", ofPrimary)).toEqual({
    value: "16MB",
    layers: ['dynamic "4MB"', 'file "8MB"', 'dynamic "16MB"*'],
  });
  expect(explain("work_mem", ofPrimary)!.why).toContain("for the role primary comes before");
  expect(told("restore_command", PARAMETERS)).toEqual({
    value: "get",
    layers: ['file "none"', 'dynamic "get"*'],
  });
  expect(told("jit", PARAMETERS)).toEqual({ value: "on", layers: ["dynamic true*"] });
  expect(explain("maintenance_work_mem", PARAMETERS)).toMatchObject({ value: null, layers: [] });
  expect(told("my.own", { dcs: { postgresql: { parameters: { "my.own": 5 } } } }).value).toBe("5");
});

test("a parameter that must be equal everywhere counts from the cluster alone", () => {
  const more = "  parameters: {max_connections: 900, wal_keep_size: 1GB}\n";
  expect(told("max_connections", { more })).toEqual({ value: "100", layers: ['default "100"*', "file 900"] });
  expect(told("max_connections", { more, dcs: { postgresql: { parameters: { max_connections: 50 } } } }))
    .toEqual({ value: "50", layers: ['default "100"', "dynamic 50*", "file 900"] });
  expect(told("wal_keep_size", { more })).toEqual({
    value: "128MB",
    layers: ['default "128MB"*', 'file "1GB"'],
  });
});

test("what the agent decides itself is its own, whatever is written", () => {
  const found = explain("port", { dcs: { postgresql: { parameters: { port: 1 } } } })!;
  expect(found).toMatchObject({ value: 5001, why: "the agent decides it, and nothing else counts" });
  expect(found.layers.every(({ counts }) => !counts)).toBe(true);
  expect(explain("cluster_name")!.value).toBe("main");
});

test("a value that waits for a restart is not in force yet", () => {
  const pendingRestart = { shared_buffers: { old_value: "128MB", new_value: "1GB" } };
  const given = { dcs: { postgresql: { parameters: { shared_buffers: "1GB" } } }, pendingRestart };
  expect(explain("shared_buffers", given)).toMatchObject({ value: "128MB", afterRestart: "1GB" });
});

test("another key of the section: the file replaces the cluster's map whole", () => {
  const dcs = { postgresql: { callbacks: { on_start: "/a", on_stop: "/b" }, pg_ctl_timeout: 30 } };
  expect(told("postgresql.pg_ctl_timeout", { dcs })).toEqual({
    value: 30,
    layers: ['default "60 s"', "dynamic 30*"],
  });
  expect(told("postgresql.pg_ctl_timeout").value).toBe("60 s");
  const more = "  callbacks: {on_stop: /c}\n";
  expect(told("postgresql.callbacks.on_stop", { dcs, more })).toEqual({
    value: "/c",
    layers: ['dynamic "/b"', 'file "/c"*'],
  });
  const hidden = explain("postgresql.callbacks.on_start", { dcs, more })!;
  expect(hidden.value).toBeNull();
  expect(hidden.notes.join()).toContain("replaces postgresql.callbacks whole");
});

test("the environment is named, and no secret is shown", () => {
  const environment = { PATRONI_SUPERUSER_PASSWORD: "hunter2", PATRONI_POSTGRESQL_PGPASS: "/p" };
  expect(explain("postgresql.pgpass", { environment })!.layers.at(-1)).toEqual({
    source: "environment",
    place: "environment PATRONI_POSTGRESQL_PGPASS",
    value: "/p",
    counts: true,
  });
  for (
    const key of ["postgresql.authentication.superuser.password", "postgresql.authentication", "postgresql"]
  ) {
    expect(JSON.stringify(explain(key, { environment }))).not.toContain("hunter2");
  }
});

test("a name that is nothing is nothing, whatever every object has", () => {
  for (
    const key of ["restapi.nothing", "postgresql.nothing", "raft.__proto__", "log.toString", "scope.a.b"]
  ) {
    expect(explain(key)).toBeNull();
  }
  expect(explain("constructor")).toMatchObject({ key: "postgresql.parameters.constructor", value: null });
});
