/** The matrix of health checks: every path against every kind of node. */
import { expect, test } from "bun:test";
import { createApp } from "./app.ts";
import { StubPort } from "./testing.ts";

const PATHS = [
  "/",
  "/primary",
  "/read-write",
  "/master",
  "/standby-leader",
  "/standby_leader",
  "/leader",
  "/replica",
  "/read-only",
  "/synchronous",
  "/sync",
  "/read-only-sync",
  "/read-only-synchronous",
  "/quorum",
  "/read-only-quorum",
  "/asynchronous",
  "/async",
  "/health",
  "/liveness",
  "/readiness",
];

const LEADING = ["/leader", "/readiness", "/liveness"];
const PRIMARY = [
  "/",
  "/primary",
  "/read-write",
  "/master",
  "/read-only",
  "/read-only-sync",
  "/read-only-synchronous",
  "/read-only-quorum",
  "/health",
  ...LEADING,
];
const ASYNC = ["/replica", "/read-only", "/asynchronous", "/async", "/health", "/liveness", "/readiness"];
const SYNC = [
  "/replica",
  "/read-only",
  "/synchronous",
  "/sync",
  "/read-only-sync",
  "/read-only-synchronous",
  "/health",
  "/liveness",
  "/readiness",
];
const QUORUM = [
  "/replica",
  "/read-only",
  "/quorum",
  "/read-only-quorum",
  "/health",
  "/liveness",
  "/readiness",
];

interface Case {
  readonly node: string;
  readonly arrange: (port: StubPort) => void;
  readonly good: readonly string[];
}

function standby(port: StubPort): void {
  port.becomeStandby();
}

function inSync(mode: "on" | "quorum"): (port: StubPort) => void {
  return (port) => {
    port.becomeStandby();
    port.changeDynamic({ synchronousMode: mode });
    port.changeDcs({
      sync: { leader: "node2", syncStandby: ["node1"], quorum: mode === "quorum" ? 1 : 0, revision: 1 },
    });
  };
}

const STANDBY_CLUSTER = { host: "192.0.2.1", port: 5432 };

const CASES: readonly Case[] = [
  { node: "primary with the lease", arrange: () => {}, good: PRIMARY },
  {
    node: "primary whose lease has ended",
    arrange: (port) => {
      port.lease = false;
    },
    good: ["/health", "/liveness"],
  },
  { node: "streaming standby", arrange: standby, good: ASYNC },
  { node: "synchronous standby", arrange: inSync("on"), good: SYNC },
  { node: "quorum standby", arrange: inSync("quorum"), good: QUORUM },
  {
    node: "standby that replays from the archive",
    arrange: (port) => {
      port.becomeStandby();
      port.changePostgres({ replicationState: "in archive recovery" });
    },
    good: ASYNC.filter((path) => path !== "/readiness"),
  },
  {
    node: "standby tagged noloadbalance",
    arrange: (port) => {
      port.becomeStandby();
      port.changeStatus({ tags: { noloadbalance: true } });
    },
    good: ["/health", "/liveness", "/readiness"],
  },
  {
    node: "standby tagged noloadbalance, as a text",
    arrange: (port) => {
      port.becomeStandby();
      port.changeStatus({ tags: { noloadbalance: "true" } });
    },
    good: ["/health", "/liveness", "/readiness"],
  },
  {
    node: "standby that starts",
    arrange: (port) => {
      port.becomeStandby();
      port.changePostgres({ state: "starting" });
      port.change({ sqlAnswers: false });
    },
    good: ["/liveness"],
  },
  {
    node: "standby that hangs",
    arrange: (port) => {
      port.becomeStandby();
      port.change({ sqlAnswers: false });
    },
    good: ["/liveness"],
  },
  {
    node: "standby without a current view of the cluster",
    arrange: (port) => {
      port.becomeStandby();
      port.change({ dcsAgeMs: 60_000 });
    },
    good: ["/replica", "/read-only", "/health", "/liveness", "/readiness"],
  },
  {
    node: "leader of a standby cluster",
    arrange: (port) => {
      port.becomeStandby();
      port.lease = true;
      port.changeDynamic({ standbyCluster: STANDBY_CLUSTER });
      port.changeStatus({ role: "standby_leader" });
    },
    good: [
      "/standby-leader",
      "/standby_leader",
      "/leader",
      "/read-only",
      "/read-only-sync",
      "/read-only-synchronous",
      "/read-only-quorum",
      "/health",
      "/liveness",
      "/readiness",
    ],
  },
  {
    node: "primary in pause without a view of the cluster",
    arrange: (port) => {
      port.lease = false;
      port.changeDynamic({ pause: true });
      port.change({ dcsAgeMs: null });
    },
    good: ["/", "/primary", "/read-write", "/master", "/leader", "/read-only", "/health", "/liveness"],
  },
  {
    node: "primary whose agent hangs",
    arrange: (port) => {
      port.lease = false;
      port.change({ loopAgeMs: 6000 });
    },
    good: ["/health"],
  },
  {
    node: "primary in pause whose agent hangs",
    arrange: (port) => {
      port.changeDynamic({ pause: true });
      port.change({ loopAgeMs: 6000 });
    },
    good: ["/health", "/liveness"],
  },
  {
    node: "primary in pause without a view of the cluster, whose agent hangs",
    arrange: (port) => {
      port.changeDynamic({ pause: true });
      port.change({ loopAgeMs: 6000, dcsAgeMs: null });
    },
    good: ["/health", "/liveness"],
  },
  {
    node: "standby whose agent is late",
    arrange: (port) => {
      port.becomeStandby();
      port.change({ loopAgeMs: 6000 });
    },
    good: ASYNC,
  },
];

async function codeOf(port: StubPort, path: string, method = "GET"): Promise<number> {
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  return (await app.request(path, { method })).status;
}

for (const { node, arrange, good } of CASES) {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    test(`${method} of every health check on a ${node}`, async () => {
      const port = new StubPort();
      arrange(port);
      const found: string[] = [];
      for (const path of PATHS) {
        const code = await codeOf(port, path, method);
        expect([200, 503]).toContain(code);
        if (code === 200) found.push(path);
      }
      expect(found).toEqual(PATHS.filter((path) => good.includes(path)));
    });
  }
}

const LAGGING = 83886080 + 20 * 1024 * 1024;

const QUERIES: readonly [string, number][] = [
  ["/replica?lag=10MB", 503],
  ["/replica?lag=20MB", 200],
  ["/replica?lag=20480kB", 200],
  ["/replica?lag=20971519", 503],
  ["/replica?lag=1GB", 200],
  ["/replica?lag=lots", 200],
  ["/replica", 200],
  ["/asynchronous?lag=10MB", 503],
  ["/read-only?lag=10MB", 503],
  ["/replica?replication_state=streaming", 200],
  ["/replica?replication_state=in%20archive%20recovery", 503],
  ["/readiness", 503],
  ["/readiness?lag=20MB", 200],
  ["/readiness?lag=10MB&mode=apply", 503],
  ["/readiness?lag=10MB&mode=write", 503],
  ["/replica?tag_zone=a", 200],
  ["/replica?tag_zone=b", 503],
  ["/replica?tag_missing=1", 503],
  ["/replica?tag_missing=", 200],
  ["/replica?tag_zone=a&tag_zone=b", 200],
  ["/replica?tag_clonefrom=true", 200],
  ["/replica?tag_clonefrom=True", 503],
  ["/replica?tag_weight=3", 200],
  ["/replica?tag_zone=a&tag_weight=4", 503],
  ["/health?tag_zone=b", 503],
];

for (const [path, code] of QUERIES) {
  test(`GET ${path} on a standby 20 MB behind is ${code}`, async () => {
    const port = new StubPort();
    port.becomeStandby();
    port.changeStatus({ tags: { zone: "a", clonefrom: true, weight: 3 } });
    port.change({ progress: { optime: LAGGING, slots: {}, retainSlots: [] } });
    expect(await codeOf(port, path)).toBe(code);
  });
}

test("GET /readiness?mode=write counts what has been received", async () => {
  const port = new StubPort();
  port.becomeStandby();
  port.changePostgres({ receivedLsn: LAGGING });
  port.change({ progress: { optime: LAGGING, slots: {}, retainSlots: [] } });
  expect(await codeOf(port, "/readiness?mode=write")).toBe(200);
  expect(await codeOf(port, "/readiness")).toBe(503);
});

test("a primary ignores tags in the query", async () => {
  expect(await codeOf(new StubPort(), "/primary?tag_zone=b")).toBe(200);
  expect(await codeOf(new StubPort(), "/health?tag_zone=b")).toBe(503);
});

test("the answer follows the lease at once, without a change of anything else", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  expect((await app.request("/primary")).status).toBe(200);
  port.lease = false;
  expect((await app.request("/primary")).status).toBe(503);
});

test("OPTIONS and HEAD answer without a body, liveness and readiness also to GET", async () => {
  const app = createApp(new StubPort(), { onError: (error) => expect.unreachable(String(error)) });
  for (
    const [path, method] of [["/primary", "OPTIONS"], ["/primary", "HEAD"], ["/liveness", "GET"], [
      "/readiness",
      "GET",
    ]]
  ) {
    expect(await (await app.request(path!, { method })).text()).toBe("");
  }
});
