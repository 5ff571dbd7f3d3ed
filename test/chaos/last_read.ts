/** Everything that the clients' tables hold in the end. */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { CLIENT_TABLE } from "../../src/demo/client_process.ts";
import { nowMs } from "../../src/demo/now.ts";
import { LAST_READ } from "./judge.ts";
import type { Operation, Transaction } from "./oracle/history.ts";
import { LIST_TABLE, REGISTER_TABLE, TIMELINE } from "./tables.ts";

export interface LastRead {
  /** Unique values, with their timelines. */
  readonly present: Map<number, number>;
  /** A read of every list and register that occurs in `history`. */
  readonly transaction: Transaction;
}

/** `history`: whose lists and registers are read, those without a row included. */
export async function readEverything(
  cluster: Cluster,
  primary: Host,
  history: readonly Transaction[],
): Promise<LastRead> {
  const sentMs = nowMs();
  const client = await cluster.connect(primary);
  try {
    const all = async <Row extends object>(sql: string) => (await client.query<Row>(sql)).rows;
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
    const [told] = await all<{ timeline: number }>(`SELECT ${TIMELINE} AS timeline`);
    const ids = await all<{ id: string; timeline: number }>(`SELECT id, timeline FROM ${CLIENT_TABLE}`);
    const lists = await all<{ key: number; items: string[] }>(`SELECT key, items FROM ${LIST_TABLE}`);
    const registers = await all<{ key: number; value: string }>(`SELECT key, value FROM ${REGISTER_TABLE}`);
    await client.query("COMMIT");
    const [listOf, valueOf] = [
      new Map(lists.map(({ key, items }) => [key, items.map(Number)])),
      new Map(registers.map(({ key, value }) => [key, Number(value)])),
    ];
    const keys = (...kinds: Operation["kind"][]) => [
      ...new Set(
        history.flatMap(({ operations }) =>
          operations.filter(({ kind }) => kinds.includes(kind)).map(({ key }) => key)
        ),
      ),
    ];
    const operations: Operation[] = [
      ...keys("append", "list").map((key): Operation => ({
        kind: "list",
        key,
        values: listOf.get(key) ?? [],
      })),
      ...keys("write", "read").map((key): Operation => ({
        kind: "read",
        key,
        value: valueOf.get(key) ?? null,
      })),
    ];
    const place = { node: primary.name, timeline: told!.timeline };
    return {
      present: new Map(ids.map(({ id, timeline }) => [Number(id), timeline])),
      transaction: { id: LAST_READ, ...place, sentMs, endMs: nowMs(), outcome: "ok", operations },
    };
  } finally {
    await client.end();
  }
}
