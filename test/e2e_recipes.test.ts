/**
 * The recipes of docs/recipes on one cluster, with their own files: every way from a client to the primary,
 * at the same time, through a switchover and the death of a host. In network namespaces, so only as root;
 * skipped and counted otherwise.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import type { RunResult } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS } from "./e2e/harness.ts";
import { hasNamespaces } from "./e2e/network.ts";
import { cutStory } from "./e2e/network_cluster.ts";
import { haproxy, installed, keepalived, pgbouncer, RecipeFixture } from "./e2e/recipe_cluster.ts";
import { commandsOf } from "./e2e/recipes.ts";
import { APP, standbyBy } from "./e2e/ways.ts";

const possible = hasNamespaces();
const fixture = new RecipeFixture();

beforeAll(async () => {
  if (possible) await fixture.openRecipes();
}, 2 * START_MS);
afterAll(() => fixture.close(), START_MS);

function story(name: string, has: boolean, tell: () => Promise<void>): void {
  cutStory(fixture, name, possible && has, tell);
}

/** Readers come to a standby; once is enough, where none is sent elsewhere on purpose. */
async function readersFollow(name?: string): Promise<void> {
  for (const reader of fixture.readers.filter((one) => name === undefined || one.name === name)) {
    await waitFor(`a standby by ${reader.name}`, START_MS, () => standbyBy(reader.ask));
  }
}

/** A session of libpq on the primary, in the midst of a query. */
async function sessionThatWaits(primary: Host): Promise<{ readonly end: Promise<RunResult> }> {
  const end = fixture.psql("SELECT pg_sleep(1000)");
  await waitFor("a session that waits", START_MS, async () => {
    const sql = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    return (await fixture.cluster.query(primary, sql)).length > 0;
  });
  return { end };
}

const pooled = haproxy === null ? null : pgbouncer;
for (
  const [name, program] of [
    ["libpq", ""],
    ["HAProxy", haproxy],
    ["PgBouncer before HAProxy", pooled],
    ["PgBouncer on each member", pooled],
    ["virtual IP", keepalived],
  ] as const
) {
  story(`${name}: writers come to the primary, and readers to a standby`, program !== null, async () => {
    const primary = await fixture.allWell();
    await fixture.way(name).follows(primary, nowMs());
    await readersFollow(name);
  });
}

// Older versions of libpq refuse the setting.
const canBalance = possible && installed().major >= 16;

story("load_balance_hosts brings readers by libpq to one standby and to the other", canBalance, async () => {
  const primary = await fixture.allWell();
  const standbys = fixture.cluster.others(primary).map(({ name }) => name).sort();
  const ask = fixture.reader("load_balance_hosts=random");
  const seen = new Set<string>();
  await waitFor("readers on both standbys", START_MS, async () => {
    seen.add(await standbyBy(ask));
    return seen.size === 2;
  });
  expect([...seen].sort()).toEqual(standbys);
});

story("HAProxy shows a certificate that the members want from everybody", haproxy !== null, async () => {
  const primary = await fixture.allWell();
  const tls = { rejectUnauthorized: false };
  const bare = fetch(`https://${primary.restAddress}/primary`, { tls });
  await expect(bare).rejects.toThrow();
});

story("what faces the clients does not go on as root", haproxy !== null && pgbouncer !== null, async () => {
  await fixture.allWell();
  expect(["haproxy", "pgbouncer"].filter((name) => fixture.uidOf(name) === 0)).toEqual([]);
});

story("after a switchover every way leads to the new primary, and nothing is lost", true, async () => {
  const old = await fixture.allWell();
  const begin = nowMs();
  await fixture.cluster.ctl("switchover", "--leader", old.name, "--force");
  const successor = await fixture.successorOf(old, begin);
  await fixture.follow(successor, begin);
  expect(fixture.lateAcks(old, begin)).toEqual([]);
  expect(await fixture.lost(successor)).toEqual([]);
});

story("after the death of the primary's host every way leads to the new primary", true, async () => {
  const old = await fixture.allWell();
  const waiting = await sessionThatWaits(old);
  const begin = nowMs();
  await fixture.dies(old);
  const successor = await fixture.successorOf(old, begin);
  await fixture.follow(successor, begin);
  expect(fixture.lateAcks(old, begin)).toEqual([]);
  await readersFollow();
  // Nothing tells it of the end of the host: it is the limits of the service that do.
  const { code, output } = await waiting.end;
  expect(output).toContain("Connection timed out");
  expect(code).toBe(2);
  fixture.mend(old);
  await fixture.allWell();
});

story(
  "clients of a PgBouncer that is paused meanwhile see nothing of a switchover",
  pooled !== null,
  async () => {
    const old = await fixture.allWell();
    const way = fixture.way("PgBouncer before HAProxy");
    await fixture.tellPgbouncer("PAUSE");
    const begin = nowMs();
    let successor: Host;
    try {
      await fixture.cluster.ctl("switchover", "--leader", old.name, "--force");
      successor = await fixture.successorOf(old, begin);
      await fixture.way("HAProxy").follows(successor, begin);
    } finally {
      await fixture.tellPgbouncer("RESUME");
    }
    await way.follows(successor, begin);
    expect(way.failures.filter(({ sentMs }) => sentMs >= begin)).toEqual([]);
  },
);

story("the virtual IP leaves a primary that is cut off and lives", keepalived !== null, async () => {
  const old = await fixture.allWell();
  const begin = nowMs();
  fixture.cut(old);
  const successor = await fixture.successorOf(old, begin);
  await fixture.way("virtual IP").follows(successor, begin);
  await waitFor("the address to be taken away", START_MS, () => !fixture.hasVirtualAddress(old));
  expect(fixture.lateAcks(old, begin)).toEqual([]);
});

story(
  "a virtual IP that was left behind confirms nothing, and goes with keepalived's next start",
  keepalived !== null,
  async () => {
    const old = await fixture.allWell();
    await fixture.killKeepalived(old);
    const begin = nowMs();
    await fixture.cluster.ctl("switchover", "--leader", old.name, "--force");
    const successor = await fixture.successorOf(old, begin);
    await fixture.way("virtual IP").follows(successor, begin);
    expect(fixture.hasVirtualAddress(old)).toBe(true);
    expect(fixture.lateAcks(old, begin)).toEqual([]);
    await fixture.allWell();
    await waitFor("the address to be taken away", START_MS, () => !fixture.hasVirtualAddress(old));
  },
);

const EXTENSION = "pg_stat_statements";
const [, preload, show, restart] = commandsOf("preloaded-extensions.md") as [
  string[],
  string[],
  string[],
  string[],
];

/** Every member waits for a restart, and `list` says so with this reason. */
async function pendingOnAll(reason: string): Promise<void> {
  for (const { name } of fixture.cluster.hosts) {
    await waitFor(`${name} to wait for a restart`, START_MS, async () => {
      const line = (await fixture.cluster.ctl(...show)).split("\n").find((one) => one.includes(`| ${name} `));
      return line?.includes(reason) ?? false;
    });
  }
}

/** Statements that the member itself has counted in the application's database. */
async function counted(host: Host): Promise<number> {
  const client = await fixture.cluster.connect(host, APP);
  try {
    const { rows } = await client.query<{ calls: string }>(`SELECT sum(calls) AS calls FROM ${EXTENSION}`);
    return Number(rows[0]!.calls);
  } finally {
    await client.end();
  }
}

story(
  "a library is preloaded on every member, one after the other, and its extension counts",
  true,
  async () => {
    const old = await fixture.allWell();
    const { cluster } = fixture;
    await cluster.ctl(...preload);
    await pendingOnAll(`shared_preload_libraries: ->${EXTENSION}`);
    const begin = nowMs();
    const output = await cluster.ctl(...restart);
    expect(output).toContain(`${old.name} (by switchover)`);
    const successor = await fixture.successorOf(old, begin);
    await fixture.follow(successor, begin);
    expect(await fixture.lost(successor)).toEqual([]);
    await waitFor("no member to wait for a restart", START_MS, async () => {
      return !(await cluster.ctl(...show)).includes("Pending restart");
    });

    const client = await cluster.connect(successor, APP);
    await client.query(`CREATE EXTENSION ${EXTENSION}`).finally(() => client.end());
    for (const host of cluster.hosts) {
      await waitFor(`statements of ${host.name}`, START_MS, async () => await counted(host) > 0);
    }
  },
);

story("a library that one member lacks is refused; insisted on, the primary goes on", true, async () => {
  const primary = await fixture.allWell();
  const { cluster } = fixture;
  const [lacking, other] = cluster.others(primary) as [Host, Host];
  // PostgreSQL works in its data directory: each member has a place of its own beside it.
  const library = "../preload/auto_explain";
  for (const host of [primary, other]) fixture.giveLibrary(host, "auto_explain");
  const asked = preload.map((one) => one.endsWith(EXTENSION) ? `${one},${library}` : one);
  const refused = await cluster.tryCtl(...asked);
  expect(refused.output).toContain(
    `${lacking.name}: shared_preload_libraries names ${library}, which is not`,
  );
  expect(refused.code).toBe(1);
  for (const { name } of [primary, other]) expect(refused.output).not.toContain(`${name}: shared_preload`);

  await cluster.ctl(...asked, "--override");
  await pendingOnAll("shared_preload_libraries: ");
  const stopped = await cluster.tryCtl(...restart);
  expect(stopped.code).toBe(1);
  expect(stopped.output).toMatch(new RegExp(`Failed: [12]/3 ${lacking.name}: restart failed`));
  await fixture.listed(new RegExp(`${lacking.name} .* start failed `));
  expect(await cluster.waitForPrimary()).toBe(primary);
  await waitFor("PostgreSQL's own words", START_MS, () => lacking.log().includes("could not access file"));
  fixture.giveLibrary(lacking, "auto_explain");
  expect(await fixture.allWell()).toBe(primary);
});
