import { expect, test } from "bun:test";
import {
  isManaged,
  NO_RECOVERY,
  parseAutoSyncNames,
  parseRecoverySettings,
  parseSyncNames,
  parseWalBudget,
  renderServerConf,
  stripAutoConf,
  usableSettings,
} from "./server_conf.ts";

const base = {
  include: "postgresql.base.conf",
  hbaFile: "/d/pg_hba.conf",
  identFile: "/d/pg_ident.conf",
  walBudgetMib: null,
  syncNames: null,
};
const upstream = { name: "node 1", connUrl: "postgres://10.0.0.1:5432/postgres" };

test("the user's file is included before the managed values, recovery stands at the end", () => {
  const text = renderServerConf({
    ...base,
    settings: { work_mem: "8MB", restore_command: "cp '/a/%f' %p", recovery_target: "immediate" },
    recovery: NO_RECOVERY,
  });
  expect(isManaged(text)).toBe(true);
  const order = ["include 'postgresql.base.conf'", "work_mem = '8MB'", "hba_file =", "restore_command ="];
  const found = order.map((part) => text.indexOf(part));
  expect(found).toEqual([...found].sort((a, b) => a - b));
  expect(found).not.toContain(-1);
  expect(text).toContain("restore_command = 'cp ''/a/%f'' %p'\n");
  expect(text).toContain("recovery_target = ''\n");
  expect(text).toContain("primary_conninfo = ''\n");
  expect(text).toContain("recovery_target_timeline = 'latest'\n");
});

test("the limit of what slots may hold comes first: whatever else says so counts", () => {
  const settings = { max_slot_wal_keep_size: "1GB" };
  const text = renderServerConf({ ...base, walBudgetMib: 5100, settings, recovery: NO_RECOVERY });
  const order = ["max_slot_wal_keep_size = '5100MB'", "include", "max_slot_wal_keep_size = '1GB'"]
    .map((part) => text.indexOf(part));
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(order).not.toContain(-1);
  expect(parseWalBudget(text)).toBe(5100);
  expect(parseWalBudget(renderServerConf({ ...base, settings, recovery: NO_RECOVERY }))).toBeNull();
  expect(parseWalBudget("max_slot_wal_keep_size = '5100MB'\ninclude 'x'")).toBeNull();
});

test("whom a standby follows can be read back from the file", () => {
  const recovery = {
    following: upstream,
    primaryConninfo: "host='a b' user=x",
    primarySlotName: "node_2",
    settings: {},
  };
  const text = renderServerConf({ ...base, settings: {}, recovery });
  expect(parseRecoverySettings(text)).toEqual(recovery);
  expect(parseRecoverySettings(renderServerConf({ ...base, settings: {}, recovery: NO_RECOVERY }))).toEqual(
    NO_RECOVERY,
  );
  expect(parseRecoverySettings("primary_conninfo = 'host=x'\n")).toBeNull();
});

test("settings of a standby cluster stand over those of the configuration, and its remote primary is read back", () => {
  const following = { name: "remote/archive", connUrl: "", remote: true } as const;
  const settings = { restore_command: "fetch %f", recovery_min_apply_delay: "5000ms" };
  const recovery = { following, primaryConninfo: null, primarySlotName: null, settings };
  const configured = { restore_command: "cp %f", archive_cleanup_command: "clean" };
  const text = renderServerConf({ ...base, settings: configured, recovery });
  expect(text.match(/^(restore|archive|recovery_min)_?\w+ = .*$/gm)).toEqual([
    "archive_cleanup_command = 'clean'",
    "restore_command = 'fetch %f'",
    "recovery_min_apply_delay = '5000ms'",
  ]);
  // The archive is not asked twice a second.
  expect(text).not.toContain("wal_retrieve_retry_interval");
  expect(parseRecoverySettings(text)?.following).toEqual(following);
});

test("recovery settings of ALTER SYSTEM are removed, others stay", () => {
  const auto = "# by ALTER SYSTEM\nwork_mem = '4MB'\nPRIMARY_CONNINFO = 'host=x'\n recovery_target_xid='7'\n";
  expect(stripAutoConf(auto, {}, null)).toBe("# by ALTER SYSTEM\nwork_mem = '4MB'\n");
});

test("ALTER SYSTEM moves no file and no socket that the agent has put somewhere", () => {
  const auto = "hba_file = '/x'\nident_file = '/y'\nunix_socket_directories = '/z'\n";
  expect(stripAutoConf(auto, { unix_socket_directories: "/run" }, null)).toBe("");
  expect(stripAutoConf(auto, {}, null)).toBe("unix_socket_directories = '/z'\n");
});

test("the agent's decision on synchronous standbys goes over the configuration, and is read back", () => {
  const settings = { synchronous_standby_names: "theirs", work_mem: "8MB" };
  const textWith = (syncNames: string | null) =>
    renderServerConf({ ...base, settings, recovery: NO_RECOVERY, syncNames });
  expect(textWith(null)).toContain("synchronous_standby_names = 'theirs'");
  expect(parseSyncNames(textWith(null))).toBe(null);
  for (const names of ["", `ANY 1 ("a","it's")`]) {
    expect(textWith(names)).not.toContain("theirs");
    expect(parseSyncNames(textWith(names))).toBe(names);
  }
  expect(parseSyncNames("# decided by the agent\nsynchronous_standby_names = 'x'\n")).toBe(null);
  const auto = "synchronous_standby_names = 'x'\n";
  expect(stripAutoConf(auto, {}, null)).toBe(auto);
  expect(stripAutoConf(auto, {}, "")).toBe("");
});

test("the synchronous standbys of ALTER SYSTEM are those of its last line", () => {
  expect(parseAutoSyncNames("work_mem = '4MB'\n# synchronous_standby_names = 'x'\n")).toBe(null);
  expect(parseAutoSyncNames("synchronous_standby_names = 'x'\nSynchronous_Standby_Names 'it''s'\n")).toBe(
    "it's",
  );
  expect(parseAutoSyncNames("synchronous_standby_names = ''\n")).toBe("");
});

test("names that would break out of their line are refused", () => {
  expect(usableSettings({ "a.b": "1", "x = 1\ny": "2", "9": "3", ok: "\0" })).toEqual({
    usable: { "a.b": "1" },
    refused: ["9", "x = 1\ny", "ok"],
  });
});
