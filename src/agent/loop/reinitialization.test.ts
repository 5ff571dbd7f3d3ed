/** From the request to its end, by what is seen of PostgreSQL. */
import { expect, test } from "bun:test";
import { postgres, STOPPED } from "../../brain/testing.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";
import { Reinitialization } from "./reinitialization.ts";

const ended = (
  kind: FinishedAction["kind"],
  ok: boolean,
  atMs: number,
  detail = "",
): PostgresView["last"] => ({
  [kind]: { kind, ok, atMs, detail, failures: ok ? 0 : 1 },
});
const EMPTY = { ...STOPPED, directory: { kind: "empty" } } as const;

test("it is done when a copy that was begun after the request runs", () => {
  const reinit = new Reinitialization();
  expect(reinit.status).toBeNull();
  expect(reinit.running).toBeNull();
  const earlier = ended("clone", true, 50);
  reinit.ask(true, 100);
  const steps: [Parameters<typeof postgres>[0], string][] = [
    [{ last: earlier }, "stopping PostgreSQL"],
    [{ ...STOPPED, last: earlier }, "moving the data directory aside"],
    [{ ...EMPTY, last: earlier }, "waiting for a primary to copy from"],
    [{ ...EMPTY, action: { kind: "clone", sinceMs: 110, detail: "from a, 3 %" } }, "copying from a, 3 %"],
    [
      { ...EMPTY, last: ended("clone", false, 120, "exists but is not empty") },
      "copying failed, trying again soon: exists but is not empty",
    ],
    [{ ...STOPPED, last: ended("clone", true, 130) }, "starting PostgreSQL"],
    [
      { ...STOPPED, last: { ...ended("clone", true, 130), ...ended("start", false, 140, "no memory") } },
      "starting PostgreSQL, which failed: no memory",
    ],
  ];
  for (const [at, [change, detail]] of steps.entries()) {
    reinit.look(postgres(change));
    expect(reinit.status).toEqual({ state: "running", detail });
    expect(reinit.wanted).toEqual(at < 2 ? { fromLeader: true } : null);
    // Where the copy is to come from counts until it is made.
    expect(reinit.running).toEqual({ fromLeader: true });
  }
  reinit.look(postgres({ last: ended("clone", true, 130) }));
  expect(reinit.status).toEqual({ state: "done", detail: "" });
  expect(reinit.running).toBeNull();
});

test("a directory that can neither be moved nor removed ends it, and PostgreSQL may start again", () => {
  const reinit = new Reinitialization();
  reinit.ask(false, 100);
  reinit.look(postgres({ ...STOPPED, last: ended("set-aside", false, 50, "of before") }));
  expect(reinit.status?.state).toBe("running");
  reinit.look(postgres({ ...STOPPED, last: ended("set-aside", false, 110, "cannot move") }));
  expect(reinit.status).toEqual({ state: "failed", detail: "cannot move" });
  expect(reinit.wanted).toBeNull();
  reinit.ask(false, 200);
  reinit.look(postgres({ ...STOPPED, directory: { kind: "foreign", reason: "of PostgreSQL 9" } }));
  expect(reinit.status).toEqual({ state: "failed", detail: "of PostgreSQL 9" });
});
