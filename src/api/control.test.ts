/** Every unsafe endpoint: code and text of each outcome (docs/compatibility.md section 10.2). */
import { expect, test } from "bun:test";
import { createApp } from "./app.ts";
import type { Connection } from "./env.ts";
import { DOCUMENT, documentedPath, undocumented } from "./openapi/testing.ts";
import { StubPort } from "./testing.ts";

interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

const isDocumented = (method: string, path: string) =>
  DOCUMENT.paths[documentedPath(path) ?? ""]?.[method.toLowerCase()] !== undefined;

/** All answers of the tests here, as /openapi.json names them. */
const seen = new Set<string>();

async function send(port: StubPort, { method, path, body, headers = {} }: Request, connection?: Connection) {
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const length: Record<string, string> = text === undefined ? {} : { "Content-Length": String(text.length) };
  const response = await app.request(
    path,
    { method, body: text, headers: { ...length, ...headers } },
    connection,
  );
  const answer = await response.text();
  const { status, headers: answered } = response;
  if (isDocumented(method, path)) {
    const type = answered.get("content-type");
    expect(undocumented({ method, path, status, type, text: answer })).toBe(null);
    seen.add(`${method} ${documentedPath(path)} ${status}`);
  }
  return { code: status, text: answer, headers: answered };
}

interface Case {
  readonly says: string;
  readonly request: Request;
  readonly arrange?: (port: StubPort) => void;
  readonly code: number;
  readonly text?: string;
}

const IN_AN_HOUR = new Date(Date.now() + 3_600_000).toISOString();
const post = (path: string, body?: unknown): Request => ({ method: "POST", path, body });
const paused = (port: StubPort) => port.changeDynamic({ pause: true });

/** The coordinator gives the lock to `holder` and, once that writes, records the outcome. */
function grants(holder: string, text: string) {
  return (port: StubPort) => {
    port.onFailover = ({ id }) => {
      port.changeDcs({ lock: { ...port.view().dcs!.lock, holder, epoch: 2 } });
      port.changeDcs({ failover: null, failoverResults: [{ id, ok: true, text }] });
    };
  };
}

const CASES: readonly Case[] = [
  // reload
  { says: "reload", request: post("/reload"), code: 202, text: "reload scheduled" },

  // restart
  { says: "restart", request: post("/restart"), code: 200, text: "restarted successfully" },
  {
    says: "restart with an empty object",
    request: post("/restart", {}),
    code: 200,
    text: "restarted successfully",
  },
  {
    says: "restart while something runs",
    request: post("/restart"),
    arrange: (port) => {
      port.restartOutcome = { kind: "busy", action: "reinitialize" };
    },
    code: 503,
    text: "reinitialize already in progress",
  },
  {
    says: "restart that takes longer than its timeout",
    request: post("/restart", { timeout: 5 }),
    arrange: (port) => {
      port.restartOutcome = { kind: "still-starting" };
    },
    code: 503,
    text: "postgres is still starting",
  },
  {
    says: "restart that fails",
    request: post("/restart"),
    arrange: (port) => {
      port.restartOutcome = { kind: "failed" };
    },
    code: 503,
    text: "restart failed",
  },
  {
    says: "restart of another role",
    request: post("/restart", { role: "replica" }),
    code: 503,
    text: "restart conditions are not satisfied",
  },
  { says: "restart of our role", request: post("/restart", { role: "primary" }), code: 200 },
  {
    says: "restart if pending, which it is not",
    request: post("/restart", { restart_pending: true }),
    code: 503,
    text: "restart conditions are not satisfied",
  },
  {
    says: "restart if pending, which it is",
    request: post("/restart", { restart_pending: true }),
    arrange: (port) => port.changePostgres({ pendingRestart: { port: { old_value: "1", new_value: "2" } } }),
    code: 200,
  },
  {
    says: "restart if older than the running version",
    request: post("/restart", { postgres_version: "15.2" }),
    code: 503,
    text: "restart conditions are not satisfied",
  },
  {
    says: "restart if older than a later version",
    request: post("/restart", { postgres_version: "15.19" }),
    code: 200,
  },
  {
    says: "restart of a role that does not exist",
    request: post("/restart", { role: "master" }),
    code: 400,
    text: "PostgreSQL role should be either primary, standby_leader, or replica",
  },
  {
    says: "restart of a version that is none",
    request: post("/restart", { postgres_version: "new" }),
    code: 400,
  },
  {
    says: "restart with a timeout of 0",
    request: post("/restart", { timeout: 0 }),
    code: 400,
    text: "Timeout should be a positive number of seconds",
  },
  {
    says: "restart with a timeout beyond what a timer can wait",
    request: post("/restart", { timeout: "25d" }),
    code: 400,
    text: "Timeout should be a positive number of seconds",
  },
  {
    says: "restart with an unknown key",
    request: post("/restart", { when: 1 }),
    code: 400,
    text: "Unknown filter for the scheduled restart: when",
  },
  { says: "restart with a body that is no JSON", request: post("/restart", "{"), code: 400 },
  {
    says: "restart scheduled",
    request: post("/restart", { schedule: IN_AN_HOUR }),
    code: 202,
    text: "Restart scheduled",
  },
  {
    says: "restart scheduled twice",
    request: post("/restart", { schedule: IN_AN_HOUR }),
    arrange: (port) => port.changeDcs({ restarts: { node1: { schedule: IN_AN_HOUR, id: "r" } } }),
    code: 409,
    text: "Another restart is already scheduled",
  },
  {
    says: "restart scheduled without a zone",
    request: post("/restart", { schedule: "2096-01-01T10:00" }),
    code: 400,
    text: "Timezone information is mandatory for the scheduled restart",
  },
  {
    says: "restart scheduled in the past",
    request: post("/restart", { schedule: "2006-01-01T10:00+00:00" }),
    code: 422,
    text: "Cannot schedule restart in the past",
  },
  {
    says: "restart scheduled for no time",
    request: post("/restart", { schedule: "soon" }),
    code: 422,
    text: "Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601",
  },
  {
    says: "restart scheduled in pause",
    request: post("/restart", { schedule: IN_AN_HOUR }),
    arrange: paused,
    code: 500,
    text: "Can't schedule restart in the paused state",
  },
  {
    says: "scheduled restart deleted",
    request: { method: "DELETE", path: "/restart" },
    arrange: (port) => port.changeDcs({ restarts: { node1: { schedule: IN_AN_HOUR, id: "r" } } }),
    code: 200,
    text: "scheduled restart deleted",
  },
  {
    says: "no scheduled restart to delete",
    request: { method: "DELETE", path: "/restart" },
    code: 404,
    text: "no restarts are scheduled",
  },

  // switchover and failover: rules
  { says: "switchover without a body", request: post("/switchover"), code: 411 },
  { says: "switchover with an empty object", request: post("/switchover", {}), code: 400 },
  { says: "switchover with a list", request: post("/switchover", []), code: 400 },
  {
    says: "switchover from nobody",
    request: post("/switchover", { candidate: "node2" }),
    code: 400,
    text: "Switchover could be performed only from a specific leader",
  },
  {
    says: "switchover to the leader",
    request: post("/switchover", { leader: "node1", candidate: "node1" }),
    code: 400,
    text: "Switchover target and source are the same",
  },
  {
    says: "switchover scheduled in pause",
    request: post("/switchover", { leader: "node1", scheduled_at: IN_AN_HOUR }),
    arrange: paused,
    code: 400,
    text: "Can't schedule switchover in the paused state",
  },
  {
    says: "switchover to anyone in pause",
    request: post("/switchover", { leader: "node1" }),
    arrange: paused,
    code: 400,
    text: "Switchover is possible only to a specific candidate in a paused state",
  },
  {
    says: "switchover scheduled without a zone",
    request: post("/switchover", { leader: "node1", scheduled_at: "2096-01-01T10:00" }),
    code: 400,
    text: "Timezone information is mandatory for the scheduled switchover",
  },
  {
    says: "switchover scheduled in the past",
    request: post("/switchover", { leader: "node1", scheduled_at: "2006-01-01T10:00Z" }),
    code: 422,
    text: "Cannot schedule switchover in the past",
  },
  {
    says: "failover to nobody",
    request: post("/failover", { leader: "node1" }),
    code: 400,
    text: "Failover could be performed only to a specific candidate",
  },
  {
    says: "failover scheduled",
    request: post("/failover", { candidate: "node2", scheduled_at: IN_AN_HOUR }),
    code: 400,
    text: "Failover can't be scheduled",
  },

  // what the cluster does not allow
  {
    says: "switchover from another leader",
    request: post("/switchover", { leader: "node3" }),
    code: 412,
    text: "leader name does not match",
  },
  {
    says: "switchover to a stranger",
    request: post("/switchover", { leader: "node1", candidate: "nobody" }),
    code: 412,
    text: "candidate does not exists",
  },
  {
    says: "switchover to an asynchronous standby",
    request: post("/switchover", { leader: "node1", candidate: "node3" }),
    arrange: (port) => {
      port.changeDynamic({ synchronousMode: "on" });
      port.changeDcs({ sync: { leader: "node1", syncStandby: ["node2"], quorum: 0, revision: 1 } });
    },
    code: 412,
    text: "candidate name does not match with sync_standby",
  },
  {
    says: "switchover without a synchronous standby",
    request: post("/switchover", { leader: "node1" }),
    arrange: (port) => port.changeDynamic({ synchronousMode: "on" }),
    code: 412,
    text: "switchover is not possible: can not find sync_standby",
  },
  {
    says: "switchover of a lone leader",
    request: post("/switchover", { leader: "node1" }),
    arrange: (port) => port.change({ statuses: port.view().statuses.slice(0, 1) }),
    code: 412,
    text: "switchover is not possible: cluster does not have members except leader",
  },
  {
    says: "switchover to a member that may not be promoted",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => port.changeMember("node2", { nofailover: true }),
    code: 412,
    text: "switchover is not possible: no good candidates have been found",
  },
  {
    says: "failover to a member that is silent",
    request: post("/failover", { candidate: "node2" }),
    arrange: (port) => port.changeMember("node2", {}, 3000),
    code: 412,
    text: "failover is not possible: no good candidates have been found",
  },
  {
    says: "failover to a member that was removed from the group, and speaks still",
    request: post("/failover", { candidate: "node2" }),
    arrange: (port) => port.change({ removed: ["node2"] }),
    code: 412,
    text: "candidate does not exists",
  },
  {
    says: "failover to the leader",
    request: post("/failover", { candidate: "node1" }),
    code: 412,
    text: "failover is not possible: no good candidates have been found",
  },
  {
    says: "switchover to a member whose watchdog has failed",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => port.changeMember("node2", { watchdogFailed: true }),
    code: 412,
    text: "switchover is not possible: no good candidates have been found",
  },
  {
    says: "switchover to a member that shuts down",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => port.changeMember("node2", { shuttingDown: true }),
    code: 412,
    text: "switchover is not possible: no good candidates have been found",
  },
  {
    says: "failover to another machine than the one that has joined under the name",
    request: post("/failover", { candidate: "node2" }),
    arrange: (port) => port.changeMember("node2", { life: { node: 9, machine: "other", boot: "other" } }),
    code: 412,
    text: "failover is not possible: no good candidates have been found",
  },

  // what happens then
  {
    says: "switchover to a candidate",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: grants("node2", 'Successfully switched over to "node2"'),
    code: 200,
    text: 'Successfully switched over to "node2"',
  },
  {
    says: "switchover with the old name of the candidate",
    request: post("/switchover", { leader: "node1", member: "node2" }),
    arrange: grants("node2", 'Successfully switched over to "node2"'),
    code: 200,
    text: 'Successfully switched over to "node2"',
  },
  {
    says: "switchover that ends elsewhere",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: grants("node3", 'Switched over to "node3" instead of "node2"'),
    code: 200,
    text: 'Switched over to "node3" instead of "node2"',
  },
  {
    says: "failover to an asynchronous standby",
    request: post("/failover", { candidate: "node3" }),
    arrange: (port) => {
      port.changeDynamic({ synchronousMode: "on" });
      port.changeDcs({ sync: { leader: "node1", syncStandby: ["node2"], quorum: 0, revision: 1 } });
      grants("node3", 'Successfully failed over to "node3"')(port);
    },
    code: 200,
    text: 'Successfully failed over to "node3"',
  },
  {
    says: "failover of a cluster without a leader",
    request: post("/failover", { candidate: "node3" }),
    arrange: (port) => {
      port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } });
      grants("node3", 'Successfully failed over to "node3"')(port);
    },
    code: 200,
    text: 'Successfully failed over to "node3"',
  },
  {
    says: "failover that names the leader",
    request: post("/failover", { leader: "node1", candidate: "node2" }),
    arrange: grants("node2", 'Successfully switched over to "node2"'),
    code: 200,
    text: 'Successfully switched over to "node2"',
  },
  {
    says: "switchover whose candidate is granted the lock and cannot be promoted",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => {
      port.onFailover = ({ id }) => {
        port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: "node2", epoch: 2 } });
        port.changeDcs({
          failover: null,
          failoverResults: [{ id, ok: false, text: "node2 could not take over" }],
        });
      };
    },
    code: 503,
    text: "Switchover failed",
  },
  {
    says: "switchover that the coordinator refuses",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => {
      port.onFailover = ({ id }) =>
        port.changeDcs({ failover: null, failoverResults: [{ id, ok: false, text: "node2 lags by 20 MB" }] });
    },
    code: 503,
    text: "Switchover failed",
  },
  {
    says: "switchover whose request disappears",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => {
      port.onFailover = () => port.changeDcs({ failover: null });
    },
    code: 503,
    text: "Switchover failed",
  },
  {
    says: "switchover that cannot be logged",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => {
      port.writeOutcome = { kind: "unavailable", reason: "no raft leader" };
    },
    code: 503,
    text: "failed to write failover key into DCS",
  },
  {
    says: "switchover scheduled",
    request: post("/switchover", { leader: "node1", scheduled_at: IN_AN_HOUR }),
    code: 202,
    text: "Switchover scheduled",
  },
  {
    says: "no scheduled switchover to delete",
    request: { method: "DELETE", path: "/switchover" },
    code: 404,
    text: "no switchover is scheduled",
  },
  {
    says: "scheduled switchover deleted",
    request: { method: "DELETE", path: "/switchover" },
    arrange: scheduledSwitchover,
    code: 200,
    text: "scheduled switchover deleted",
  },
  {
    says: "scheduled switchover changed meanwhile",
    request: { method: "DELETE", path: "/switchover" },
    arrange: (port) => {
      scheduledSwitchover(port);
      port.writeOutcome = { kind: "conflict" };
    },
    code: 409,
  },

  // reinitialize
  {
    says: "reinitialize on the leader",
    request: post("/reinitialize"),
    code: 503,
    text: "I am the leader, can not reinitialize",
  },
  {
    says: "reinitialize without a leader",
    request: post("/reinitialize"),
    arrange: (port) => port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } }),
    code: 503,
    text: "Cluster has no leader, can not reinitialize",
  },
  {
    says: "reinitialize on a standby",
    request: post("/reinitialize"),
    arrange: (port) => port.becomeStandby(),
    code: 200,
    text: "reinitialize started",
  },
  {
    says: "reinitialize while something runs",
    request: post("/reinitialize"),
    arrange: (port) => {
      port.becomeStandby();
      port.reinitializeOutcome = { kind: "busy", action: "restart" };
    },
    code: 503,
    text: "restart already in progress",
  },

  // config
  { says: "config without a body", request: { method: "PATCH", path: "/config" }, code: 411 },
  { says: "config that is no JSON", request: { method: "PATCH", path: "/config", body: "{ttl}" }, code: 400 },
  { says: "config that is no object", request: { method: "PUT", path: "/config", body: "[]" }, code: 400 },
  {
    says: "config patched",
    request: { method: "PATCH", path: "/config", body: { ttl: 6 } },
    code: 200,
    text: '{"ttl": 6, "loop_wait": 1, "postgresql": {"parameters": {"max_connections": 100}}}',
  },
  {
    says: "config replaced",
    request: { method: "PUT", path: "/config", body: { ttl: 6 } },
    code: 200,
    text: '{"ttl": 6}',
  },
  {
    says: "config patched by two at once",
    request: { method: "PATCH", path: "/config", body: { ttl: 6 } },
    arrange: (port) => {
      port.configOutcome = { kind: "conflict" };
    },
    code: 409,
  },
  {
    says: "config patched where there is none",
    request: { method: "PATCH", path: "/config", body: { ttl: 6 } },
    arrange: (port) => {
      port.configOutcome = { kind: "missing" };
    },
    code: 503,
  },
  {
    says: "config that breaks a rule",
    request: { method: "PATCH", path: "/config", body: { ttl: 0 } },
    arrange: (port) => {
      port.configOutcome = { kind: "invalid", reason: "ttl must be at least 2" };
    },
    code: 422,
    text: "ttl must be at least 2",
  },
  {
    says: "config replaced without a quorum",
    request: { method: "PUT", path: "/config", body: { ttl: 6 } },
    arrange: (port) => {
      port.configOutcome = { kind: "unavailable", reason: "no raft leader" };
    },
    code: 502,
    text: "no raft leader",
  },

  // failsafe
  { says: "failsafe that is off", request: { method: "GET", path: "/failsafe" }, code: 502 },
  {
    says: "failsafe that has nobody to ask",
    request: { method: "GET", path: "/failsafe" },
    arrange: (port) => {
      port.changeDynamic({ failsafeMode: true });
      port.changeDcs({ failsafe: null });
    },
    code: 502,
    text: "failsafe_mode is enabled, and there is nobody to ask",
  },
  { says: "failsafe asked while it is off", request: post("/failsafe", { name: "node2" }), code: 502 },
  {
    says: "failsafe asked of a leader",
    request: post("/failsafe", { name: "node2", conn_url: "x", api_url: "y", slots: {} }),
    arrange: (port) => port.changeDynamic({ failsafeMode: true }),
    code: 500,
    text: "Running as a leader",
  },
  {
    says: "failsafe asked without a name",
    request: post("/failsafe", { conn_url: "x" }),
    arrange: (port) => port.changeDynamic({ failsafeMode: true }),
    code: 400,
  },
  {
    says: "failsafe map",
    request: { method: "GET", path: "/failsafe" },
    arrange: (port) => {
      port.changeDynamic({ failsafeMode: true });
      port.changeDcs({
        failsafe: {
          epoch: 1,
          holder: "node1",
          revision: 1,
          members: { node1: "http://10.0.0.1:8008/patroni" },
        },
      });
    },
    code: 200,
    text: '{"node1": "http://10.0.0.1:8008/patroni"}',
  },

  // raft
  {
    says: "raft leadership transferred",
    request: post("/agent/raft/transfer", { name: "node2" }),
    code: 200,
    text: "raft leadership transferred to node2",
  },
  {
    says: "raft leadership not transferred",
    request: post("/agent/raft/transfer", { name: "node9" }),
    arrange: (port) => {
      port.transferError = "node9 is no voter";
    },
    code: 503,
    text: "node9 is no voter",
  },
  { says: "raft leadership to nobody", request: post("/agent/raft/transfer", { to: "node2" }), code: 400 },

  {
    says: "a raft member added",
    request: post("/agent/raft/add", { address: "10.0.0.4:2222", name: "node4" }),
    code: 200,
    text: "10.0.0.4:2222 is a member now",
  },
  {
    says: "a switchover that the log does not take",
    request: post("/switchover", { leader: "node1", candidate: "node2" }),
    arrange: (port) => {
      port.writeOutcome = {
        kind: "invalid",
        reason: "candidate: a text without control characters is expected",
      };
    },
    code: 400,
    text: "candidate: a text without control characters is expected",
  },
  {
    says: "a raft member added where nobody can dial it",
    request: post("/agent/raft/add", { address: "10.55.0.9:70000", name: "node4" }),
    code: 400,
    text:
      'Bad Request: address: "10.55.0.9:70000" is no address: "host:port" is expected, with a port from 1 to 65535',
  },
  {
    says: "a raft member replaced by one at every address",
    request: post("/agent/raft/replace", { name: "node3", address: "0.0.0.0:2222" }),
    code: 400,
    text: "Bad Request: address: 0.0.0.0:2222 stands for every address of a host: name one of them",
  },
  { says: "a raft member added nowhere", request: post("/agent/raft/add", { name: "node4" }), code: 400 },
  {
    says: "a raft member not removed",
    request: post("/agent/raft/remove", { name: "node1" }),
    arrange: (port) => {
      port.raftChangeOutcome = { kind: "rejected", reason: "node1 holds the leader lock" };
    },
    code: 409,
    text: "node1 holds the leader lock",
  },
  { says: "a raft member removed by number", request: post("/agent/raft/remove", { name: 1 }), code: 400 },
  {
    says: "a raft member replaced, or not",
    request: post("/agent/raft/replace", { name: "node3", address: "10.0.0.4:2222" }),
    arrange: (port) => {
      port.raftChangeOutcome = { kind: "unknown", reason: "leadership was lost" };
    },
    code: 503,
    text: "It is not known whether it is done (look at the status): leadership was lost",
  },
  {
    says: "a raft member replaced by nothing",
    request: post("/agent/raft/replace", { name: "node3" }),
    code: 400,
  },
  { says: "a raft snapshot", request: post("/agent/raft/snapshot"), code: 200, text: "snapshot taken" },

  // what is not there
  { says: "unknown POST", request: post("/nonsense"), code: 501, text: "Unsupported method ('POST')" },
  { says: "unknown DELETE", request: { method: "DELETE", path: "/config" }, code: 501 },
  { says: "unknown GET", request: { method: "GET", path: "/nonsense" }, code: 503 },
  { says: "GET of a POST", request: { method: "GET", path: "/switchover" }, code: 503 },
];

function scheduledSwitchover(port: StubPort): void {
  port.changeDcs({
    failover: {
      kind: "switchover",
      leader: "node1",
      candidate: null,
      scheduledAt: IN_AN_HOUR,
      id: "x",
      accepted: false,
      epoch: 0,
      revision: 9,
    },
  });
}

for (const { says, request, arrange, code, text } of CASES) {
  test(`${request.method} ${request.path}: ${says} is ${code}`, async () => {
    const port = new StubPort();
    arrange?.(port);
    const answer = await send(port, request);
    expect(answer.code).toBe(code);
    if (text !== undefined) expect(answer.text).toBe(text);
    if (!/^\/(switchover|failover)$/.test(request.path) || request.method !== "POST") return;
    // The check refuses what the request refuses, in the same words, and is no request.
    const before = port.calls.length;
    const asked = new StubPort();
    arrange?.(asked);
    const check = await send(asked, { ...request, path: `/agent${request.path}/check` });
    if (before === 0 && [400, 411, 412, 422].includes(code)) {
      expect([check.code, check.text]).toEqual([answer.code, answer.text]);
    }
    expect([asked.calls, port.calls.length]).toEqual([[], before]);
  });
}

test("a check of a switchover or failover says what would be answered, and asks for nothing", async () => {
  const port = new StubPort();
  const check = async (kind: string, body: object) => {
    const { code, text } = await send(port, post(`/agent/${kind}/check`, body as never));
    return [code, text];
  };
  const candidate = "node2";
  expect(await check("switchover", { leader: "node1" })).toEqual([200, "Switchover is possible"]);
  expect(await check("failover", { candidate })).toEqual([200, "Failover is possible"]);
  expect(await check("failover", { leader: "node1", candidate })).toEqual([200, "Switchover is possible"]);
  expect(await check("switchover", { leader: "node1", scheduled_at: IN_AN_HOUR })).toEqual([
    202,
    "Switchover can be scheduled",
  ]);
  port.change({ raft: { ...port.view().raft!, leader: null } });
  for (const kind of ["switchover", "failover"]) {
    expect(await check(kind, { leader: "node1", candidate })).toEqual([
      503,
      expect.stringContaining("failed to write failover key into DCS"),
    ]);
  }
  expect(port.calls).toEqual([]);
});

test("without a majority a failover says that, and the way out", async () => {
  const port = new StubPort();
  port.writeOutcome = { kind: "unavailable", reason: "dropped" };
  const ask = async () =>
    (await send(port, post("/failover", { candidate: "node2" }))).headers.get("X-Reason");
  expect(await ask()).toBe("dropped");
  port.change({ raft: { ...port.view().raft!, leader: null } });
  expect(await ask()).toContain("no majority of the voters is in contact");
  expect(await ask()).toContain("agent recover --force-new-cluster");
});

test("a restart that fails says why in a header, where that is known", async () => {
  const port = new StubPort();
  port.restartOutcome = { kind: "failed", why: "needs reinit: its history has diverged" };
  const answer = await send(port, post("/restart"));
  expect([answer.code, answer.text, answer.headers.get("X-Reason")]).toEqual([
    503,
    "restart failed",
    "needs reinit: its history has diverged",
  ]);
});

test("the reason of a failed switchover is in a header", async () => {
  const port = new StubPort();
  port.onFailover = ({ id }) =>
    port.changeDcs({
      failover: null,
      failoverResults: [{ id, ok: false, text: "Switchover failed: node2 lags by 20 MB" }],
    });
  const answer = await send(port, post("/switchover", { leader: "node1", candidate: "node2" }));
  expect(answer.headers.get("X-Reason")).toBe("node2 lags by 20 MB");
});

test("a standby accepts a failsafe request and tells its position", async () => {
  const port = new StubPort();
  port.becomeStandby();
  port.changeDynamic({ failsafeMode: true });
  const answer = await send(port, post("/failsafe", { name: "node2", conn_url: "x", api_url: "y" }));
  expect([answer.code, answer.text, answer.headers.get("lsn")]).toEqual([200, "Accepted", "83886080"]);
});

test("conditions and options reach the agent as they were sent", async () => {
  const port = new StubPort();
  await send(port, post("/restart", { timeout: "2min", role: "primary" }));
  await send(port, { method: "PATCH", path: "/config", body: { ttl: 6 }, headers: { "If-Match": '"7"' } });
  port.becomeStandby();
  await send(port, post("/reinitialize", { force: true, "from-leader": true }));
  await send(port, post("/reinitialize", { from_leader: "on" }));
  expect(port.calls).toEqual([
    "restart 120",
    'patchConfig {"ttl":6} at 7',
    "reinitialize true true",
    "reinitialize false true",
  ]);
});

test("a change that members find hopeless is refused with the way around, and warnings are in a header", async () => {
  const port = new StubPort();
  const patch = { method: "PATCH", path: "/config", body: { ttl: 6 } };
  port.configOutcome = { kind: "hopeless", reason: "node2: no such library" };
  const refused = await send(port, patch);
  expect([refused.code, refused.text]).toEqual([
    422,
    "node2: no such library. With ?force=true it is changed all the same",
  ]);
  port.configOutcome = { kind: "ok", config: { ttl: 6 }, warnings: ["node1: clamped", 'a "b"'] };
  const done = await send(port, { ...patch, path: "/config?force=true" });
  expect([done.code, done.text, done.headers.get("Warning")]).toEqual([
    200,
    '{"ttl": 6}',
    '299 agent "node1: clamped", 299 agent "a \\"b\\""',
  ]);
  await send(port, { method: "PUT", path: "/config?force=1", body: { ttl: 7 } });
  expect(port.calls).toEqual([
    'patchConfig {"ttl":6} at null',
    'patchConfig {"ttl":6} at null by force',
    'replaceConfig {"ttl":7} at null by force',
  ]);
});

test("a member says what it finds in a configuration, and needs one", async () => {
  const port = new StubPort();
  port.configCheck = { refusals: ["a"], warnings: ["b"] };
  const asked = await send(port, post("/agent/config/check", { config: { ttl: 5 } }));
  expect([asked.code, asked.text]).toEqual([200, '{"refusals": ["a"], "warnings": ["b"]}']);
  expect((await send(port, post("/agent/config/check", { config: [] }))).code).toBe(400);
});

test("the configuration is served with its revision", async () => {
  const answer = await send(new StubPort(), { method: "GET", path: "/config" });
  expect(answer.headers.get("ETag")).toBe('"7"');
  const port = new StubPort();
  port.changeDcs({ config: null });
  expect((await send(port, { method: "GET", path: "/config" })).code).toBe(502);
});

test("a body of more than a mebibyte is refused", async () => {
  const body = JSON.stringify({ ttl: "x".repeat(1024 * 1024) });
  expect((await send(new StubPort(), { method: "PATCH", path: "/config", body })).code).toBe(413);
});

/** Every request that changes something. */
const CHANGES = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).filter(([method]) => method !== "get").map(([method, operation]) => ({
    method: method.toUpperCase(),
    path,
    answers: Object.keys(operation.responses),
  }))
);

test("a change that is meant for another member is 412, wherever, and changes nothing", async () => {
  for (const { method, path } of CHANGES) {
    const port = new StubPort();
    port.changeDynamic({ failsafeMode: true });
    const headers = { "Agent-Member": "node2" };
    const { code } = await send(port, { method, path, body: { leader: "node1" }, headers });
    expect([path, code, port.calls]).toEqual([path, 412, []]);
  }
});

test("a body that is missing is 411, and one that is no object 400, wherever one is taken", async () => {
  for (const { method, path, answers } of CHANGES) {
    const port = new StubPort();
    port.changeDynamic({ failsafeMode: true });
    const codes = [
      (await send(port, { method, path })).code,
      (await send(port, { method, path, body: [] })).code,
    ];
    if (answers.includes("411")) expect([path, ...codes]).toEqual([path, 411, 400]);
    else if (answers.includes("413")) expect([path, codes[1]]).toEqual([path, 400]);
  }
});

test("each change says what came of it: done, refused, not known", async () => {
  const name = "node3";
  const changes: readonly Request[] = [
    post("/agent/raft/add", { address: "10.0.0.4:2222" }),
    post("/agent/raft/remove", { name }),
    post("/agent/raft/replace", { name, address: "10.0.0.4:2222" }),
    post("/agent/raft/snapshot"),
  ];
  const outcomes = [
    { kind: "done" },
    { kind: "rejected", reason: "no" },
    { kind: "unknown", reason: "it is not known" },
  ] as const;
  for (const request of changes) {
    const codes = [];
    for (const outcome of outcomes) {
      const port = new StubPort();
      port.raftChangeOutcome = outcome;
      codes.push((await send(port, request)).code);
    }
    expect([request.path, ...codes]).toEqual([request.path, 200, 409, 503]);
  }
  for (const [outcome, code] of [["conflict", 409], ["invalid", 422], ["unavailable", 502]] as const) {
    const port = new StubPort();
    port.configOutcome = outcome === "conflict" ? { kind: outcome } : { kind: outcome, reason: "no" };
    expect((await send(port, { method: "PUT", path: "/config", body: { ttl: 5 } })).code).toBe(code);
  }
  for (const [outcome, code] of [["conflict", 409], ["unavailable", 503]] as const) {
    const port = new StubPort();
    port.changeDcs({ restarts: { node1: { schedule: IN_AN_HOUR, id: "x" } } as never });
    port.writeOutcome = outcome === "conflict" ? { kind: outcome } : { kind: outcome, reason: "no" };
    expect((await send(port, { method: "DELETE", path: "/restart" })).code).toBe(code);
  }
});

test("a field that is neither true nor false is 400, with its name", async () => {
  for (const [path, field] of [["/reinitialize", "force"], ["/reinitialize", "from-leader"]] as const) {
    const answer = await send(new StubPort(), post(path, { [field]: "perhaps" }));
    expect([answer.code, answer.text]).toEqual([400, `Bad Request: ${field}: true or false is expected`]);
  }
  const answer = await send(new StubPort(), post("/restart", { restart_pending: "perhaps" }));
  expect([answer.code, answer.text]).toEqual([400, "restart_pending: true or false is expected"]);
});

test("each answer that /openapi.json promises to a change was seen above, but for those of access and time", () => {
  const promised = CHANGES.flatMap(({ method, path, answers }) =>
    answers.map((code) => `${method} ${path} ${code}`)
  );
  const elsewhere = /(401|403|408|413)$/;
  expect(promised.filter((one) => !seen.has(one) && !elsewhere.test(one))).toEqual([]);
});
