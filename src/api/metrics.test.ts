import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { createApp } from "./app.ts";
import { epochSeconds } from "./patroni_metrics.ts";
import { FAILOVER_REASONS } from "../model/measures.ts";
import { STUB_WATCHDOG, StubPort } from "./testing.ts";

/** Names and types that existing dashboards read (docs/compatibility.md section 12), in Patroni's order. */
const PATRONI = [
  "version gauge",
  "postgres_running gauge",
  "postmaster_start_time gauge",
  "primary gauge",
  "xlog_location counter",
  "standby_leader gauge",
  "replica gauge",
  "sync_standby gauge",
  "quorum_standby gauge",
  "xlog_received_location counter",
  "xlog_replayed_location counter",
  "xlog_replayed_timestamp gauge",
  "xlog_paused gauge",
  "postgres_streaming gauge",
  "postgres_in_archive_recovery gauge",
  "postgres_server_version gauge",
  "cluster_unlocked gauge",
  "failsafe_mode_is_active gauge",
  "postgres_timeline gauge",
  "dcs_last_seen gauge",
  "pending_restart gauge",
  "is_paused gauge",
  "postgres_state gauge",
  "failsafe_mode_enabled gauge",
  "failsafe_member gauge",
  "failover_priority gauge",
];

async function scrape(port: StubPort): Promise<string> {
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const response = await app.request("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("Content-Type")).toStartWith("text/plain");
  return await response.text();
}

function valueOf(text: string, name: string): number | null {
  const match = new RegExp(`^${name}\\{scope="demo",name="node1"\\} (\\S+)$`, "m").exec(text);
  return match ? Number(match[1]) : null;
}

test("Patroni's metrics have their names, types and order", async () => {
  const text = await scrape(new StubPort());
  const types = [...text.matchAll(/^# TYPE patroni_(\S+ \S+)$/gm)].map((match) => match[1]!);
  expect(types).toEqual(PATRONI);
});

test("every metric carries scope and name, and every line is well formed", async () => {
  const text = await scrape(new StubPort());
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("#")) continue;
    expect(line).toMatch(/^[a-z_]+\{scope="demo",name="node1"(,[a-z]+="[^"]+")*\} [0-9.e+-]+$/);
  }
});

test("values of a primary", async () => {
  const text = await scrape(new StubPort());
  const values = [
    "version",
    "postgres_running",
    "primary",
    "xlog_location",
    "replica",
    "xlog_received_location",
  ];
  expect(values.map((name) => valueOf(text, `patroni_${name}`))).toEqual([40104, 1, 1, 83886080, 0, 0]);
  expect(valueOf(text, "patroni_postmaster_start_time")).toBe(1769857200.123);
  expect(valueOf(text, "patroni_postgres_state")).toBe(5);
  expect(text).toContain("# Values: 0=initializing_new_cluster, 1=initdb_failed,");
  expect(valueOf(text, "agent_holds_lease")).toBe(1);
  expect(valueOf(text, "agent_lease_remaining_seconds")).toBe(4);
  expect(valueOf(text, "agent_raft_quorum_margin")).toBe(1);
});

test("the watchdog: nothing without one, zero while it does not run", async () => {
  const port = new StubPort();
  expect(await scrape(port)).not.toMatch(/^agent_watchdog_active/m);
  port.change({ watchdog: { ...STUB_WATCHDOG, active: false, timeoutS: null, feeds: 0, closestS: null } });
  const idle = await scrape(port);
  expect(valueOf(idle, "agent_watchdog_active")).toBe(0);
  expect(idle).not.toMatch(/^agent_watchdog_timeout_seconds/m);
  port.change({ watchdog: STUB_WATCHDOG });
  const names = ["active", "timeout_seconds", "feeds_total", "closest_seconds"];
  const text = await scrape(port);
  expect(names.map((name) => valueOf(text, `agent_watchdog_${name}`))).toEqual([1, 2, 10, 1.45]);
});

test("lateness is shown as histograms, well formed whatever the name of the member", async () => {
  const port = new StubPort();
  const lines = (await scrape(port)).split("\n").filter((line) => line.includes("agent_renewal_seconds"));
  const own = 'scope="demo",name="node1"';
  expect(lines).toEqual([
    "# HELP agent_renewal_seconds From the send of a renewal of the lease to its acknowledgement.",
    "# TYPE agent_renewal_seconds histogram",
    `agent_renewal_seconds_bucket{${own},le="0.001"} 3`,
    `agent_renewal_seconds_bucket{${own},le="0.002"} 5`,
    `agent_renewal_seconds_bucket{${own},le="+Inf"} 6`,
    `agent_renewal_seconds_sum{${own}} 0.0125`,
    `agent_renewal_seconds_count{${own}} 6`,
  ]);
  port.change({ config: { ...port.view().config, name: 'a"b\\c' } });
  expect(await scrape(port)).toContain('agent_guard_late_seconds_count{scope="demo",name="a\\"b\\\\c"} 0');
});

test("recent lateness has its quantiles and its budget, and no value where nothing was measured", async () => {
  const text = await scrape(new StubPort());
  const lines = text.split("\n").filter((line) => line.startsWith("agent_late_"));
  const own = 'scope="demo",name="node1"';
  expect(lines).toContain(`agent_late_seconds{${own},what="event_loop",q="0.999"} 0.13`);
  expect(lines).toContain(`agent_late_budget_seconds{${own},what="event_loop"} 0.25`);
  expect(lines).toContain(`agent_late_budget_seconds{${own},what="guard"} 0.25`);
  expect(lines.filter((line) => line.includes("agent_late_seconds") && line.includes('"guard"'))).toEqual([]);
  expect(text).toContain(`agent_clock_jumps{${own},process="agent"} 0\n`);
  expect(text).toContain(`agent_clock_jumps{${own},process="guard"} 2\n`);
});

test("values of a standby", async () => {
  const port = new StubPort();
  port.becomeStandby();
  const text = await scrape(port);
  const values = [
    "primary",
    "xlog_location",
    "replica",
    "xlog_replayed_location",
    "postgres_streaming",
    "xlog_paused",
  ];
  expect(values.map((name) => valueOf(text, `patroni_${name}`))).toEqual([0, 0, 1, 83886080, 1, 0]);
  expect(valueOf(text, "patroni_xlog_replayed_timestamp")).toBe(1769860800.123);
});

test("a hung server has state -1 and is not running", async () => {
  const port = new StubPort();
  port.change({ sqlAnswers: false });
  const text = await scrape(port);
  expect(valueOf(text, "patroni_postgres_state")).toBe(-1);
  expect(valueOf(text, "patroni_postgres_running")).toBe(0);
});

test("a counter shows what it counts at the time, not the sum of the scrapes", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  await app.request("/metrics");
  const text = await (await app.request("/metrics")).text();
  expect(valueOf(text, "patroni_xlog_location")).toBe(83886080);
  expect(valueOf(text, "agent_promotions_total")).toBe(1);
});

test("a member that is gone leaves no line behind", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  expect(await (await app.request("/metrics")).text()).toContain('member="node3"');
  port.change({ statuses: port.view().statuses.slice(0, 2) });
  expect(await (await app.request("/metrics")).text()).not.toContain('member="node3"');
});

const THEIRS = {
  name: "theirs",
  type: "physical",
  active: false,
  position: 1,
  heldBytes: 5,
  walStatus: "reserved",
  safeBytes: null,
  permanent: false,
} as const;

test("each slot has what it keeps, and a slot that is gone leaves no line behind", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const lines = async () =>
    (await (await app.request("/metrics")).text()).split("\n").filter((line) =>
      line.startsWith("agent_slot_")
    );
  const { postgres } = port.view();
  port.change({ postgres: { ...postgres!, slots: [{ ...THEIRS, safeBytes: 7 }] } });
  expect(await lines()).toEqual([
    expect.stringMatching(/^agent_slot_retained_bytes\{.*slot="theirs"\} 5$/),
    expect.stringMatching(/^agent_slot_safe_bytes\{.*slot="theirs"\} 7$/),
    expect.stringMatching(/^agent_slot_active\{.*slot="theirs"\} 0$/),
    expect.stringMatching(/^agent_slot_wal_status\{.*slot="theirs",status="reserved"\} 1$/),
  ]);
  port.change({ postgres: { ...postgres!, slots: [] } });
  expect(await lines()).toEqual([]);
});

test("ailments, and the places of PostgreSQL's files", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const lines = async () =>
    (await (await app.request("/metrics")).text()).split("\n").filter((line) =>
      /^agent_(?:ailment|disk_)/.test(line)
    );
  expect(await lines()).toEqual([]);
  const place = {
    kind: "data",
    path: "/data",
    device: 1,
    totalBytes: 9,
    freeBytes: 5,
    failure: null,
  } as const;
  port.change({
    places: [{ ...place, writeMs: 2 }, { ...place, kind: "tablespace", path: "/more", writeMs: null }],
  });
  port.changeStatus({ ailments: [{ cause: "read-only", severity: "critical", since: "t", detail: "d" }] });
  const found = await lines();
  expect(found.filter((line) => line.endsWith(" 0"))).toHaveLength(9);
  expect(found.filter((line) => !line.endsWith(" 0"))).toEqual([
    expect.stringMatching(/^agent_ailment\{.*cause="read-only",severity="critical"\} 1$/),
    expect.stringMatching(/^agent_disk_free_bytes\{.*place="data",path="\/data"\} 5$/),
    expect.stringMatching(/^agent_disk_free_bytes\{.*place="tablespace",path="\/more"\} 5$/),
    expect.stringMatching(/^agent_disk_size_bytes\{.*place="data",path="\/data"\} 9$/),
    expect.stringMatching(/^agent_disk_size_bytes\{.*place="tablespace",path="\/more"\} 9$/),
    expect.stringMatching(/^agent_disk_probe_seconds\{.*place="data",path="\/data"\} 0.002$/),
  ]);
});

test("troubles of synchronous replication, in the metrics and in the status", async () => {
  const port = new StubPort();
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const text = async (path: string) => await (await app.request(path)).text();
  const value = async () =>
    /^agent_sync_trouble\{.*kind="writes-blocked"\} (\d)$/m.exec(await text("/metrics"))?.[1];
  expect(await value()).toBe("0");
  const syncTroubles = [{ kind: "writes-blocked", since: "t", detail: "d" }] as const;
  port.changeStatus({ syncTroubles });
  expect(await value()).toBe("1");
  expect(JSON.parse(await text("/patroni"))).toMatchObject({ agent: { sync_troubles: syncTroubles } });
});

test("timestamps of PostgreSQL become epoch seconds", () => {
  expect(epochSeconds("2026-01-31 12:00:00.123456+00")).toBe(1769860800.123);
  expect(epochSeconds("2026-01-31 14:00:00+02:00")).toBe(1769860800);
  expect(epochSeconds(null)).toBe(0);
  expect(epochSeconds("never")).toBe(0);
});

/** As Prometheus reads the labels of a line. */
function labelsOf(line: string): { [label: string]: string } {
  const labels: { [label: string]: string } = {};
  for (const [, label, value] of line.matchAll(/([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"/g)) {
    labels[label!] = value!.replace(/\\(.)/g, (_, escaped: string) => escaped === "n" ? "\n" : escaped);
  }
  return labels;
}

test("scope and name come out of the labels as they are, whatever signs they have", async () => {
  const sign = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sign, sign, async (scope, name) => {
      const port = new StubPort();
      const { config } = port.view();
      port.change({ config: { ...config, scope, name } });
      const line = (await scrape(port)).split("\n").find((each) => each.startsWith("patroni_version{"))!;
      expect(labelsOf(line)).toMatchObject({ scope, name });
    }),
    { numRuns: 50 },
  );
});

const ours = async (port: StubPort, name: string) =>
  (await scrape(port)).split("\n").filter((line) => line.startsWith(`agent_${name}`)).map((line) =>
    line.replace(',scope="demo",name="node1"', "").replace('scope="demo",name="node1",', "").replace(
      '{scope="demo",name="node1"}',
      "",
    )
  );

test.each([
  ["raft_peer_rtt_seconds", [
    'agent_raft_peer_rtt_seconds{peer="node2"} 0.0005',
    'agent_raft_peer_rtt_seconds{peer="node3"} 0.0005',
  ]],
  ["raft_snapshot_bytes", ["agent_raft_snapshot_bytes 2048"]],
  ["raft_fsync_seconds_", [
    'agent_raft_fsync_seconds_bucket{le="0.001"} 2',
    'agent_raft_fsync_seconds_bucket{le="0.002"} 3',
    'agent_raft_fsync_seconds_bucket{le="+Inf"} 3',
    "agent_raft_fsync_seconds_sum 0.003",
    "agent_raft_fsync_seconds_count 3",
  ]],
  ["loop_duration_seconds_count", ["agent_loop_duration_seconds_count 0"]],
  [
    "failovers_total",
    FAILOVER_REASONS.map((reason) => `agent_failovers_total{reason="${reason}"} 0`),
  ],
  ["switchovers_total", ["agent_switchovers_total 2"]],
  ["failover_duration_seconds", ["agent_failover_duration_seconds 5.25"]],
  ["demotions_total", ['agent_demotions_total{reason="stopping"} 1']],
  ["rewind_total", ['agent_rewind_total{result="ok"} 1', 'agent_rewind_total{result="failed"} 0']],
  ["replication_lag_seconds", [
    'agent_replication_lag_seconds{member="node2"} 0',
    'agent_replication_lag_seconds{member="node3"} 1.5',
  ]],
  ["clock_skew_seconds", [
    'agent_clock_skew_seconds{peer="node2"} -0.02',
    'agent_clock_skew_seconds{peer="node3"} 0.004',
  ]],
  ["wal_archive_failed_total", ["agent_wal_archive_failed_total 7"]],
  ["log_", []],
  ["clone_progress_ratio", []],
])("what the node measures: %s", async (name, lines) => {
  expect(await ours(new StubPort(), name)).toEqual([...lines]);
});

test("lines of the log that wait or are lost, in the metrics and in the status", async () => {
  const port = new StubPort();
  port.change({ log: { queued: 2, lost: 3 } });
  expect(await ours(port, "log_")).toEqual(["agent_log_lines_lost_total 3", "agent_log_queued_lines 2"]);
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const status = async () => JSON.parse(await (await app.request("/patroni")).text());
  expect(await status()).toMatchObject({ logger_queue_size: 2, logger_records_lost: 3 });
  port.change({ log: { queued: 1, lost: 0 } });
  expect(Object.keys(await status()).filter((key) => key.startsWith("logger_"))).toEqual([]);
});

test("a copy under way has its share, and no more than all of it", async () => {
  const port = new StubPort();
  const copy = { from: "node2", fromStandby: false, doneBytes: 25, totalBytes: 100, bytesPerSecond: null };
  const copying = (part: object) =>
    port.changePostgres({ action: { kind: "clone", detail: "", sinceMs: 0, copy: { ...copy, ...part } } });
  copying({});
  expect(await ours(port, "clone_progress_ratio")).toEqual(["agent_clone_progress_ratio 0.25"]);
  copying({ doneBytes: 120 });
  expect(await ours(port, "clone_progress_ratio")).toEqual(["agent_clone_progress_ratio 1"]);
  copying({ totalBytes: null });
  expect(await ours(port, "clone_progress_ratio")).toEqual([]);
});

test("the old name of patroni_primary is there on request only", async () => {
  const port = new StubPort();
  expect(await scrape(port)).not.toContain("patroni_master");
  port.changeRestapi({ legacyMetrics: true });
  expect(valueOf(await scrape(port), "patroni_master")).toBe(1);
});

test("the version has the form that Patroni gives it", async () => {
  expect(await scrape(new StubPort())).toContain('patroni_version{scope="demo",name="node1"} 040104\n');
});
