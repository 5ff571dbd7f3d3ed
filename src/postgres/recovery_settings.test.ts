import { expect, test } from "bun:test";
import { remoteOf, type StandbyCluster } from "../model/standby_cluster.ts";
import type { Upstream } from "../model/upstream.ts";
import { recoverySettings } from "./recovery_settings.ts";

const MEMBER: Upstream = { name: "a", connUrl: "postgres://10.0.0.1:5432/postgres" };

function settings(follow: Upstream, standbyCluster: StandbyCluster | null, useSlots = true) {
  return recoverySettings(follow, {
    credentials: { username: "rep", password: null, options: {} },
    passfile: "/pgpass",
    applicationName: "node-b",
    major: 15,
    database: null,
    useSlots,
    standbyCluster,
  });
}

const CLUSTER: StandbyCluster = {
  host: "10.0.9.1,fd00::9",
  port: 5433,
  primarySlotName: "site_b",
  restoreCommand: "fetch %f",
  archiveCleanupCommand: "clean %r",
  recoveryMinApplyDelayMs: 5000,
};

test("the standby leader uses the slot of the remote primary, and looks for the one host that takes writes", () => {
  const { primaryConninfo, primarySlotName, settings: own } = settings(remoteOf(CLUSTER), CLUSTER);
  expect(primarySlotName).toBe("site_b");
  expect(primaryConninfo).toBe(
    "user=rep host=10.0.9.1,fd00::9 port=5433,5433 application_name=node-b target_session_attrs=read-write " +
      "sslmode=prefer keepalives_idle=5 keepalives_interval=1 keepalives_count=5 tcp_user_timeout=10000",
  );
  expect(own).toEqual({
    restore_command: "fetch %f",
    archive_cleanup_command: "clean %r",
    recovery_min_apply_delay: "5000ms",
  });
});

test("without a slot any of the hosts will do, and one host is never asked what it is", () => {
  const { primarySlotName: _slot, ...without } = CLUSTER;
  const one = { ...CLUSTER, host: "10.0.9.1" };
  for (const cluster of [without, one]) {
    expect(settings(remoteOf(cluster), cluster).primaryConninfo).not.toContain("target_session_attrs");
  }
  expect(settings(remoteOf(without), without).primarySlotName).toBeNull();
  expect(settings(remoteOf(CLUSTER), CLUSTER, false).primarySlotName).toBeNull();
});

test("the other members have their own slot and the archive, and do not delay", () => {
  const { primarySlotName, settings: own, primaryConninfo } = settings(MEMBER, CLUSTER);
  expect([primarySlotName, primaryConninfo?.includes("10.0.0.1")]).toEqual(["node_b", true]);
  expect(own).toEqual({ restore_command: "fetch %f", archive_cleanup_command: "clean %r" });
  expect(settings(MEMBER, null).settings).toEqual({});
});

test("an archive is all that a cluster without an address follows", () => {
  const cluster = { restoreCommand: "fetch %f", primarySlotName: "x" };
  expect(settings(remoteOf(cluster), cluster)).toMatchObject({
    primaryConninfo: null,
    primarySlotName: null,
    settings: { restore_command: "fetch %f" },
  });
});

test("a port alone means this host", () => {
  expect(remoteOf({ port: 5440 }).connUrl).toBe("postgres://localhost:5440/postgres");
});
