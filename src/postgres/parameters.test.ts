import { expect, test } from "bun:test";
import { equalValues, humanValue, inBaseUnit, pendingRestart, type Setting } from "./parameters.ts";

function setting(name: string, value: string, more: Partial<Setting> = {}): Setting {
  return {
    name,
    setting: value,
    unit: null,
    vartype: "integer",
    context: "postmaster",
    pendingRestart: false,
    bootValue: null,
    ...more,
  };
}
const buffers = setting("shared_buffers", "16384", { unit: "8kB" });

const EQUAL: readonly (readonly [Setting, string, boolean])[] = [
  [buffers, "128MB", true],
  [buffers, "131072kB", true],
  [buffers, "16384", true],
  [buffers, "129MB", false],
  [buffers, "128mb", false],
  [setting("t", "60", { unit: "s" }), "1min", true],
  [setting("t", "1500", { unit: "ms" }), "1.5s", true],
  [setting("t", "10", { unit: "min" }), "600000ms", true],
  [setting("hex", "16"), "0x10", true],
  [setting("r", "0.1", { vartype: "real" }), "1e-1", true],
  [setting("b", "on", { vartype: "bool" }), "TRUE", true],
  [setting("b", "on", { vartype: "bool" }), "y", true],
  [setting("b", "on", { vartype: "bool" }), "0", false],
  [setting("wal_level", "replica", { vartype: "enum" }), "hot_standby", true],
  [setting("archive_mode", "on", { vartype: "enum" }), "True", true],
  [setting("s", "a", { vartype: "string" }), "A", false],
];
for (const [one, value, equal] of EQUAL) {
  test(`${one.name} = ${one.setting}${one.unit ?? ""} ${equal ? "is" : "is not"} ${value}`, () => {
    expect(equalValues(one, value)).toBe(equal);
  });
}

test("only what needs a restart is pending, in the units that people write", () => {
  const settings = [
    buffers,
    setting("max_connections", "100"),
    setting("work_mem", "4096", { unit: "kB", context: "user" }),
    setting("hot_standby", "on", { vartype: "bool" }),
    setting("primary_conninfo", "", { vartype: "string" }),
    setting("wal_buffers", "512", { unit: "8kB" }),
  ];
  const desired = {
    shared_buffers: "1GB",
    Max_Connections: "100",
    work_mem: "1MB",
    hot_standby: "off",
    primary_conninfo: "host=x",
    wal_buffers: "-1",
  };
  expect(pendingRestart(settings, desired, {})).toEqual({
    shared_buffers: { old_value: "128MB", new_value: "1GB" },
  });
  expect(pendingRestart(settings, {}, {})).toBeNull();
});

test("what PostgreSQL refuses waits for no restart, as none would bring it", () => {
  const desired = { Shared_Buffers: "12 XB", max_connections: "200" };
  const settings = [buffers, setting("max_connections", "100")];
  expect(pendingRestart(settings, desired, {}, ["Shared_Buffers"])).toEqual({
    max_connections: { old_value: "100", new_value: "200" },
  });
});

test("changes of someone else are reported with what the files say", () => {
  const changed = setting("max_files_per_process", "1000", { pendingRestart: true });
  expect(pendingRestart([changed], {}, { max_files_per_process: "2000" })).toEqual({
    max_files_per_process: { old_value: "1000", new_value: "2000" },
  });
});

test("what was taken out of the files comes back to its own value with a restart", () => {
  const removed = setting("max_files_per_process", "900", { pendingRestart: true, bootValue: "1000" });
  expect(pendingRestart([removed], {}, {})).toEqual({
    max_files_per_process: { old_value: "900", new_value: "1000" },
  });
  expect(pendingRestart([{ ...removed, pendingRestart: false }], {}, {})).toBeNull();
});

test("numbers are shown in the largest unit that leaves them whole", () => {
  expect(humanValue(buffers, "16384")).toBe("128MB");
  expect(humanValue(buffers, "1")).toBe("8kB");
  expect(humanValue({ unit: "ms", vartype: "integer" }, "90000")).toBe("90s");
  expect(humanValue({ unit: "s", vartype: "integer" }, "-1")).toBe("-1");
  expect(inBaseUnit("1GB", "s")).toBeNull();
});
