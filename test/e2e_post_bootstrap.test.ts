/** While post_bootstrap runs nobody is told of a primary, and one that fails undoes the bootstrap. */
import { expect } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster } from "./e2e/harness.ts";
import { answersWith } from "./e2e/shown.ts";

const { story } = withCluster({
  size: 1,
  override: () => ({ bootstrap: { post_bootstrap: "sh post_bootstrap.sh" } }),
}, () => Promise.resolve());

story(
  "nobody is told of a primary before post_bootstrap is done, and its failure undoes all",
  async ({ cluster }) => {
    const host = cluster.hosts[0]!;
    const script = (end: string) =>
      writeFileSync(
        join(host.directory, "post_bootstrap.sh"),
        `touch began\nwhile [ ! -e ${end} ]; do sleep 0.05; done\nrm -f began\n[ ${end} = good ]\n`,
      );
    const began = () => waitFor("post_bootstrap", START_MS, () => existsSync(join(host.directory, "began")));
    script("bad");
    host.start();
    await began();
    for (const path of ["/primary", "/leader", "/read-write", "/readiness"]) {
      await answersWith(host, path, 503);
    }
    expect(await cluster.ctl("list")).not.toContain("Leader");
    expect((await cluster.tryCtl("dcs", "get", "leader")).code).not.toBe(0);
    expect((await host.rest("/metrics")).text).toMatch(/^patroni_primary\{[^}]*\} 0$/m);
    writeFileSync(join(host.directory, "bad"), "");
    const failedMs = nowMs();
    expect(await host.exitCode(START_MS)).toBe(1);
    console.log(`post_bootstrap failed: undone and ended after ${Math.round(nowMs() - failedMs)} ms`);
    expect(host.log()).toContain("Failed to bootstrap cluster: post_bootstrap:");
    expect(existsSync(join(host.dataDir, "PG_VERSION"))).toBe(false);
    expect(readdirSync(host.directory).filter((name) => name.startsWith("data.failed-")).length).toBe(1);
    expect(host.postgresProcesses()).toEqual([]);

    script("good");
    host.start();
    await began();
    writeFileSync(join(host.directory, "good"), "");
    expect(await cluster.waitForPrimary(START_MS)).toBe(host);
  },
);
