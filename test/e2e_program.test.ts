/**
 * The executable itself: what it must not read, how it ends, and what a full or unwritable disk does to its
 * start.
 */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nowMs } from "../src/demo/now.ts";
import { run } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { binary, isRoot } from "./e2e/environment.ts";
import { explained, newCluster, START_MS, WRITES_MS } from "./e2e/harness.ts";

const TTL_MS = 2000;

test("files of the current directory that its runtime would read are ignored", async () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-program-"));
  try {
    writeFileSync(join(directory, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
    writeFileSync(join(directory, "preload.ts"), 'console.log("preloaded");\n');
    writeFileSync(join(directory, ".env"), "PATRONI_NAME=from-dot-env\n");
    const result = await run(binary, ["version"], directory);
    expect(result.code).toBe(0);
    expect(result.output).toMatch(/^agent \S+\n$/);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("every command explains itself", async () => {
  for (
    const command of [[], ["run"], ["witness"], ["recover"], ["demo"], ["validate-config"], ["ctl"], [
      "ctl",
      "list",
    ], [
      "ctl",
      "switchover",
    ]]
  ) {
    const result = await run(binary, [...command, "--help"], "/");
    expect([command, result.code]).toEqual([command, 0]);
    expect(result.output).toMatch(/Usage|Examples/);
  }
});

test("an unknown option of a command is an error, not ignored", async () => {
  for (
    const command of [["ctl", "list", "--nonsense"], ["demo", "--nonsense"], [
      "validate-config",
      "--nonsense",
      "x",
    ]]
  ) {
    const result = await run(binary, command, "/");
    expect([command, result.code]).toEqual([command, 2]);
  }
});

test("ctl without a member that answers says whom it asked, and ends with 1", async () => {
  const cluster = await newCluster({ size: 3 });
  try {
    const result = await cluster.tryCtl("list");
    expect(result.code).toBe(1);
    for (const host of cluster.hosts) expect(result.output).toContain(host.addresses.address);
  } finally {
    await cluster.destroy();
  }
});

test("a consensus log that cannot be written ends the start; it and what else cannot be written is named by its key", async () => {
  const cluster = await newCluster({
    size: 1,
    override: () => ({
      raft: { data_dir: "/proc/nowhere/raft" },
      postgresql: { data_dir: "/etc/passwd", pgpass: "/etc/passwd/pgpass" },
    }),
  });
  await explained(cluster, async () => {
    const host = cluster.hosts[0]!;
    host.start();
    expect(await host.exitCode(START_MS)).toBe(1);
    expect(host.log()).toMatch(
      /agent\.yml:\d+:\d+: raft\.data_dir: \/proc\/nowhere\/raft does not exist and cannot be made/,
    );
    expect(host.log()).toMatch(/agent\.yml:\d+:\d+: postgresql\.data_dir: \/etc\/passwd is not a directory/);
    expect(host.log()).toMatch(/agent\.yml:\d+:\d+: postgresql\.pgpass: \/etc\/passwd is not a directory/);
  }).finally(() => cluster.destroy());
});

const canMount = isRoot && spawnSync("unshare", ["-m", "true"]).status === 0;

test.skipIf(!canMount)(
  "a full disk under the consensus log: no start without room; a primary whose disk fills up goes on",
  async () => {
    const cluster = await newCluster({ size: 3, dcs: { ttl: TTL_MS / 1000 } });
    const host = cluster.hosts[2]!;
    const small = join(host.directory, "raft");
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", small]);
    if (mounted.status !== 0) {
      spawnSync("mkdir", ["-m", "0777", small]);
      spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", small]);
    }
    await explained(cluster, async () => {
      for (const one of cluster.hosts) one.start();
      expect(await host.exitCode(START_MS)).not.toBe(0);
      expect(host.log()).toMatch(/no space|ENOSPC|full/i);
      // The others are a majority: they found the cluster without it.
      await cluster.waitHealthy(START_MS, cluster.others(host));
      spawnSync("mount", ["-o", "remount,size=200m", small]);
      chmodSync(small, 0o777);
      host.start();
      await waitFor("the third member", START_MS, () => host.answers("/replica"));

      const primary = await cluster.waitHealthy(START_MS);
      if (primary !== host) {
        const words = ["--leader", primary.name, "--candidate", host.name, "--force"];
        await cluster.ctl("switchover", ...words);
      }
      expect(await cluster.waitHealthy(START_MS)).toBe(host);
      const filler = join(small, "filler");
      spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k"]);
      await waitFor(
        "the shortage to be said",
        START_MS,
        () => host.log().includes("this member does not lead"),
      );
      const client = cluster.startClient();
      const begin = nowMs();
      // The lease is renewed without a write; the records change through the others.
      await client.waitForWrite(begin + 3 * TTL_MS, WRITES_MS, host.name);
      expect(client.acks.map(({ node }) => node).filter((name) => name !== host.name)).toEqual([]);
      await cluster.ctl("edit-config", "-s", "maximum_lag_on_failover=2097152", "--force");
      rmSync(filler);
      await waitFor("room again", START_MS, () => host.log().includes("has room again"));
      expect(await cluster.waitForPrimary(START_MS)).toBe(host);
    }).finally(async () => {
      await Promise.all(cluster.hosts.map((one) => one.powerOff()));
      spawnSync("umount", ["--lazy", small]);
      await cluster.destroy();
    });
  },
);
