/** Which member goes when, by what the restart changes. */
import { expect, test } from "bun:test";
import type { ClusterMemberJson } from "../../src/api/client.ts";
import { leftBehind, planRolling } from "./rolling_plan.ts";

type Changes = { readonly [parameter: string]: readonly [string, string] };

function member(name: string, changes: Changes = {}): ClusterMemberJson {
  const reasons = Object.entries(changes).map(([parameter, [old_value, new_value]]) =>
    [parameter, { old_value, new_value }] as const
  );
  return {
    name,
    role: name === "a" ? "leader" : "replica",
    state: name === "a" ? "running" : "streaming",
    api_url: "",
    ...(reasons.length > 0
      ? { pending_restart: true, pending_restart_reason: Object.fromEntries(reasons) }
      : {}),
  };
}

/** Members a (the leader), b and c, all with these changes; the order, with `!` at a switchover. */
function order(changes: Changes, names = "abc", wanted: "restart" | "switchover" | null = null) {
  const all = [..."abc"].map((name) => member(name, changes));
  const plan = planRolling(all.filter(({ name }) => names.includes(name)), all[0]!, wanted);
  if ("refused" in plan) return `refused: ${plan.refused}`;
  return plan.steps.map(({ member, way }) => way === "switchover" ? `${member}!` : member).join(" ");
}

const RAISED: Changes = { max_connections: ["100", "200"] };
const LOWERED: Changes = { max_worker_processes: ["16", "8"] };

test("standbys go first, and the primary by switchover, for an upgrade and for what standbys need not have", () => {
  expect(order({})).toBe("b c a!");
  expect(order({ shared_buffers: ["128MB", "64MB"] })).toBe("b c a!");
  expect(order({}, "abc", "restart")).toBe("b c a");
});

test("a value that standbys must have at least is raised on them first", () => {
  expect(order(RAISED)).toBe("b c a!");
  expect(order(RAISED, "bc")).toBe("b c");
});

test("where it is lowered the primary goes first, and in place", () => {
  expect(order(LOWERED)).toBe("a b c");
  expect(order(LOWERED, "abc", "restart")).toBe("a b c");
  expect(order(LOWERED, "a")).toBe("a");
  expect(order(LOWERED, "abc", "switchover")).toStartWith(
    "refused: max_worker_processes is lowered (16 -> 8)",
  );
  expect(order(LOWERED, "bc")).toBe(
    "refused: max_worker_processes is lowered (16 -> 8): the primary goes first, so name a as well",
  );
});

test("where one is raised and another lowered, standbys go twice", () => {
  expect(order({ ...RAISED, ...LOWERED })).toBe("b c a b c");
});

test("a primary that has the smaller value already does not go again before its standbys", () => {
  const plan = planRolling([member("b", LOWERED), member("c")], member("a"), null);
  expect(plan).toMatchObject({ steps: [{ member: "b", way: "restart" }, { member: "c", way: "restart" }] });
});

test("no standby is left with less than its primary then has", () => {
  const [a, b, c] = [member("a", RAISED), member("b", RAISED), member("c", RAISED)];
  const missed = "max_connections is raised (100 -> 200): " +
    "a standby must have at least what its primary has, so name c as well";
  for (const named of [[a, b], [b, a]]) expect(leftBehind(named, a, [a, b, c])).toBe(missed);
  expect(leftBehind([a], a, [a, c])).toBe(missed);
  expect(leftBehind([b], a, [a, b, c])).toBeNull();
  expect(leftBehind([a, b, c], a, [a, b, c])).toBeNull();
  expect(leftBehind([a, b], a, [a, b, member("c", LOWERED), member("d")])).toBeNull();
});
