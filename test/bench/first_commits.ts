/**
 * The first commits of a new primary: sessions that were parked on it while it was a standby, and new ones,
 * write from the first moment on. A second later its host dies, and the standby that is left is asked for
 * everything that was ever acknowledged: nobody else could have acknowledged it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { FIRST_COMMITS_TABLE, type FirstCommitsSettings } from "./first_commits_process.ts";
import { atLeast, atMost, eachAtMost, type Measurement, measurement } from "./measurement.ts";

/** In strict mode no commit is acknowledged by the primary alone. */
export const FIRST_COMMITS_DCS = { ttl: 2, synchronous_mode: "on", synchronous_mode_strict: true };

const PARKED = 10;
const COMING = 3;
const WINDOW_MS = 1000;
const DEADLINE_MS = 60_000;

interface Ack {
  readonly id: number;
  readonly member: string;
  readonly kind: string;
  readonly atMs: number;
}

class Sessions {
  readonly acks: Ack[] = [];
  readonly #child: ChildProcess;
  readonly #atExit = () => this.stop();
  #rest = "";

  constructor(settings: FirstCommitsSettings) {
    process.on("exit", this.#atExit);
    const program = join(import.meta.dir, "first_commits_process.ts");
    this.#child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.on("error", (error) => {
      throw new Error(`the sessions did not start: ${error.message}`);
    });
    this.#child.stdin!.write(`${JSON.stringify(settings)}\n`);
    this.#child.stdout!.on("data", (chunk: Buffer) => this.#take(chunk.toString("latin1")));
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [id, member, kind, atMs] = line.split(" ") as [string, string, string, string];
      this.acks.push({ id: Number(id), member, kind, atMs: Number(atMs) });
    }
  }

  stop(): void {
    process.off("exit", this.#atExit);
    this.#child.kill("SIGKILL");
  }
}

/** `reps` failovers, each of them followed by the death of the new primary's host. */
export async function measureFirstCommits(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const primary = await cluster.waitHealthy();
  await cluster.query(primary, `CREATE TABLE ${FIRST_COMMITS_TABLE} (id bigint PRIMARY KEY)`);
  const targets = cluster.hosts.map(({ name, addresses: { address: host, postgresPort: port } }) => ({
    name,
    host,
    port,
  }));
  const password = cluster.secrets.superuser;
  const sessions = new Sessions({ targets, password, parked: PARKED, coming: COMING });
  const found: Failover[] = [];
  const failures: string[] = [];
  try {
    for (let rep = 1; rep <= reps; rep++) {
      try {
        const one = await failover(cluster, sessions);
        found.push(one);
        const { first, lost, outageMs } = one;
        const parked = first.filter(({ kind }) => kind === "parked").length;
        say(
          `first commits, ${rep} of ${reps}: ${parked} of parked sessions and ${
            first.length - parked
          } of new ` +
            `ones, ${lost.length} lost, first one after ${(outageMs / 1000).toFixed(2)} s`,
        );
        if (lost.length > 0) say(`lost: ${describe(lost)}\n${cluster.logs(60)}`);
      } catch (error) {
        failures.push((error as Error).message);
        say(`first commits, ${rep} of ${reps}: FAILED, ${(error as Error).message}\n${cluster.logs()}`);
      }
    }
  } finally {
    sessions.stop();
  }
  const count = (kind: string) =>
    found.flatMap(({ first }) => first).filter((ack) => ack.kind === kind).length;
  return [
    measurement(
      "first commits: acknowledged",
      "",
      atLeast(10_000, ""),
      [count("parked") + count("new")],
      [],
      `${count("new")} of them of new sessions`,
    ),
    measurement(
      "first commits: acknowledged and lost, after each failover",
      "",
      eachAtMost(0, ""),
      found.map(({ lost }) => lost.length),
      failures,
    ),
    measurement(
      "first commits: until the first one",
      "s",
      atMost(3.5, "s"),
      found.map(({ outageMs }) => outageMs / 1000),
    ),
  ];
}

interface Failover {
  /** Acknowledged within a second from the first one on. */
  readonly first: readonly Ack[];
  /** Whatever was acknowledged since the beginning, and is not on the only standby. */
  readonly lost: readonly Ack[];
  readonly outageMs: number;
}

async function failover(cluster: Cluster, sessions: Sessions): Promise<Failover> {
  for (const host of cluster.hosts) if (host.agentPid() === null) host.start();
  const old = await cluster.waitHealthy(DEADLINE_MS);
  const standbys = cluster.others(old);
  await Promise.all(standbys.map((host) => sessionsAre(cluster, host)));
  const beginMs = nowMs();
  await old.powerOff();
  const others = standbys.map(({ name }) => name);
  const since = sessions.acks.length;
  const ofSuccessor = (ack: Ack) => ack.atMs > beginMs && others.includes(ack.member);
  const first = await waitFor(
    "a commit on another member",
    DEADLINE_MS,
    () => sessions.acks.slice(since).find(ofSuccessor),
    5,
  );
  await sleep(first.atMs + WINDOW_MS - nowMs());
  const successor = cluster.host(first.member);
  await successor.powerOff();
  const left = standbys.find((host) => host !== successor)!;
  const present = await presentOn(cluster, left);
  return {
    first: sessions.acks.slice(since).filter((ack) => ack.member === successor.name),
    lost: sessions.acks.filter((ack) => !present.has(ack.id) && ack.member !== left.name),
    outageMs: first.atMs - beginMs,
  };
}

/** They are parked there: connected, and trying. */
async function sessionsAre(cluster: Cluster, host: Host): Promise<void> {
  const query = "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'first commits'";
  await waitFor(`sessions on ${host.name}`, DEADLINE_MS, async () => {
    const [row] = await cluster.query<{ n: number }>(host, query);
    return row!.n >= PARKED;
  }, 50);
}

/** All that the standby has received, once it shows it. */
async function presentOn(cluster: Cluster, host: Host): Promise<Set<number>> {
  const query =
    "SELECT NOT pg_is_in_recovery() OR (NOT EXISTS (SELECT FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL) " +
    "AND pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()) AS shown";
  await waitFor(`all of WAL replayed on ${host.name}`, DEADLINE_MS, async () => {
    const [row] = await cluster.query<{ shown: boolean }>(host, query);
    return row!.shown;
  }, 50);
  const rows = await cluster.query<{ id: string }>(host, `SELECT id FROM ${FIRST_COMMITS_TABLE}`);
  return new Set(rows.map(({ id }) => Number(id)));
}

function describe(lost: readonly Ack[]): string {
  const firstMs = Math.min(...lost.map(({ atMs }) => atMs));
  return lost.slice(0, 20).map(({ id, member, kind, atMs }) =>
    `${id} (${kind}, by ${member}, ${(atMs - firstMs).toFixed(0)} ms after the first of them)`
  ).join(", ");
}
