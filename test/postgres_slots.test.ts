/** Permanent slots on a real PostgreSQL: what their users had not read yet is there on the next primary. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { dirname, join } from "node:path";
import type { WantedSlots } from "../src/agent/postgres/port.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { keepsLogicalSlots } from "../src/postgres/slots.ts";
import { LIMIT_MS, slotsFor, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const story = test.skipIf(whyNoPostgres() !== null);
const SLOTS = {
  archive: null,
  cdc: { type: "logical", database: "postgres", plugin: "test_decoding" },
  /** Its reader was ahead of the standby that is promoted. */
  ahead: { type: "logical", database: "postgres", plugin: "test_decoding" },
  /** Nobody reads it, so that no standby can have a copy. */
  unread: { type: "logical", database: "postgres", plugin: "test_decoding" },
  nowhere: { type: "logical", database: "no such one", plugin: "test_decoding" },
};
const LOGICAL = { slots: SLOTS, postgresql: { parameters: { wal_level: "logical" } } };

const programs = () => findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });

/** Slots for the other member and the permanent ones, which stand where the primary's do. */
function wanted(other: string, member: TestMember, primary: TestMember = member): WantedSlots {
  const positions = primary === member ? [] : primary.view.slots
    .flatMap(({ name, permanent, position }) =>
      permanent && position !== null ? [[name, position] as const] : []
    );
  return {
    ...slotsFor(other),
    permanent: member.dynamic().slots,
    positions: Object.fromEntries(positions),
  };
}

const positionOf = ({ view }: TestMember, slot: string) =>
  view.slots.find(({ name }) => name === slot)?.position ?? null;

/** The rows of `t` that the changes of slot cdc name. */
async function read(member: TestMember): Promise<number[]> {
  await member.sql("SELECT pg_replication_slot_advance('ahead', pg_current_wal_flush_lsn())");
  const rows = await member.sql("SELECT data FROM pg_logical_slot_get_changes('cdc', NULL, NULL)");
  return rows.flatMap(({ data }) => {
    const id = /^table public\.t: INSERT: id\[integer\]:(\d+)$/.exec(String(data))?.[1];
    return id === undefined ? [] : [Number(id)];
  });
}

async function said(member: TestMember, text: string): Promise<void> {
  await member.until(text, () => member.log.lines.join("\n").includes(text));
}

/** Streams a logical slot from a position on, as a client of its own. */
function startReader(member: TestMember, slot: string, from: string): ChildProcess {
  const program = join(dirname(programs().path("pg_basebackup")), "pg_recvlogical");
  const to = `host=127.0.0.1 port=${member.port} user=postgres dbname=postgres`;
  const args = ["-d", to, `--slot=${slot}`, "--start", `--startpos=${from}`, "-f", "/dev/null"];
  const env = { ...process.env, PGPASSWORD: member.config.postgresql!.superuser.password ?? "" };
  return spawn(program, args, { env, stdio: "ignore" });
}

/** PostgreSQL 13 to 16: brought by the agent, with a restart of the standby. */
async function copied(one: TestMember, two: TestMember): Promise<void> {
  // The slot begins with WAL that the copy does not have, until its user has gone on.
  await two.until("that is said", () => two.log.lines.join("\n").includes("not copied yet: cdc"));
  await waitFor("the logical slot waits for a restart", LIMIT_MS, async () => {
    await one.sql("CHECKPOINT");
    await read(one);
    return two.view.stagedSlots.join() === "cdc,ahead";
  });
  await two.must({ kind: "restart" }, "restart");
  // Else the standby would be restarted once more for the same copies.
  expect(two.view.stagedSlots).toEqual([]);
  await two.until("it is there", () => positionOf(two, "cdc") !== null);
  await two.until("it waits no more", (view) => view.stagedSlots.length === 0);
}

/** PostgreSQL 17 and later: kept alike by the standby itself. */
async function synchronised(one: TestMember, two: TestMember): Promise<void> {
  await waitFor("the standby keeps the logical slot", LIMIT_MS, async () => {
    // Until its user has gone on it is a temporary one: the copy lacks the WAL that it begins with.
    await one.sql("CHECKPOINT");
    await read(one);
    const rows = await two.sql(
      "SELECT FROM pg_replication_slots WHERE slot_name IN ('cdc', 'ahead') AND synced AND NOT temporary",
    );
    return rows.length === 2;
  });
  await two.until("the agent has seen it", () => positionOf(two, "cdc") !== null);
  expect(two.view.stagedSlots).toEqual([]);
}

story(
  "permanent slots are kept on the standby, and go on where they were after its promotion",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1", {}, LOGICAL);
      const own = { postgresql: { parameters: { max_slot_wal_keep_size: "2GB" } } };
      const two = await site.member("node-2", own, LOGICAL);
      await one.bootstrap();
      await waitFor("the limit of what slots may hold", LIMIT_MS, async () => {
        const [limit] = await one.sql("SHOW max_slot_wal_keep_size");
        return /^[1-9]\d*[MG]B$/.test(String(limit!.max_slot_wal_keep_size));
      });
      await one.sql("CREATE TABLE t (id int PRIMARY KEY)");
      one.executor.desire({ slots: wanted("node-2", one) });
      await one.until(
        "both are made",
        () => positionOf(one, "archive") !== null && positionOf(one, "cdc") !== null,
      );
      expect(one.log.lines.join("\n")).toContain("nowhere: there is no database no such one");
      await one.sql("INSERT INTO t SELECT generate_series(1, 10)");
      expect(await read(one)).toHaveLength(10);

      await two.joinAsStandby(one);
      expect(await two.sql("SHOW hot_standby_feedback")).toEqual([{ hot_standby_feedback: "on" }]);
      expect(await two.sql("SHOW max_slot_wal_keep_size")).toEqual([{ max_slot_wal_keep_size: "2GB" }]);
      two.executor.desire({ slots: wanted("node-1", two, one) });
      await (keepsLogicalSlots(programs().major) ? synchronised(one, two) : copied(one, two));
      expect(positionOf(two, "archive")).not.toBeNull();

      await one.sql("INSERT INTO t SELECT generate_series(11, 20)");
      expect(await read(one)).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
      await one.sql("INSERT INTO t SELECT generate_series(21, 30)");
      await waitFor("the copy stands where the slot of the primary does", LIMIT_MS, () => {
        two.executor.desire({ slots: wanted("node-1", two, one) });
        return positionOf(two, "cdc") === positionOf(one, "cdc") &&
          positionOf(one, "cdc")! > positionOf(one, "archive")!;
      });

      await one.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      await two.until("everything is received", (view) => view.receivedLsn === one.view.receivedLsn);
      await two.arm(2);
      await two.must({ kind: "promote", epoch: 2 }, "promote");
      await said(two, "logical replication slot unread was not copied to this member before its promotion");
      const [begins] = await two.sql("SELECT pg_current_wal_flush_lsn() + 1 AS after");
      const reader = startReader(two, "ahead", String(begins!.after));
      try {
        await said(two, `slot ahead had read up to ${String(begins!.after)} before the failover`);
      } finally {
        reader.kill("SIGKILL");
      }
      expect(two.log.lines.join("\n")).not.toContain("slot cdc had read");
      await two.sql("INSERT INTO t VALUES (31)");
      expect(await read(two)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);

      const none = { ...slotsFor("node-1"), permanent: [] };
      two.executor.desire({ slots: none });
      await two.until("what nobody configures any more goes", (view) =>
        view.slots.length > 0 && view.slots.every(({ name }) => name === "node_1"));
    }),
  STORY_MS,
);
