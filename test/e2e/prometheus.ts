/** A real Prometheus that scrapes a cluster with the configuration and the alert rules of docs/monitoring. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import { freePorts } from "../../src/demo/ports.ts";
import { programOf, recipe } from "./recipes.ts";

const MONITORING = join(import.meta.dir, "../../docs/monitoring");

export const prometheus = programOf("prometheus");
export const promtool = programOf("promtool");

/** Lints that Patroni's own names bring: they are what dashboards go by. */
const PATRONIS =
  /^patroni_xlog_(?:received_|replayed_)?location counter metrics should have "_total" suffix$/;

/** What promtool finds in a scrape; empty: nothing. */
export function flawsOf(metrics: string): string[] {
  const { stdout, stderr } = spawnSync(promtool!, ["check", "metrics"], { input: metrics, encoding: "utf8" });
  return `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !PATRONIS.test(line));
}

/** The words of promtool about what is wrong in the configuration and its alert rules; null: nothing is. */
export function flawOfConfig(): string | null {
  const args = ["check", "config", "prometheus.yml"];
  const { status, stdout, stderr } = spawnSync(promtool!, args, { cwd: MONITORING, encoding: "utf8" });
  return status === 0 ? null : `${stdout}${stderr}`;
}

/** The queries of the dashboard, as Grafana would ask them of this cluster. */
export function dashboardQueries(scope: string): { title: string; query: string }[] {
  const { panels } = JSON.parse(readFileSync(join(MONITORING, "dashboard.json"), "utf8"));
  return panels.flatMap(({ title, targets = [] }: { title: string; targets?: { expr: string }[] }) =>
    targets.map(({ expr }) => ({
      title,
      query: expr.replaceAll("$scope", scope).replaceAll("$__rate_interval", "15s"),
    }))
  );
}

export class Prometheus {
  readonly #process: ChildProcess;
  readonly #address: string;

  private constructor(process: ChildProcess, address: string) {
    this.#process = process;
    this.#address = address;
  }

  /** The file as it is, with the members' addresses in it; it scrapes each second, so that a test is short. */
  static async start(cluster: Cluster): Promise<Prometheus> {
    const [port] = await freePorts(1);
    const config = join(cluster.directory, "prometheus.yml");
    copyFileSync(join(MONITORING, "alerts.yml"), join(cluster.directory, "alerts.yml"));
    const targets = cluster.hosts.map(({ restAddress }, i) => [`10.0.0.${i + 1}:8008`, restAddress]);
    const values = { ...Object.fromEntries(targets), "10s": "1s" };
    writeFileSync(config, recipe("../monitoring/prometheus.yml", values));
    const address = `127.0.0.1:${port}`;
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(cluster.directory, "prometheus")}`,
      `--web.listen-address=${address}`,
      "--log.level=error",
    ];
    return new Prometheus(spawn(prometheus!, args, { stdio: "ignore" }), address);
  }

  /** The answer's data; throws while Prometheus is not there, and when it refuses the question. */
  async ask<Data>(path: string): Promise<Data> {
    const response = await fetch(`http://${this.#address}/api/v1/${path}`, {
      signal: AbortSignal.timeout(5000),
    });
    const answer = await response.json() as { status: string; error?: string; data: Data };
    if (answer.status !== "success") throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  async lines(query: string): Promise<{ metric: { [label: string]: string }; value: [number, string] }[]> {
    const data = await this.ask<{ result: [] }>(`query?query=${encodeURIComponent(query)}`);
    return data.result;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}
