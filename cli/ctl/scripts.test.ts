/** What scripts made for patronictl rely on: columns, records of one line, the environment, old options. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { runCtl, StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

test("list --columns legacy has the columns of patronictl before 4.1", async () => {
  cluster.port.changeMember("node3", { receivedLsn: null, replayedLsn: null });
  expect((await cluster.ctl(["list", "--columns", "legacy"])).out.split("\n").slice(1, 6)).toEqual([
    "| Member | Host     | Role    | State     | TL | Lag in MB |",
    "+--------+----------+---------+-----------+----+-----------+",
    "| node1  | 10.0.0.1 | Leader  | running   |  3 |           |",
    "| node2  | 10.0.0.2 | Replica | streaming |  3 |         0 |",
    "| node3  | 10.0.0.3 | Replica | streaming |  3 |   unknown |",
  ]);
  const { out } = await cluster.ctl(["list", "--columns", "legacy", "-f", "tsv"]);
  expect(out.split("\n")[0]).toBe("Cluster\tMember\tHost\tRole\tState\tTL\tLag in MB");
});

test("list --columns has those that are named, in their order, in every format", async () => {
  const out = async (format: string) =>
    (await cluster.ctl(["list", "--columns", "state, Member,tags", "-f", format])).out;
  cluster.port.changeMember("node2", { tags: { nofailover: true } });
  expect((await out("pretty")).split("\n")[1]).toBe("| State     | Member | Tags             |");
  expect((await out("tsv")).split("\n")[2]).toBe("streaming\tnode2\t{nofailover: true}");
  expect(JSON.parse(await out("json"))[1]).toEqual({
    State: "streaming",
    Member: "node2",
    Tags: { nofailover: true },
  });
  const wrong = await cluster.ctl(["list", "--columns", "Member,Colour"]);
  expect(wrong.code).toBe(2);
  expect(wrong.err).toContain(
    "Invalid value for '--columns': 'Colour' is not 'legacy' or one of Cluster, Member, ",
  );
});

test("a record of tsv is one line, whatever is in its cells", async () => {
  cluster.port.changeMember("node2", {
    pendingRestart: {
      archive_mode: { old_value: "on", new_value: "always" },
      max_connections: { old_value: "60", new_value: "80" },
    },
    tags: { note: "two\nlines\tand a tab" },
  });
  const lines = (await cluster.ctl(["list", "-f", "tsv"])).out.split("\n");
  expect(lines).toHaveLength(4);
  const cells = lines[2]!.split("\t");
  expect(cells).toHaveLength(lines[0]!.split("\t").length);
  expect(cells).toContain("archive_mode: on->always, max_connections: 60->80");
});

test("DCS_URL names a member as -d does, or several; the option counts before it", async () => {
  const dsn = (environment: Record<string, string>, ...words: string[]) =>
    runCtl([...words, "dsn"], [], environment);
  const good = { code: 0, out: "host=10.0.0.1 port=5432", err: "" };
  expect(await dsn({ DCS_URL: cluster.address })).toEqual(good);
  expect(await dsn({ DCS_URL: `127.0.0.1:1,http://${cluster.address}/` })).toEqual(good);
  expect(await dsn({ DCS_URL: "127.0.0.1:1" }, "-d", cluster.address)).toEqual(good);
  expect((await dsn({ DCS_URL: "127.0.0.1:1" })).err).toContain("http://127.0.0.1:1: ");
  expect((await dsn({ DCS_URL: "etcd3://10.0.0.9:2379" }, "-d", cluster.address)).err).toBe("");
  expect((await dsn({ DCS_URL: "etcd3://10.0.0.9:2379", PATRONI_RESTAPI_LISTEN: cluster.address })).err).toBe(
    "Warning: etcd3://10.0.0.9:2379 is ignored: there is no store beside the members themselves",
  );
});

test("LOGLEVEL=DEBUG tells every request, INFO those that fail; the last variable that is set counts", async () => {
  const errors = async (environment: Record<string, string>) =>
    (await runCtl(["-d", `127.0.0.1:1,${cluster.address}`, "dsn"], [], environment)).err;
  expect(await errors({})).toBe("");
  expect(await errors({ LOGLEVEL: "warning" })).toBe("");
  const failed =
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - INFO - GET http:\/\/127\.0\.0\.1:1\/cluster: connection refused$/;
  expect(await errors({ LOGLEVEL: "INFO" })).toMatch(failed);
  const lines = (await errors({ LOGLEVEL: "ERROR", PATRONI_LOG_LEVEL: "debug" })).split("\n");
  expect(lines[0]).toMatch(failed);
  expect(lines[1]).toMatch(/ - DEBUG - GET http:\/\/127\.0\.0\.1:\d+\/cluster: 200 in \d+ ms$/);
  expect(await errors({ LOGLEVEL: "loud" })).toStartWith(
    "Warning: LOGLEVEL is ignored: it must be one of DEBUG, ",
  );
});

test("failover --leader is a switchover, with a warning", async () => {
  cluster.port.onFailover = ({ id }) =>
    cluster.port.changeDcs({ failover: null, failoverResults: [{ id, ok: true, text: "done" }] });
  const { code, err } = await cluster.ctl([
    "failover",
    "--leader",
    "node1",
    "--candidate",
    "node2",
    "--force",
  ]);
  expect(code).toBe(0);
  expect(err).toBe(
    "Warning: supplying a leader name using this command is deprecated, change your scripts to use `switchover` " +
      "instead. Executing switchover!",
  );
  expect(cluster.port.calls).toEqual(["requestFailover switchover node1 node2 null"]);
});

test("an answer of a member that is cut off is told on standard error, or below the table", async () => {
  cluster.port.change({ dcsAgeMs: 61_000 });
  const stale = "61 s old, as node1 saw it, which has no contact with a majority of the members";
  expect(await cluster.ctl(["dsn"])).toEqual({
    code: 0,
    out: "host=10.0.0.1 port=5432",
    err: `Warning: a stale answer: ${stale}`,
  });
  expect((await cluster.ctl(["list", "-f", "json"])).err).toBe(`Warning: a stale answer: ${stale}`);
  const { out, err } = await cluster.ctl(["list"]);
  expect([err, out.split("\n").at(-2)]).toEqual(["", ` Stale: ${stale}`]);
});
