/**
 * `npm run bench:raft`: three processes on loopback, with logs on a real disk, are measured against a round
 * trip and an fdatasync of the same run, and against a three-member etcd where one is installed. Exits with 1
 * when a bound is missed.
 *
 *     npm run bench:raft -- [--json] [--quick] [--million] [--directory DIR]
 *
 * The leader itself proposes and reads, so that nothing but consensus is measured. With --million, a million
 * commands must not make memory or disk grow.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BenchCluster } from "./cluster.ts";
import { etcdVersion, measureEtcd } from "./etcd.ts";
import { figuresOf, type Measured, tableOf } from "./figures.ts";
import { measureFdatasync, measureRoundTrip } from "./physics.ts";

interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly million: boolean;
  readonly directory: string;
}

function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean" },
      quick: { type: "boolean" },
      million: { type: "boolean" },
      directory: { type: "string" },
    },
  });
  const { json = false, quick = false, million = false, directory = tmpdir() } = values;
  return { json, quick, million, directory };
}

async function measureAll(base: string, { quick, million }: Options): Promise<Measured> {
  const commits = quick ? 500 : 4000;
  const cluster = await BenchCluster.start(base);
  try {
    // On few cores, the compilers of three members work for tens of thousands of commits; then they are
    // quiet.
    await cluster.commit(commits * 10, 1);
    const roundTrip = await measureRoundTrip(commits);
    const fdatasync = measureFdatasync(base, commits / 2);
    const commit1 = await cluster.commit(commits, 1);
    const commit64 = await cluster.commit(commits * 8, 64);
    const readIndex = await cluster.read(commits);
    const catchUp = [];
    for (const commands of [500, commits * 5]) {
      catchUp.push({ commands, seconds: await cluster.catchUp(commands) });
    }
    const endurance = million ? await endure(cluster) : null;
    const election = await cluster.elections(quick ? 3 : 20);
    const directoryBytes = cluster.directoryBytes();
    await cluster.end();
    const version = etcdVersion();
    const counts = { commits: commits / 2, elections: quick ? 2 : 8 };
    const etcd = version === null ? null : await measureEtcd(base, version, counts);
    return {
      roundTrip,
      fdatasync,
      commit1,
      commit64,
      readIndex,
      election,
      catchUp,
      directoryBytes,
      endurance,
      etcd,
    };
  } finally {
    await cluster.end();
  }
}

/** Commits a million commands, in equal parts, since the leader keeps the latencies of a part in memory. */
async function endure(cluster: BenchCluster): Promise<Measured["endurance"]> {
  const rssBytes = [];
  for (let part = 0; part < 5; part++) {
    await cluster.commit(200_000, 64);
    rssBytes.push(await cluster.rssBytes());
  }
  return { earlyRssBytes: rssBytes[0]!, lateRssBytes: rssBytes.at(-1)! };
}

/** Runs the benchmark; true when every bound is held. */
async function run(options: Options): Promise<boolean> {
  const { json, directory } = options;
  const base = mkdtempSync(join(directory, "raft-bench-"));
  try {
    const measured = await measureAll(base, options);
    const figures = figuresOf(measured);
    const missed = figures.filter(({ held }) => !held);
    const lines = json ? [JSON.stringify({ measured, figures }, null, 2)] : [
      ...tableOf(figures),
      ...measured.etcd === null ? ["  etcd is not installed (Debian: etcd-server): not compared"] : [],
      missed.length === 0
        ? `bench: all ${figures.filter(({ bound }) => bound !== "").length} bounds held`
        : `bench: missed ${missed.map(({ name, value }) => `${name} (${value})`).join(", ")}`,
    ];
    process.stdout.write(`${lines.join("\n")}\n`);
    return missed.length === 0;
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

run(optionsOf(process.argv.slice(2))).then(
  (held) => process.exit(held ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(2);
  },
);
