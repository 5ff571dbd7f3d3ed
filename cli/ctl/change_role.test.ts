/** promote-cluster and demote-cluster: questions, requests, texts, exit codes. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { MEMBERS } from "../../src/api/testing.ts";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

/** Output without the tables and without the time of day. */
function said(out: string): string[] {
  return out.split("\n").filter((line) => !/^[+|]/.test(line)).map((line) =>
    line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /, "")
  );
}

/** The stub is the leader of a standby cluster. */
function beStandbyLeader(): void {
  const { port } = cluster;
  port.becomeStandby();
  port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: "node1" } });
  port.changeDynamic({ standbyCluster: { host: "10.0.9.1" } });
  for (const name of MEMBERS) port.changeMember(name, { apiUrl: cluster.apiUrl });
  port.changeStatus({ role: "standby_leader", apiUrl: cluster.apiUrl });
}

test("demote-cluster asks, sets the key on the leader, and waits until that is the standby leader", async () => {
  cluster.port.onPatch = () => beStandbyLeader();
  const words = [
    "demote-cluster",
    "demo",
    "--host",
    "10.0.9.1",
    "--port",
    "5433",
    "--primary-slot-name",
    "a",
  ];
  const { code, out } = await cluster.ctl(words, ["y"]);
  expect(said(out)[0]).toBe("Current cluster topology");
  expect(out).toContain("Are you sure you want to demote demo cluster? [y/N]: ");
  expect(out).toContain(" cluster is successfully demoted\n");
  expect(code).toBe(0);
  expect(cluster.port.calls).toEqual([
    'patchConfig {"standby_cluster":{"host":"10.0.9.1","port":5433,"primary_slot_name":"a"}} at null',
  ]);
  expect(out.match(/^\+ Cluster/gm)).toHaveLength(2);
  expect(out).toContain("Standby Leader");
});

test("promote-cluster removes the key, and says what it waits for", async () => {
  beStandbyLeader();
  cluster.port.onPatch = () => {
    cluster.port.changeDynamic({ standbyCluster: null });
    setTimeout(() => {
      cluster.port.changeStatus({ role: "primary" });
      cluster.port.changePostgres({ inRecovery: false });
    }, 300);
  };
  const { code, out } = await cluster.ctl(["promote-cluster", "--force"]);
  expect(said(out)).toEqual([
    "Current cluster topology",
    "cluster is unlocked: False, leader role: replica, leader state: running",
    "cluster is successfully promoted",
  ]);
  expect(code).toBe(0);
  expect(cluster.port.calls).toEqual(['patchConfig {"standby_cluster":null} at null']);
});

const REFUSED: readonly (readonly [string, readonly string[], readonly string[], number, string])[] = [
  [
    "without a source",
    ["demote-cluster"],
    [],
    1,
    "Error: At least --host, --port or --restore-command should be specified",
  ],
  [
    "a port that is none",
    ["demote-cluster", "--port", "x"],
    [],
    2,
    "Invalid value for '--port': 'x' is not a valid integer.",
  ],
  [
    "a cluster that has a primary",
    ["promote-cluster"],
    [],
    1,
    "Error: Cluster is already in the required state",
  ],
  ["not meant", ["demote-cluster", "--host", "a"], ["n"], 1, "Error: Aborted cluster demotion"],
];
for (const [name, words, typed, code, err] of REFUSED) {
  test(`${name}: nothing is changed`, async () => {
    const result = await cluster.ctl(words, typed);
    expect(result.err).toContain(err);
    expect([result.code, cluster.port.calls]).toEqual([code, []]);
  });
}

test("a standby cluster is not demoted again, and nothing is demoted in pause or without a leader", async () => {
  beStandbyLeader();
  const demote = async () => (await cluster.ctl(["demote-cluster", "--host", "a", "--force"])).err;
  expect(await demote()).toBe("Error: Cluster is already in the required state");
  cluster.port.changeDynamic({ standbyCluster: null, pause: true });
  expect(await demote()).toStartWith("Error: Cluster is paused");
  cluster.port.changeDcs({ lock: { ...cluster.port.view().dcs!.lock, holder: null } });
  expect(await demote()).toBe("Error: Cluster has no leader, demotion is not possible");
  expect(cluster.port.calls).toEqual([]);
});

test("a change that the members refuse is told with their reason", async () => {
  cluster.port.configOutcome = { kind: "invalid", reason: "standby_cluster.host: expected an address" };
  const { code, err } = await cluster.ctl(["demote-cluster", "--host", "a b", "--force"]);
  expect(err).toMatch(
    /^Error: Failed to demote demo cluster: \/config PATCH status code=\d+, \(.*expected an address\)$/,
  );
  expect(code).toBe(1);
});
