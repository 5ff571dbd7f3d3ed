/** The document and the API are the same: routes, answers, and what is refused. */
import { expect, test } from "bun:test";
import { createApp } from "../app.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { STUB_WATCHDOG, StubPort, stubStatus, stubView } from "../testing.ts";
import { DOCUMENT, documentedPath, resolved, undocumented } from "./testing.ts";

const onError = (error: Error) => expect.unreachable(String(error.stack));

async function ask(app: ReturnType<typeof createApp>, path: string, method = "GET") {
  const response = await app.request(path, { method });
  const { status, headers } = response;
  return { method, path, status, type: headers.get("content-type"), text: await response.text() };
}

test("every served route is in the document, and every one in it is served", () => {
  const served = createApp(new StubPort(), { onError }).routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)\{\.\+\}/, "{$1}")}`);
  const named = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`)
  );
  expect(named.sort()).toEqual([...new Set(served)].sort());
});

test("operations have names of their own, and references lead somewhere", () => {
  const ids = Object.values(DOCUMENT.paths).flatMap((methods) =>
    Object.values(methods).map((one) => (one as unknown as { operationId: string }).operationId)
  );
  expect(new Set(ids).size).toBe(ids.length);
  const refs = [...JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref!);
  expect(refs.length).toBeGreaterThan(50);
  for (const ref of refs) resolved(ref);
});

test("the document is answered as JSON, and says what it is", async () => {
  const answer = await ask(createApp(new StubPort(), { onError }), "/openapi.json");
  expect([answer.status, answer.type]).toEqual([200, "application/json"]);
  expect(JSON.parse(answer.text)).toEqual(DOCUMENT);
  expect(DOCUMENT.openapi).toBe("3.1.0");
});

const EVERYTHING: Partial<MemberStatus> = {
  tags: { clonefrom: true, zone: "a" },
  watchdog: { mode: "required", active: true, timeoutS: 2 },
  lastStop: { at: "2026-01-31T12:00:00.000Z", steps: ["fast"], why: "a restart", over: true },
  leadFailure: { at: "2026-01-31T12:00:00.000Z", why: "a full disk", times: 1, sitsOut: true },
  reloadRefused: { at: "2026-01-31T12:00:00.000Z", why: "ttl" },
  certificatesEnding: [{ key: "restapi.certfile", ends: "2026-02-01T12:00:00.000Z" }],
  copyFailed: "no connection",
  needsReinit: "its history differs",
  slotsAtRisk: [{ name: "a", heldBytes: 1, safeBytes: null }],
  pendingRestart: { max_connections: { old_value: "100", new_value: "200" } },
  following: "node2",
  copy: { from: "node1", fromStandby: false, doneBytes: 1, totalBytes: null, bytesPerSecond: null },
  ailments: [{ cause: "slow-disk", severity: "warning", since: "2026-01-31T12:00:00.000Z", detail: "x" }],
  syncTroubles: [{ kind: "waits", since: "2026-01-31T12:00:00.000Z", detail: "x" }] as never,
};

function synchronous(port: StubPort, synchronousMode: "on" | "quorum"): void {
  port.becomeStandby();
  port.changeDynamic({ synchronousMode });
  port.changeDcs({ sync: { leader: "node2", syncStandby: ["node1"], quorum: 1, revision: 1 } as never });
}

/** States that show every field, or leave them out. */
const STATES: { readonly [says: string]: (port: StubPort) => void } = {
  "a primary": () => {},
  "a standby": (port) => port.becomeStandby(),
  "a standby with everything to tell of": (port) => {
    port.becomeStandby();
    port.changeStatus(EVERYTHING);
    port.changeMember("node3", EVERYTHING);
    port.changeMember("node2", { ...stubStatus("node2", true), ...EVERYTHING }, 3500);
    port.changeDynamic({ pause: true, pauseUntil: "2099-01-01T00:00:00Z", failsafeMode: true });
    port.changePostgres({ pendingRestart: EVERYTHING.pendingRestart! });
    port.changeDcs({
      failsafe: { epoch: 1, members: { node1: "http://10.0.0.1:8008/patroni" } } as never,
      waitTtlMs: 60_000,
      losses: [{
        member: "node2",
        at: "2026-01-31T12:00:00.000Z",
        timeline: 1,
        lsn: 1,
        end: 2,
        bytes: 1,
      }] as never,
      events: [{
        id: 1,
        at: "2026-01-31T12:00:00.000Z",
        member: "node1",
        kind: "wal-lost",
        text: "x",
        facts: { lsn: 1, end: 2, bytes: 1, tookMs: 5 },
        times: 2,
        firstAt: "2026-01-31T11:00:00.000Z",
      }] as never,
    });
    port.change({
      watchdog: STUB_WATCHDOG,
      failsafeActive: true,
      operatorNeeded: "agent recover",
      reinitialize: { state: "failed", detail: "x" },
      certificates: [{ key: "restapi.certfile", ends: "2099-01-01T00:00:00.000Z" }],
    });
  },
  "a witness": (port) =>
    port.change({ postgres: null, status: null, sqlAnswers: false, watchdog: null, guard: null }),
  "nothing known yet": (port) => {
    port.lease = false;
    port.change({ dcs: null, dcsAgeMs: null, raft: null, statuses: [], sqlAnswers: false });
  },
  "a standby leader": (port) => {
    port.becomeStandby();
    port.lease = true;
    port.changeStatus({ role: "standby_leader" });
    port.changeDynamic({ standbyCluster: { host: "10.1.0.1", port: 5432 } as never });
  },
  "a loop that stands still": (port) => port.change({ loopAgeMs: 60_000 }),
  "a cluster without a configuration": (port) => port.changeDcs({ config: null, initialize: null }),
  "a page that is switched off": (port) => port.changeRestapi({ ui: false }),
  "a synchronous standby": (port) => synchronous(port, "on"),
  "a standby of the quorum": (port) => synchronous(port, "quorum"),
};

const QUERIES = [
  "?lag=16MB&replication_state=streaming&mode=write&tag_zone=a",
  "?limit=0",
  "?since=x",
  "?member=node9",
];
const takesQuery = (path: string) => JSON.stringify(DOCUMENT.paths[path]).includes('"in":"query"');
const GETS = Object.keys(DOCUMENT.paths).filter((path) => DOCUMENT.paths[path]!.get !== undefined);
const PATHS: readonly string[] = [
  ...GETS.filter((path) => !path.includes("{")),
  ...GETS.filter(takesQuery).flatMap((path) => QUERIES.map((query) => path + query)),
  ...["ttl", "postgresql.parameters.work_mem", "no.such.key", "restapi.nothing"].map((key) =>
    `/agent/config/explain/${key}`
  ),
  ...["style.css", "icon.svg", "dom/main.js", "nothing"].map((path) => `/ui/${path}`),
  ...["leader", "config", "status", "members/node1", "nothing"].map((key) => `/agent/dcs/${key}`),
];

test("each GET answers as the document says, in every state, and with HEAD and OPTIONS alike", async () => {
  const seen = new Set<string>();
  for (const [says, arrange] of Object.entries(STATES)) {
    const port = new StubPort(stubView());
    arrange(port);
    const app = createApp(port, { onError });
    for (const path of PATHS) {
      const answer = await ask(app, path);
      expect([says, path, undocumented(answer)]).toEqual([says, path, null]);
      seen.add(`${documentedPath(path)} ${answer.status}`);
      for (const method of ["HEAD", "OPTIONS"]) {
        expect([method, path, (await ask(app, path, method)).status]).toEqual([method, path, answer.status]);
      }
    }
  }
  const promised = Object.entries(DOCUMENT.paths).flatMap(([path, { get }]) =>
    Object.keys(get?.responses ?? {}).map((status) => `${path} ${status}`)
  );
  expect(promised.filter((one) => !seen.has(one))).toEqual([]);
}, 30_000);
