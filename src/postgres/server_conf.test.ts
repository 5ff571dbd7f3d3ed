import { expect, test } from "bun:test";
import {
  isManaged,
  NO_RECOVERY,
  parseRecoverySettings,
  renderServerConf,
  stripAutoConf,
  usableSettings,
} from "./server_conf.ts";

const base = { include: "postgresql.base.conf", hbaFile: "/d/pg_hba.conf", identFile: "/d/pg_ident.conf" };
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

test("whom a standby follows can be read back from the file", () => {
  const recovery = { following: upstream, primaryConninfo: "host='a b' user=x", primarySlotName: "node_2" };
  const text = renderServerConf({ ...base, settings: {}, recovery });
  expect(parseRecoverySettings(text)).toEqual(recovery);
  expect(parseRecoverySettings(renderServerConf({ ...base, settings: {}, recovery: NO_RECOVERY }))).toEqual(
    NO_RECOVERY,
  );
  expect(parseRecoverySettings("primary_conninfo = 'host=x'\n")).toBeNull();
});

test("recovery settings of ALTER SYSTEM are removed, others stay", () => {
  const auto = "# by ALTER SYSTEM\nwork_mem = '4MB'\nPRIMARY_CONNINFO = 'host=x'\n recovery_target_xid='7'\n";
  expect(stripAutoConf(auto, {})).toBe("# by ALTER SYSTEM\nwork_mem = '4MB'\n");
});

test("ALTER SYSTEM moves no file and no socket that the agent has put somewhere", () => {
  const auto = "hba_file = '/x'\nident_file = '/y'\nunix_socket_directories = '/z'\n";
  expect(stripAutoConf(auto, { unix_socket_directories: "/run" })).toBe("");
  expect(stripAutoConf(auto, {})).toBe("unix_socket_directories = '/z'\n");
});

test("names that would break out of their line are refused", () => {
  expect(usableSettings({ "a.b": "1", "x = 1\ny": "2", "9": "3", ok: "\0" })).toEqual({
    usable: { "a.b": "1" },
    refused: ["9", "x = 1\ny", "ok"],
  });
});
