/**
 * The first commits of a new primary: sessions that were parked on it while it was a standby, and new ones,
 * write from the first moment on. A second later its host dies, and the standby that is left is asked for
 * everything that was ever acknowledged: nobody else could have acknowledged it.
 *
 * Two more failovers show that this can fail. In both the standby that is left may not log in to the new
 * primary. In strict mode nothing is acknowledged then, and with synchronous_mode off all of it is lost.
 */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { FIRST_COMMITS_TABLE } from "./first_commits_process.ts";
import { type Ack, PARKED, Sessions } from "./first_commits_sessions.ts";
import { atLeast, atMost, eachAtMost, type Measurement, measurement } from "./measurement.ts";

/** In strict mode no commit is acknowledged by the primary alone. */
export const FIRST_COMMITS_DCS = { ttl: 2, synchronous_mode: "on", synchronous_mode_strict: true };

const WINDOW_MS = 1000;
const DEADLINE_MS = 60_000;
/** Two former primaries rewind at once, on a machine that may be loaded. */
const HEALTHY_MS = 180_000;

/** `reps` failovers, each followed by the death of the new primary's host, and the two that are held. */
export async function measureFirstCommits(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const sessions = await Sessions.begin(cluster);
  try {
    const found: Failover[] = [];
    const failures: string[] = [];
    for (let rep = 1; rep <= reps; rep++) {
      const title = `first commits, ${rep} of ${reps}`;
      await failing(failures, title, cluster, say, async () => {
        const one = await failover(cluster, sessions);
        found.push(one);
        say(`${title}: ${describe(one)}`);
        if (one.lost.length > 0) say(`lost: ${list(one.lost)}\n${cluster.logs(60)}`);
      });
    }
    return [...measured(found, failures), ...await measureHeld(cluster, sessions, say)];
  } finally {
    sessions.stop();
  }
}

async function failing(
  failures: string[],
  title: string,
  cluster: Cluster,
  say: (text: string) => void,
  action: () => Promise<void>,
): Promise<void> {
  try {
    await action();
  } catch (error) {
    failures.push((error as Error).message);
    say(`${title}: FAILED, ${(error as Error).message}\n${cluster.logs()}`);
  }
}

function measured(found: readonly Failover[], failures: readonly string[]): Measurement[] {
  const count = (kind: string) => found.reduce((sum, one) => sum + countOf(one, kind), 0);
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

async function measureHeld(
  cluster: Cluster,
  sessions: Sessions,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const [early, lost, failures]: [number[], number[], string[]] = [[], [], []];
  await failing(failures, "first commits, held", cluster, say, async () => {
    const one = await strictWhileHeld(cluster, sessions);
    early.push(one.early.length + one.lost.length);
    say(
      `first commits, strict and held: ${one.early.length} while nobody could follow; then ${describe(one)}`,
    );
  });
  await failing(failures, "first commits, held", cluster, say, async () => {
    const one = await lostWhileHeld(cluster, sessions);
    lost.push(one.lost.length);
    say(`first commits, synchronous_mode off and held: ${describe(one)}`);
  });
  return [
    measurement(
      "first commits: acknowledged with no standby to follow, strict",
      "",
      eachAtMost(0, ""),
      early,
    ),
    measurement(
      "first commits: the same with synchronous_mode off, lost",
      "",
      atLeast(1, ""),
      lost,
      failures,
    ),
  ];
}

export interface Failover {
  /** Acknowledged within a second from the first one on. */
  readonly first: readonly Ack[];
  /** Whatever was acknowledged since the beginning, and is not on the only standby. */
  readonly lost: readonly Ack[];
  readonly outageMs: number;
}

interface SyncKey {
  readonly leader: string | null;
  readonly sync_standby: string | null;
}

async function failover(cluster: Cluster, sessions: Sessions): Promise<Failover> {
  const old = await parkedEverywhere(cluster);
  const since = sessions.acks.length;
  const beginMs = nowMs();
  await old.powerOff();
  return await endOfSuccessor(cluster, sessions, old, since, beginMs);
}

/** In strict mode a new primary that no standby can follow acknowledges nothing before one can. */
export async function strictWhileHeld(
  cluster: Cluster,
  sessions: Sessions,
): Promise<Failover & { readonly early: readonly Ack[] }> {
  const old = await parkedEverywhere(cluster);
  await setLogin(cluster, old, false);
  const since = sessions.acks.length;
  const beginMs = nowMs();
  await old.powerOff();
  const others = cluster.others(old);
  const successor = await waitFor("a successor whose clients wait", DEADLINE_MS, async () => {
    const waiting = await Promise.all(others.map((host) => waitingOn(cluster, host)));
    return others.find((_, i) => waiting[i]! >= PARKED);
  });
  await sleep(WINDOW_MS);
  const early = sessions.acks.slice(since).filter(({ member }) => member === successor.name);
  await setLogin(cluster, successor, true);
  return { early, ...await endOfSuccessor(cluster, sessions, old, since, beginMs) };
}

/** With synchronous_mode off all of it is lost: an oracle that does not see that would see nothing. */
export async function lostWhileHeld(cluster: Cluster, sessions: Sessions): Promise<Failover> {
  const old = await parkedEverywhere(cluster);
  await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode=off", "--force");
  const query = "SELECT current_setting('synchronous_standby_names') AS names";
  await waitFor("an empty setting", DEADLINE_MS, async () => {
    const [row] = await cluster.query<{ names: string }>(old, query);
    return row!.names === "";
  });
  await setLogin(cluster, old, false);
  const since = sessions.acks.length;
  const beginMs = nowMs();
  await old.powerOff();
  return await endOfSuccessor(cluster, sessions, old, since, beginMs);
}

/**
 * All members run, a standby may take over, and the sessions are there. Returns the primary. Without
 * synchronous_mode the record has no leader.
 */
async function parkedEverywhere(cluster: Cluster): Promise<Host> {
  for (const host of cluster.hosts) if (host.agentPid() === null) host.start();
  const primary = await cluster.waitHealthy(HEALTHY_MS);
  await waitFor("a synchronous standby in the record", HEALTHY_MS, async () => {
    const text = await cluster.ctl("dcs", "get", "sync");
    const { leader, sync_standby: standby } = JSON.parse(text) as SyncKey;
    return leader === null || (leader === primary.name && standby !== null);
  });
  await Promise.all(cluster.others(primary).map((host) => sessionsAre(cluster, host)));
  return primary;
}

/** Gives the successor of `old` a second from its first acknowledgement on, and ends its host. */
async function endOfSuccessor(
  cluster: Cluster,
  sessions: Sessions,
  old: Host,
  since: number,
  beginMs: number,
): Promise<Failover> {
  const standbys = cluster.others(old);
  const others = standbys.map(({ name }) => name);
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

/**
 * Whether standbys may log in. Those that stream go on; a new primary has no such ones. Not to be waited for
 * by itself: it is what lets the first acknowledgement come.
 */
async function setLogin(cluster: Cluster, primary: Host, may: boolean): Promise<void> {
  const client = await cluster.connect(primary);
  try {
    await client.query("SET synchronous_commit = local");
    await client.query(`ALTER ROLE replicator ${may ? "LOGIN" : "NOLOGIN"}`);
  } finally {
    await client.end();
  }
  if (may) return;
  const query = "SELECT rolcanlogin AS may FROM pg_authid WHERE rolname = 'replicator'";
  await Promise.all(
    cluster.others(primary).map((host) =>
      waitFor(`the end of logins on ${host.name}`, DEADLINE_MS, async () => {
        const [row] = await cluster.query<{ may: boolean }>(host, query);
        return !row!.may;
      })
    ),
  );
}

/** Sessions whose commits wait for a standby. */
async function waitingOn(cluster: Cluster, host: Host): Promise<number> {
  const query = "SELECT count(*)::int AS n FROM pg_stat_activity " +
    "WHERE application_name = 'first commits' AND wait_event = 'SyncRep'";
  const [row] = await cluster.query<{ n: number }>(host, query);
  return row!.n;
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

const countOf = ({ first }: Failover, kind: string) => first.filter((ack) => ack.kind === kind).length;

function describe(one: Failover): string {
  return `${countOf(one, "parked")} of parked sessions and ${countOf(one, "new")} of new ones, ` +
    `${one.lost.length} lost, first one after ${(one.outageMs / 1000).toFixed(2)} s`;
}

function list(lost: readonly Ack[]): string {
  const firstMs = Math.min(...lost.map(({ atMs }) => atMs));
  return lost.slice(0, 20).map(({ id, member, kind, atMs }) =>
    `${id} (${kind}, by ${member}, ${(atMs - firstMs).toFixed(0)} ms after the first of them)`
  ).join(", ");
}
