/** What a member does whose watchdog is required and cannot be used. */
import { expect, test } from "bun:test";
import { keep, type NodeView } from "./keeper.ts";
import {
  cluster,
  FREE,
  holder,
  lock,
  node,
  postgres,
  PRIMARY_DIRECTORY,
  RUNNING_PRIMARY,
  STOPPED,
} from "./testing.ts";

const EMPTY = { ...STOPPED, directory: { kind: "empty" } } as const;

const CASES: readonly [string, NodeView, string[]][] = [
  ["a primary stops in order, and then hands over", holder(), ["stop"]],
  [
    "a primary that is being stopped already is left to it",
    holder({
      postgres: postgres({
        ...RUNNING_PRIMARY,
        action: { kind: "stop", sinceMs: 0, detail: "fast" },
      }),
    }),
    [],
  ],
  ["a holder that is a standby still hands over at once", holder({ postgres: postgres() }), ["release"]],
  [
    "a holder without a running PostgreSQL hands over at once",
    holder({ postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }) }),
    ["release"],
  ],
  [
    "a holder that is frozen waits for the guard",
    holder({ postgres: postgres({ ...RUNNING_PRIMARY, process: "frozen" }) }),
    [],
  ],
  [
    "an empty member leaves the bootstrap to others",
    node({ dcs: cluster({ initialize: null, lock: lock(FREE) }), postgres: postgres(EMPTY) }),
    [],
  ],
];

for (const [what, view, actions] of CASES) {
  test(what, () => {
    const { actions: found } = keep({ ...view, watchdogFailed: true });
    expect(found.map((action): string => action.kind)).toEqual(actions);
  });
}

test("a standby goes on as it is", () => {
  expect(keep(node({ watchdogFailed: true }))).toEqual(keep(node()));
});
