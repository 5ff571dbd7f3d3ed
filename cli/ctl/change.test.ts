/** Commands that change the cluster: questions, requests, texts, exit codes. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/model/json.ts";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
  cluster.port.onFailover = ({ id, candidate }) =>
    cluster.port.changeDcs({
      failover: null,
      lock: { ...cluster.port.view().dcs!.lock, holder: candidate ?? "node3" },
      failoverResults: [{ id, ok: true, text: `Successfully switched over to "${candidate ?? "node3"}"` }],
    });
});
afterEach(() => cluster.stop());

/** Output without the tables. */
function said(out: string): string[] {
  return out.split("\n").filter((line) => !/^[+|]/.test(line));
}

const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{5} /;

test("switchover --force asks nothing and shows the cluster before and after", async () => {
  const { code, out } = await cluster.ctl(["switchover", "--candidate", "node2", "--force"]);
  expect(code).toBe(0);
  const [first, second] = said(out);
  expect(first).toBe("Current cluster topology");
  expect(second).toMatch(STAMP);
  expect(second!.replace(STAMP, "")).toBe('Successfully switched over to "node2"');
  expect(out.match(/^\+ Cluster/gm)).toHaveLength(2);
  expect(out).toMatch(/\| node2 {2}\| 10\.0\.0\.2 \| Leader {2}\|[^]*$/);
});

test("switchover asks for leader, candidate, time and confirmation", async () => {
  const { code, out } = await cluster.ctl(["switchover", "demo"], ["", "node3", "", "y"]);
  expect(code).toBe(0);
  expect(out).toContain("Primary [node1]: ");
  expect(out).toContain("Candidate ['node2', 'node3'] []: ");
  expect(out).toMatch(
    /When should the switchover take place \(e\.g\. \d{4}-\d\d-\d\dT\d\d:\d\d \) {2}\[now\]: /,
  );
  expect(out).toContain(
    "Are you sure you want to switchover cluster demo, demoting current leader node1? [y/N]: ",
  );
  expect(cluster.port.calls).toEqual(["requestFailover switchover node1 node3 null"]);
});

const REFUSED: readonly [string[], string[], string][] = [
  [
    ["switchover", "--leader", "node2", "--force"],
    [],
    "Error: Member node2 is not the leader of cluster demo",
  ],
  [
    ["switchover", "--candidate", "node1", "--force"],
    [],
    "Error: Member node1 is already the leader of cluster demo",
  ],
  [
    ["switchover", "--candidate", "nobody", "--force"],
    [],
    "Error: Member nobody does not exist in cluster demo or is tagged as nofailover",
  ],
  [
    ["switchover", "--scheduled", "soon", "--force"],
    [],
    "Error: Unable to parse scheduled timestamp (soon). It should be in an unambiguous format (e.g. ISO 8601)",
  ],
  [["switchover"], ["", "", "", "n"], "Error: Aborting switchover"],
  [["switchover", "--scheduled", "2096-01-01T10:00"], ["", "", "n"], "Error: Aborting scheduled switchover"],
  [["switchover"], [], "Error: Aborted: the input has ended"],
  [["failover", "--force"], [], "Error: Failover could be performed only to a specific candidate"],
  [["failover", "--candidate", "node2"], ["n"], "Error: Aborting failover"],
  [["restart", "demo", "nobody", "--force"], [], "Error: nobody is not a member of cluster"],
  [["restart", "node1", "-r", "replica", "--force"], [], "Error: No replica among provided members"],
  [["restart", "node1"], ["now", "n"], "Error: Aborted restart"],
  [
    ["restart", "node1", "--pg-version", "new", "--force"],
    [],
    "Error: Invalid PostgreSQL version: new. It should look like 15.2 or 9.6.24",
  ],
  [["reinit", "node1", "--force"], [], "Error: No replica among provided members"],
  [["reinit", "--force"], [], "Error: Name the members to reinitialize"],
  [["resume"], [], "Error: Cluster is not paused"],
  [["edit-config", "-s", "ttl", "--force"], [], "Error: Invalid parameter setting ttl"],
  [["query"], [], "Error: You need to specify either --command or --file"],
];

for (const [words, typed, message] of REFUSED) {
  test(`${words.join(" ")} with ${JSON.stringify(typed)} ends with: ${message}`, async () => {
    const { code, err } = await cluster.ctl(words, typed);
    expect({ code, err }).toEqual({ code: 1, err: message });
    expect(cluster.port.calls).toEqual([]);
  });
}

test("a cluster without candidates or leader cannot switch over", async () => {
  cluster.port.changeMember("node2", { tags: { nofailover: true } });
  cluster.port.changeMember("node3", { tags: { failover_priority: 0 } });
  expect((await cluster.ctl(["failover", "--candidate", "node3", "--force"])).err).toBe(
    "Error: No candidates found to failover to",
  );
  expect((await cluster.ctl(["switchover", "--force"])).err).toBe(
    "Error: No candidates found to switchover to",
  );
  cluster.port.changeDcs({ lock: { ...cluster.port.view().dcs!.lock, holder: null } });
  expect((await cluster.ctl(["switchover", "--force"])).err).toBe("Error: This cluster has no leader");
});

test("a switchover that fails says why and exits with 1", async () => {
  cluster.port.onFailover = ({ id }) =>
    cluster.port.changeDcs({ failover: null, failoverResults: [{ id, ok: false, text: "node2 lags" }] });
  const { code, out } = await cluster.ctl(["switchover", "--candidate", "node2", "--force"]);
  expect(code).toBe(1);
  expect(said(out).at(-1)).toBe("Switchover failed, details: 503, Switchover failed: node2 lags");
});

test("a switchover is scheduled in the local zone, or in the one given", async () => {
  const { out } = await cluster.ctl(["switchover", "--scheduled", "2096-01-01T10:00:00+02", "--force"]);
  expect(said(out)[1]!.replace(STAMP, "")).toBe("Switchover scheduled");
  expect(cluster.port.calls).toEqual(["requestFailover switchover node1 null 2096-01-01T10:00:00+02:00"]);
});

test("no switchover is scheduled in pause", async () => {
  cluster.port.changeDynamic({ pause: true });
  const { err } = await cluster.ctl(["switchover", "--scheduled", "2096-01-01T10:00Z", "--force"]);
  expect(err).toBe("Error: Can't schedule switchover in the paused state");
});

test("failover to an asynchronous node is asked for twice", async () => {
  cluster.port.changeDynamic({ synchronousMode: "on" });
  cluster.port.changeDcs({ sync: { leader: "node1", syncStandby: ["node2"], quorum: 0, revision: 1 } });
  const { code, out } = await cluster.ctl(["failover"], ["node3", "y", "y"]);
  expect(code).toBe(0);
  expect(out).toContain("Are you sure you want to failover to the asynchronous node node3? [y/N]: ");
  expect(out).toContain(
    "Are you sure you want to failover cluster demo, demoting current leader node1? [y/N]: ",
  );
  expect(cluster.port.calls).toEqual(["requestFailover failover null node3 null"]);
});

test("restart reports each member", async () => {
  expect(said((await cluster.ctl(["restart", "demo", "node2", "node3", "--force"])).out)).toEqual([
    "Success: restart on member node2",
    "Success: restart on member node3",
  ]);
  cluster.port.restartOutcome = { kind: "failed" };
  const { code, out } = await cluster.ctl(["restart", "node2", "--force", "--timeout", "30"]);
  expect([code, said(out)[0]]).toEqual([
    1,
    "Failed: restart for member node2, status code=503, (restart failed)",
  ]);
  expect(cluster.port.calls.at(-1)).toBe("restart 30");
});

test("restart asks when, whether, and for which versions", async () => {
  const { out } = await cluster.ctl(["restart", "node2"], ["", "y", ""]);
  expect(out).toMatch(/When should the restart take place \(e\.g\. \S+\) {2}\[now\]: /);
  expect(out).toContain("Are you sure you want to restart members node2? [y/N]: ");
  expect(out).toContain("Restart if the PostgreSQL version is less than provided (e.g. 9.5.2)  []: ");
  expect(out).toEndWith("Success: restart on member node2");
});

test("restart --pending takes only members that need it, --any only one", async () => {
  cluster.port.changePostgres({ pendingRestart: { port: { old_value: "1", new_value: "2" } } });
  cluster.port.changeMember("node3", { pendingRestart: { port: { old_value: "1", new_value: "2" } } });
  const pending = await cluster.ctl(["restart", "--pending", "--force"]);
  expect(said(pending.out).at(-1)).toBe("Success: restart on member node3");
  const none = await cluster.ctl(["restart", "demo", "node2", "--pending", "--force"]);
  expect([none.code, said(none.out).at(-1)]).toEqual([0, "No restart is pending on these members"]);
  expect(cluster.port.calls).toHaveLength(1);
  await cluster.ctl(["restart", "--any", "--force"]);
  expect(cluster.port.calls).toHaveLength(2);
});

test("restart can be scheduled, once", async () => {
  const words = ["restart", "node1", "--scheduled", "2096-01-01T10:00Z", "--force"];
  expect(said((await cluster.ctl(words)).out)).toEqual(["Success: restart scheduled on member node1"]);
  expect(cluster.port.calls).toEqual(['scheduleRestart {"schedule":"2096-01-01T10:00:00+00:00"}']);
  cluster.port.changeDcs({ restarts: { node1: { schedule: "2096-01-01T10:00:00+00:00", id: "r" } } });
  const again = await cluster.ctl(words.slice(0, -1), ["y", ""]);
  expect(again.out).toEndWith("Failed: another restart is already scheduled on member node1");
  expect(again.out).toContain("schedule restart of members node1 at 2096-01-01 10:00:00+00:00? [y/N]: ");
});

test("with --force another scheduled restart takes the place of the one on record, if it can be scheduled", async () => {
  const present = { schedule: "2096-01-01T10:00:00+00:00", id: "r" };
  cluster.port.changeDcs({ restarts: { node1: present } });
  const schedule = async (time: string) =>
    said((await cluster.ctl(["restart", "node1", "--scheduled", time, "--force"])).out);
  expect(await schedule("2020-01-01T10:00Z")).toEqual([
    "Failed: restart for member node1, status code=422, (Cannot schedule restart in the past)",
  ]);
  expect(cluster.port.view().dcs!.restarts).toEqual({ node1: present });
  expect(await schedule("2097-01-01T10:00Z")).toEqual(["Success: restart scheduled on member node1"]);
  expect(cluster.port.calls.at(-1)).toBe('scheduleRestart {"schedule":"2097-01-01T10:00:00+00:00"}');
});

test("reload tells how long it may take, also where loop_wait has a unit or follows from ttl", async () => {
  const within = async (value?: JsonObject) => {
    if (value !== undefined) cluster.port.changeDcs({ config: { value, revision: 8 } });
    return said((await cluster.ctl(["reload", "node2", "--force"])).out);
  };
  const line = (seconds: number) => [
    `Reload request received for member node2 and will be processed within ${seconds} seconds`,
  ];
  expect(await within()).toEqual(line(1));
  expect(await within({ ttl: 30 })).toEqual(line(6));
  expect(await within({ ttl: 30, loop_wait: "10s" })).toEqual(line(10));
});

test("reinit offers to cancel what runs", async () => {
  cluster.port.becomeStandby();
  cluster.port.changeMember("node2", {
    apiUrl: cluster.apiUrl,
    connUrl: "postgres://10.0.0.2:5432/postgres",
  });
  cluster.port.changeMember("node1", { apiUrl: cluster.apiUrl });
  const first = await cluster.ctl(["reinit", "demo", "node1", "--force", "--from-leader"]);
  expect(said(first.out)).toEqual(["Success: reinitialize for member node1"]);
  expect(first.err).toContain("Under way, not done");
  expect(cluster.port.calls).toEqual(["reinitialize true true"]);
  cluster.port.reinitializeOutcome = { kind: "busy", action: "clone" };
  const second = await cluster.ctl(["reinit", "node1"], ["y", "n"]);
  expect(second.code).toBe(1);
  expect(second.out).toContain(
    "Failed: reinitialize for member node1, status code=503, (clone already in progress)",
  );
  expect(second.out).toContain("Do you want to cancel it and reinitialize anyway? [y/N]: ");
});

test("reinit --wait says what keeps a member from its end, and fails when the member gives up", async () => {
  cluster.port.becomeStandby();
  cluster.port.changeMember("node1", { apiUrl: cluster.apiUrl });
  const detail = "copying failed, trying again soon: /wal exists but is not empty";
  cluster.port.change({ reinitialize: { state: "running", detail } });
  const later = setTimeout(() => {
    cluster.port.change({ reinitialize: { state: "failed", detail: "cannot move /data aside" } });
  }, 2500);
  const first = await cluster.ctl(["reinit", "demo", "node1", "--force", "--wait"]);
  clearTimeout(later);
  expect(said(first.out)).toEqual([
    "Success: reinitialize for member node1",
    "Waiting for reinitialize to complete on: node1",
    `node1: ${detail}`,
    "Failed: reinitialize for member node1, cannot move /data aside",
  ]);
  expect(first.code).toBe(1);
  cluster.port.change({ reinitialize: { state: "done", detail: "" } });
  const second = await cluster.ctl(["reinit", "demo", "node1", "--force", "--wait"]);
  expect(said(second.out).at(-1)).toBe("Reinitialize is completed on: node1");
  expect(second.code).toBe(0);
}, 20_000);

test("reinit --wait says on standard error how far the copy has come", async () => {
  cluster.port.becomeStandby();
  cluster.port.changeMember("node1", { apiUrl: cluster.apiUrl });
  const detail = "copying from node3, 12 %, 3 of 25 MiB";
  cluster.port.change({ reinitialize: { state: "running", detail } });
  // Ends once it has been told.
  const told = () => cluster.port.change({ reinitialize: { state: "done", detail: "" } });
  const { code, out, err } = await cluster.ctl(["reinit", "demo", "node1", "--force", "--wait"], [], told);
  expect(code).toBe(0);
  expect(err).toBe(`node1: ${detail}`);
  expect(said(out)).toEqual([
    "Success: reinitialize for member node1",
    "Waiting for reinitialize to complete on: node1",
    "Reinitialize is completed on: node1",
  ]);
}, 20_000);

test("flush takes back what was scheduled", async () => {
  expect(said((await cluster.ctl(["flush", "switchover"])).out)).toEqual(["No pending scheduled switchover"]);
  expect(await cluster.ctl(["flush", "prod", "switchover"])).toMatchObject({
    code: 1,
    err: "Error: prod is neither the cluster demo nor a member of it",
  });
  expect(said((await cluster.ctl(["flush", "demo", "node1", "restart", "--force"])).out)).toEqual([
    "No scheduled restart for member node1",
  ]);
  await cluster.ctl(["switchover", "--scheduled", "2096-01-01T10:00Z", "--force"]);
  cluster.port.changeDcs({
    failover: {
      kind: "switchover",
      leader: "node1",
      candidate: null,
      scheduledAt: "2096-01-01T10:00:00+00:00",
      id: "x",
      accepted: false,
      epoch: 0,
      revision: 9,
    },
  });
  expect(said((await cluster.ctl(["flush", "switchover"])).out)).toEqual([
    "Success: scheduled switchover deleted",
  ]);
});

test("resume, and list, say that an operator is needed, and the command", async () => {
  cluster.port.change({ operatorNeeded: "node9 is not heard: agent ctl failover --candidate node1" });
  cluster.port.changeDynamic({ pause: true });
  const needed = "Operator needed: node9 is not heard: agent ctl failover --candidate node1";
  expect(said((await cluster.ctl(["resume"])).out)).toEqual([
    "Success: cluster management is resumed",
    needed,
  ]);
  expect((await cluster.ctl(["list"])).out).toContain(needed);
});

test("a pause with an end sends the time, says the end, and can be given another one", async () => {
  const until = "2030-01-01T02:00:00+00:00";
  cluster.port.configOutcome = { kind: "ok", config: { pause: true, pause_until: until } };
  const said = `Success: cluster management is paused until ${until}`;
  expect((await cluster.ctl(["pause", "--for", "2h"])).out).toBe(said);
  cluster.port.changeDynamic({ pause: true, pauseUntil: until });
  expect((await cluster.ctl(["pause"])).err).toBe(
    `Error: Cluster is already paused, until ${until} (--for sets another end)`,
  );
  expect((await cluster.ctl(["pause", "--for", "3h"])).out).toBe(said);
  expect(cluster.port.calls).toEqual([
    'patchConfig {"pause":true,"pause_for":"2h"} at null',
    'patchConfig {"pause":true,"pause_for":"3h"} at null',
  ]);
  expect((await cluster.ctl(["list"])).out).toContain(` Maintenance mode: on, until ${until}`);
  cluster.port.configOutcome = { kind: "ok", config: { pause: true } };
  expect((await cluster.ctl(["pause", "--for", "3h"])).err).toContain("does not know --for");
});

test("pause and resume patch the configuration", async () => {
  expect((await cluster.ctl(["pause"])).out).toBe("Success: cluster management is paused");
  cluster.port.changeDynamic({ pause: true });
  expect((await cluster.ctl(["pause"])).err).toBe("Error: Cluster is already paused");
  expect((await cluster.ctl(["resume"])).out).toBe("Success: cluster management is resumed");
  expect(cluster.port.calls).toEqual([
    'patchConfig {"pause":true} at null',
    'patchConfig {"pause":null} at null',
  ]);
});

test("raft transfer hands leadership on", async () => {
  const members = cluster.port.view().dcs!.members;
  const facts = Object.values(members).map((one) => [one.name, { ...one, apiUrl: cluster.apiUrl }]);
  cluster.port.changeDcs({ members: Object.fromEntries(facts) });
  expect((await cluster.ctl(["raft", "transfer", "node2"])).out).toBe(
    "Success: raft leadership transferred to node2",
  );
  cluster.port.transferError = "node9 is no voter";
  expect(await cluster.ctl(["raft", "transfer", "node9"])).toMatchObject({
    code: 1,
    err: "Error: node9 is no voter",
  });
});

test("edit-config shows a diff, asks, and writes only what it has read", async () => {
  const { code, out } = await cluster.ctl(
    [
      "edit-config",
      "-s",
      "ttl=6",
      "-s",
      "synchronous_mode=on",
      "-p",
      "my.guc=16MB",
      "-p",
      "max_connections=null",
    ],
    ["y"],
  );
  expect(code).toBe(0);
  expect(out).toBe(`--- 
+++ 
@@ -1,5 +1,6 @@
 loop_wait: 1
 postgresql:
   parameters:
-    max_connections: 100
-ttl: 5
+    my.guc: 16MB
+synchronous_mode: true
+ttl: 6
Apply these changes? [y/N]: Configuration changed`);
  expect(cluster.port.calls).toEqual([
    'replaceConfig {"ttl":6,"loop_wait":1,"postgresql":{"parameters":{"my.guc":"16MB"}},"synchronous_mode":true} at 7',
  ]);
});

test("edit-config says before it asks what will not be used as it was typed", async () => {
  const typed = ["edit-config", "-q", "-s", "synchronous_node_count=0", "-s", "loop_wiat=3"];
  const { out, err } = await cluster.ctl(typed, ["n"]);
  expect(err.split("\n")).toEqual([
    "Warning: loop_wiat: this key is not known and has no effect; did you mean loop_wait?",
    "Warning: synchronous_node_count: 0 is below the minimum: 1 is used",
  ]);
  expect(out).toBe("Apply these changes? [y/N]: ");
  expect(cluster.port.calls).toEqual([]);
});

test("edit-config without a change says so", async () => {
  expect((await cluster.ctl(["edit-config", "-s", "ttl=5"])).out).toBe("Not changed");
  expect((await cluster.ctl(["edit-config", "-q", "-s", "ttl=5"])).out).toBe("");
});

test("edit-config takes a patch or a whole from a file or standard input", async () => {
  const directory = mkdtempSync(join(tmpdir(), "edit-config-"));
  try {
    const file = join(directory, "patch.yml");
    writeFileSync(file, "ttl: null\npostgresql:\n  use_slots: true\n");
    await cluster.ctl(["edit-config", "-q", "--apply", file, "--force"]);
    await cluster.ctl(["edit-config", "-q", "--replace", "-", "--force"], ["ttl: 7"]);
    expect(cluster.port.calls).toEqual([
      'replaceConfig {"loop_wait":1,"postgresql":{"parameters":{"max_connections":100},"use_slots":true}} at 7',
      'replaceConfig {"ttl":7} at 7',
    ]);
    const unforced = await cluster.ctl(["edit-config", "-q", "--apply", "-"], ["ttl: 8"]);
    expect(unforced.out).toBe("Use --force option to apply changes");
    expect((await cluster.ctl(["edit-config", "--apply", join(directory, "none")])).err).toStartWith(
      "Error: cannot read",
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("edit-config shows what the members find, once, and makes them give way on request", async () => {
  const warnings = [
    "synchronous_node_count: 0 is below the minimum: 1 is used",
    "node2: work_mem is clamped",
  ];
  cluster.port.configOutcome = { kind: "ok", config: {}, warnings };
  const typed = ["edit-config", "-q", "-s", "synchronous_node_count=0", "--force"];
  const { code, out, err } = await cluster.ctl([...typed, "--override"]);
  expect([code, out]).toEqual([0, "Configuration changed"]);
  expect(err.split("\n")).toEqual(warnings.map((text) => `Warning: ${text}`));
  expect(cluster.port.calls[0]).toEndWith(" by force");
  cluster.port.configOutcome = { kind: "hopeless", reason: "node2: no such library" };
  expect((await cluster.ctl(typed)).err).toContain(
    "Error: The configuration was refused (422): node2: no such library. With --override it is changed all the same",
  );
});

test("edit-config aborts when someone else was faster, and tells why it was refused", async () => {
  cluster.port.configOutcome = { kind: "conflict" };
  expect((await cluster.ctl(["edit-config", "-s", "ttl=6", "--force"])).err).toBe(
    "Error: Config modification aborted due to concurrent changes",
  );
  cluster.port.configOutcome = { kind: "invalid", reason: "ttl must be at least 2" };
  expect((await cluster.ctl(["edit-config", "-s", "ttl=6", "--force"])).err).toBe(
    "Error: The configuration was refused (422): ttl must be at least 2",
  );
});

test("a restart that fails says why, where the member knows it", async () => {
  cluster.port.restartOutcome = { kind: "failed", why: "needs reinit: its history has diverged" };
  const { code, out } = await cluster.ctl(["restart", "demo", "node1", "--force"]);
  expect({ code, last: out.split("\n").at(-1) }).toEqual({
    code: 1,
    last:
      "Failed: restart for member node1, status code=503, (restart failed: needs reinit: its history has diverged)",
  });
});
