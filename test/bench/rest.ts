/** Requests a second and their 99th percentile on the health check, and the time of one `agent ctl list`. */
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import { nowMs } from "../../src/demo/now.ts";
import { run } from "../../src/demo/run.ts";
import { atLeast, atMost, type Measurement, measurement } from "./measurement.ts";

const CONNECTIONS = 32;
const SECONDS = 5;

export async function measureRest(cluster: Cluster, reps: number): Promise<Measurement[]> {
  const { addresses } = await cluster.waitHealthy();
  const rates: number[] = [];
  const p99s: number[] = [];
  const failures: string[] = [];
  for (let rep = 0; rep < reps; rep++) {
    const args = [
      join(import.meta.dir, "rest_load.ts"),
      addresses.address,
      String(addresses.restPort),
      "/primary",
    ];
    const result = await run(process.execPath, [...args, String(CONNECTIONS), String(SECONDS)], "/");
    if (result.code !== 0) {
      failures.push(result.output);
      continue;
    }
    const load = JSON.parse(result.output) as {
      requests: number;
      errors: number;
      seconds: number;
      p99Ms: number;
    };
    if (load.errors > 0) failures.push(`${load.errors} requests failed`);
    rates.push(load.requests / load.seconds);
    p99s.push(load.p99Ms);
  }
  return [
    measurement(`GET /primary, ${CONNECTIONS} connections`, "1/s", atLeast(8000, "1/s"), rates, failures),
    measurement(`GET /primary, ${CONNECTIONS} connections, p99`, "ms", atMost(10, "ms"), p99s, failures),
  ];
}

export async function measureList(cluster: Cluster, reps: number): Promise<Measurement> {
  const samples: number[] = [];
  const failures: string[] = [];
  for (let rep = 0; rep < reps; rep++) {
    const host = cluster.hosts[rep % cluster.hosts.length]!;
    const begin = nowMs();
    const result = await run(host.settings.binary, ["ctl", "-c", host.configFile, "list"], "/");
    samples.push(nowMs() - begin);
    if (result.code !== 0) failures.push(result.output);
  }
  return measurement("agent ctl list", "ms", atMost(100, "ms"), samples, failures);
}
