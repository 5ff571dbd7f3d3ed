/**
 * Requests a second and their 99th percentile on the health check, what one costs on either side, and the
 * time of one `agent ctl list`; plain, or over TLS with client certificates.
 */
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import { nowMs } from "../../src/demo/now.ts";
import { cpuMs } from "../../src/demo/processes.ts";
import { run } from "../../src/demo/run.ts";
import { atLeast, atMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import type { RestLoad, RestLoadResult } from "./rest_load.ts";

const CONNECTIONS = 32;
const SECONDS = 5;

/** `tls`: of a client, where the REST APIs ask for a certificate. */
export async function measureRest(
  cluster: Cluster,
  reps: number,
  tls: RestLoad["tls"] = null,
): Promise<Measurement[]> {
  const primary = await cluster.waitHealthy();
  const { address: host, restPort: port } = primary.addresses;
  const load: RestLoad = { host, port, path: "/primary", connections: CONNECTIONS, seconds: SECONDS, tls };
  const failures: string[] = [];
  const found: { readonly result: RestLoadResult; readonly agentCpuMs: number }[] = [];
  for (let rep = 0; rep < reps; rep++) {
    const before = cpuMs(primary.agentPid()!);
    const outcome = await runLoad(load);
    if (typeof outcome === "string") {
      failures.push(outcome);
      continue;
    }
    if (outcome.errors > 0) failures.push(`${outcome.errors} requests failed`);
    found.push({ result: outcome, agentCpuMs: cpuMs(primary.agentPid()!) - before });
  }
  const of = (part: (one: (typeof found)[number]) => number) => found.map(part);
  const name = `GET /primary, ${CONNECTIONS} connections${tls === null ? "" : ", TLS"}`;
  const goal = atLeast(tls === null ? 20_000 : 8000, "1/s");
  return [
    measurement(name, "1/s", goal, of(({ result }) => result.requests / result.seconds), failures),
    measurement(`${name}, p99`, "ms", atMost(10, "ms"), of(({ result }) => result.p99Ms), failures),
    // Two processes share the cores: the rate is what both together cost.
    measurement(
      `${name}, CPU of the agent each`,
      "µs",
      NO_GOAL,
      of(({ result, agentCpuMs }) => 1000 * agentCpuMs / result.requests),
    ),
    measurement(
      `${name}, CPU of the client each`,
      "µs",
      NO_GOAL,
      of(({ result }) => 1000 * result.cpuMs / result.requests),
    ),
  ];
}

/** What was measured, or what went wrong. */
async function runLoad(load: RestLoad): Promise<RestLoadResult | string> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "rest_load.ts")], {
    cwd: "/",
    stdin: new Blob([JSON.stringify(load)]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, why] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return await child.exited === 0 ? JSON.parse(out) as RestLoadResult : why;
}

export async function measureList(cluster: Cluster, reps: number, how = ""): Promise<Measurement> {
  const samples: number[] = [];
  const failures: string[] = [];
  for (let rep = 0; rep < reps; rep++) {
    const host = cluster.hosts[rep % cluster.hosts.length]!;
    const begin = nowMs();
    const result = await run(host.settings.binary, ["ctl", "-c", host.configFile, "list"], "/");
    samples.push(nowMs() - begin);
    if (result.code !== 0) failures.push(result.output);
  }
  return measurement(`agent ctl list${how}`, "ms", atMost(50, "ms"), samples, failures);
}
