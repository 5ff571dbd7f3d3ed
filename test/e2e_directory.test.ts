/** The data directory under the agent's feet: who owns it, what becomes of it, and what is kept for others in it. */
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { run, type RunResult } from "../src/demo/run.ts";
import { clusterView } from "../src/demo/rest.ts";
import type { JsonObject } from "../src/model/json.ts";
import { applyPatch } from "../src/model/merge.ts";
import { withCluster } from "./e2e/harness.ts";

const { story } = withCluster({ dcs: { ttl: 2 } });

/** Another agent with a raft directory, a name and addresses of its own, on the data directory of `host`. */
function runStranger(cluster: Cluster, host: Host, command: "run" | "validate-config"): Promise<RunResult> {
  const { raftPort, restPort, postgresPort } = host.addresses;
  const patch = {
    name: "stranger",
    raft: {
      self_addr: `127.0.0.9:${raftPort}`,
      partner_addrs: cluster.hosts.map(({ addresses }) => `${addresses.address}:${raftPort}`),
      data_dir: join(host.directory, "raft-of-stranger"),
    },
    restapi: { listen: `127.0.0.9:${restPort}`, connect_address: `127.0.0.9:${restPort}` },
    postgresql: { listen: `127.0.0.9:${postgresPort}`, connect_address: `127.0.0.9:${postgresPort}` },
  };
  const file = join(host.directory, "stranger.yml");
  const text = stringify(applyPatch(parse(readFileSync(host.configFile, "utf8")) as JsonObject, patch));
  writeFileSync(file, text, { mode: 0o644 });
  const [program, ...args] = [...host.settings.prefix, host.settings.binary, command, file];
  return run(program!, args, host.directory, { timeoutMs: 20_000 });
}

story(
  "a data directory has one owner: a second agent is refused, the first one serves on",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const owned = `postgresql.data_dir: ${primary.dataDir} is in use: the agent of the raft directory ${
      join(primary.directory, "raft")
    } owns it`;
    const postmaster = primary.postmasterPid();
    for (const command of ["validate-config", "run"] as const) {
      const refused = await runStranger(cluster, primary, command);
      expect(refused.output).toContain(owned);
      expect(refused.code).toBe(1);
    }
    // The agent is gone, its guard and PostgreSQL are not.
    await primary.killAgent();
    expect((await runStranger(cluster, primary, "run")).output).toContain(owned);
    primary.start();
    expect(await fixture.healed()).toBe(primary);
    expect(primary.postmasterPid()).toBe(postmaster);
    const view = await clusterView(primary.restAddress);
    expect(view.members.map(({ name }) => name).sort()).toEqual(["node1", "node2", "node3"]);
    const own = await run(primary.settings.binary, [
      "validate-config",
      primary.configFile,
      "--ignore-listen-port",
    ], "/");
    expect(own.output).not.toContain("is in use: the agent");
  },
);
