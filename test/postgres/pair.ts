/** A primary and standbys with a table of numbers, for stories about whose WAL continues whose. */
import { waitFor } from "../../src/demo/wait_for.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { LIMIT_MS, type Site, type TestMember } from "./site.ts";

/** A primary and its standby, with a table `t` of one row, 0. */
export async function pair(site: Site, dcs: JsonObject = {}): Promise<[TestMember, TestMember]> {
  const one = await site.member("node-1", {}, dcs);
  const two = await site.member("node-2", {}, dcs);
  await one.bootstrap();
  await one.sql("CREATE TABLE t AS SELECT 0 AS id");
  await two.joinAsStandby(one);
  await has(two, [0]);
  return [one, two];
}

/** Waits until `t` has these rows, and no others. */
export async function has(member: TestMember, ids: readonly number[]): Promise<void> {
  await waitFor(`${ids.join(", ")} on ${member.name}`, LIMIT_MS, async () => {
    const rows = await member.sql("SELECT id FROM t ORDER BY id");
    return JSON.stringify(rows.map(({ id }) => id)) === JSON.stringify(ids);
  });
}

/**
 * `content`: see the action. A server that has just been started may not know its own position yet: as the
 * agent does, it asks again.
 */
export function compared(member: TestMember, other: TestMember, content = false) {
  const also = content ? { content } as const : {};
  return waitFor(`${member.name} to compare histories`, LIMIT_MS, async () => {
    const before = member.view.divergence;
    member.executor.run({ kind: "compare-history", with: other.upstream, ...also });
    const { divergence } = await member.until(
      "histories are compared",
      (view) => view.divergence !== null && view.divergence !== before,
    );
    return divergence!.verdict === "unknown" ? null : divergence;
  });
}

/** Starts it as a standby of `primary`. */
export async function streams(member: TestMember, primary: TestMember): Promise<void> {
  await member.must({ kind: "start-standby", follow: primary.upstream }, "start");
  await member.until("it streams", (view) => view.replicationState === "streaming");
}
