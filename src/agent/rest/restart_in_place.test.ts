import { expect, test } from "bun:test";
import { postgres, STOPPED } from "../../brain/testing.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";
import { restartInPlace } from "./restart_in_place.ts";

const ended = (kind: "restart" | "start", atMs: number, ok = true): FinishedAction => ({
  kind,
  ok,
  atMs,
  detail: "",
  failures: ok ? 0 : 1,
});

/** A server and who is asked for its restart. */
function server(first: Partial<PostgresView> = {}) {
  const listeners = new Set<() => void>();
  const it = {
    view: postgres(first),
    asked: [] as string[],
    listeners,
    wanted: false,
    reinitializing: false,
    needsReinit: undefined as string | undefined,
  };
  const restart = (timeoutS: number | null = 60) =>
    restartInPlace({
      postgres: { view: () => it.view },
      member: {
        requestRestart: (limitS) => {
          it.asked.push(limitS === 60 || limitS === 0.01 ? "requested" : `requested for ${limitS} s`);
          it.wanted = true;
        },
        withdrawRestart: () => {
          it.asked.push("withdrawn");
          it.wanted = false;
        },
        get restartWanted() {
          return it.wanted;
        },
        get reinitializing() {
          return it.reinitializing;
        },
        get status() {
          return it.needsReinit === undefined ? {} : { needsReinit: it.needsReinit };
        },
      },
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    }, timeoutS);
  const becomes = (change: Partial<PostgresView>) => {
    it.view = postgres({ ...first, ...change });
    for (const listener of [...listeners]) listener();
  };
  return { it, restart, becomes };
}

test("it is done when a restart has ended that is newer than the request", async () => {
  const { it, restart, becomes } = server({ last: { restart: ended("restart", 10, false) } });
  const outcome = restart();
  becomes({ last: { restart: ended("restart", 10, false) } });
  becomes({ last: { restart: ended("restart", 20) } });
  expect(await outcome).toEqual({ kind: "ok" });
  expect(it.asked).toEqual(["requested"]);
  expect(it.listeners.size).toBe(0);
});

test("a server that has ended is started, and a start that failed is said", async () => {
  const { restart, becomes } = server(STOPPED);
  const outcome = restart();
  becomes({ last: { start: ended("start", 20, false) } });
  expect(await outcome).toEqual({ kind: "failed" });
});

test("a server that is held is not started, and the answer says at once why; one that runs is restarted", async () => {
  const held = server(STOPPED);
  held.it.needsReinit = "its history has diverged";
  expect(await held.restart()).toEqual({ kind: "failed", why: "needs reinit: its history has diverged" });
  expect(held.it.asked).toEqual([]);
  const behind = server();
  behind.it.needsReinit = "the primary has removed WAL";
  const outcome = behind.restart();
  behind.becomes({ last: { restart: ended("restart", 20) } });
  expect(await outcome).toEqual({ kind: "ok" });
});

test("a member without data is told so at once: nothing is started before a bootstrap or a copy", async () => {
  for (const directory of [{ kind: "empty" }, { kind: "half-written", what: "clone" }] as const) {
    const { it, restart } = server({ ...STOPPED, directory });
    const why = "there is no data that PostgreSQL could start with";
    expect(await restart()).toEqual({ kind: "failed", why });
    expect(it.asked).toEqual([]);
  }
});

test("one that has not ended in time is withdrawn, so that it does not begin when nobody expects it", async () => {
  const { it, restart } = server();
  expect(await restart(0.01)).toEqual({ kind: "failed" });
  expect(it.asked).toEqual(["requested", "withdrawn"]);
  expect(it.listeners.size).toBe(0);
});

test("while something else is under way, none is asked for", async () => {
  const busy = server({ action: { kind: "clone", sinceMs: 0, detail: "" } });
  expect(await busy.restart()).toEqual({ kind: "busy", action: "clone" });
  const starting = server({ process: "starting" });
  expect(await starting.restart()).toEqual({ kind: "still-starting" });
  const frozen = server({ process: "frozen" });
  expect(await frozen.restart()).toEqual({ kind: "failed" });
  expect([busy, starting, frozen].flatMap(({ it }) => it.asked)).toEqual([]);
});

test("of two requests in the same instant the second is told of the first, and costs it nothing", async () => {
  const { it, restart, becomes } = server();
  const first = restart();
  expect(await restart(0.01)).toEqual({ kind: "busy", action: "restart" });
  expect(it.asked).toEqual(["requested"]);
  becomes({ last: { restart: ended("restart", 20) } });
  expect(await first).toEqual({ kind: "ok" });
});

test("a reinitialize of which nothing has begun is in its way", async () => {
  const { it, restart } = server();
  it.reinitializing = true;
  expect(await restart()).toEqual({ kind: "busy", action: "reinitialize" });
  expect(it.asked).toEqual([]);
});

test("one that a forced reinitialize replaces has failed at once", async () => {
  const { it, restart, becomes } = server();
  const outcome = restart();
  it.wanted = false;
  becomes({});
  expect(await outcome).toEqual({ kind: "failed" });
});

test("the limit is known to the decisions, and a server that starts when it is over is said to be starting", async () => {
  const { it, restart, becomes } = server();
  const outcome = restart(0.02);
  becomes({ process: "starting", action: { kind: "restart", sinceMs: 0, detail: "" } });
  expect(await outcome).toEqual({ kind: "still-starting" });
  expect(it.asked).toEqual(["requested for 0.02 s", "withdrawn"]);
});
