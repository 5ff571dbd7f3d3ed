/** How a restored cluster recovers, and who may connect meanwhile. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closedAccess, markRecovery, planRecovery } from "./restored_cluster.ts";
import { NO_RECOVERY, renderServerConf } from "./server_conf.ts";

function withDirectory(files: { readonly [name: string]: string }, body: (dataDir: string) => void): void {
  const dataDir = mkdtempSync(join(tmpdir(), "agent-restored-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dataDir, name), text);
    body(dataDir);
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

const GIVEN = {
  recoveryConf: { recovery_target_xid: "7", restore_command: "get" },
  keepExistingRecoveryConf: true,
};
const KEPT = { recoveryConf: {}, keepExistingRecoveryConf: true };
const NONE = { recoveryConf: {}, keepExistingRecoveryConf: false };
/** As pgBackRest writes it. */
const LEFT = {
  "recovery.signal": "",
  "postgresql.auto.conf": "# comment\nRestore_Command = 'get ''%f'' \"%p\"'\nprimary_conninfo = 'host=a'\n" +
    "recovery_target_time = '2026-01-01 00:00:00'\nwork_mem = '4MB'\nrecovery_target_inclusive=off\n",
};

test("recovery_conf counts before what the command has left, and its target ends in a promotion", () =>
  withDirectory(LEFT, (dataDir) =>
    expect(planRecovery(GIVEN, dataDir, "")).toEqual({
      ok: true,
      recovers: true,
      recovery: { recovery_target_xid: "7", restore_command: "get", recovery_target_action: "promote" },
    })));

test("what the command has left counts where it is kept, but not whom to follow", () =>
  withDirectory(LEFT, (dataDir) => {
    expect(planRecovery(KEPT, dataDir, "")).toEqual({
      ok: true,
      recovers: true,
      recovery: {
        restore_command: "get '%f' \"%p\"",
        recovery_target_time: "2026-01-01 00:00:00",
        recovery_target_inclusive: "off",
        recovery_target_action: "promote",
      },
    });
    expect(planRecovery(NONE, dataDir, "")).toEqual({ ok: true, recovers: false, recovery: {} });
  }));

test("without a file that says so nothing is recovered", () =>
  withDirectory(
    { "postgresql.auto.conf": "restore_command = 'get'" },
    (dataDir) => expect(planRecovery(KEPT, dataDir, "")).toEqual({ ok: true, recovers: false, recovery: {} }),
  ));

test("a recovery needs an archive, that of the configuration too", () =>
  withDirectory({}, (dataDir) => {
    const target = { ...NONE, recoveryConf: { recovery_target: "immediate" } };
    expect(planRecovery(target, dataDir, "")).toMatchObject({ ok: false });
    expect(planRecovery(target, dataDir, "get")).toMatchObject({ ok: true });
  }));

test("a recovery that ends in a shutdown is refused where a tool has left it", () =>
  withDirectory(
    { ...LEFT, "postgresql.conf": "recovery_target_action = shutdown" },
    (dataDir) => expect(planRecovery(KEPT, dataDir, "")).toMatchObject({ ok: false }),
  ));

test("the signal of a standby goes: recovery has to end", () =>
  withDirectory({ "standby.signal": "" }, (dataDir) => {
    markRecovery(dataDir, true);
    expect(["standby.signal", "recovery.signal"].map((name) => existsSync(join(dataDir, name)))).toEqual([
      false,
      true,
    ]);
    markRecovery(dataDir, false);
    expect(existsSync(join(dataDir, "recovery.signal"))).toBe(false);
  }));

test("until it is open the superuser alone comes in, by the agent's system user or a password", () => {
  expect(closedAccess('My "admin"', "post gres")).toEqual({
    hba: [
      'local all "My ""admin""" peer map=agent_bootstrap',
      'host all "My ""admin""" samehost md5',
    ],
    ident: ['agent_bootstrap "post gres" "My ""admin"""'],
  });
  expect(closedAccess("postgres", null).hba[0]).toBe("local all postgres md5");
});

test("a target stands behind the empty ones, and the archive of the recovery in place of the configured one", () => {
  const conf = renderServerConf({
    include: "postgresql.base.conf",
    hbaFile: "/hba",
    identFile: "/ident",
    walBudgetMib: null,
    syncNames: null,
    settings: { restore_command: "configured", recovery_end_command: "end" },
    recovery: {
      ...NO_RECOVERY,
      restore: { restore_command: "get", recovery_target_time: "now", recovery_target_timeline: "3" },
    },
  });
  expect(conf.slice(conf.indexOf("# recovery")).trim().split("\n").slice(1)).toEqual([
    "recovery_end_command = 'end'",
    "primary_conninfo = ''",
    "primary_slot_name = ''",
    "recovery_target_timeline = '3'",
    "recovery_target = ''",
    "recovery_target_lsn = ''",
    "recovery_target_name = ''",
    "recovery_target_xid = ''",
    "restore_command = 'get'",
    "recovery_target_time = 'now'",
  ]);
});
