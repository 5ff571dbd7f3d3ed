import { expect, test } from "bun:test";
import type { GuardView } from "../../model/guard_view.ts";
import { GUARD_WAIT_MS, onceHeard } from "./once_heard.ts";

function site(lastAnswerMs: number | null) {
  const state = { lastAnswerMs, called: 0, delayMs: null as number | null, cancelled: false };
  let changed = () => {};
  let fire = () => {};
  onceHeard(
    {
      view: () => ({ lastAnswerMs: state.lastAnswerMs }) as GuardView,
      onChange: (listener) => void (changed = listener),
    },
    {
      after: (delayMs, due) => {
        state.delayMs = delayMs;
        fire = due;
        return { cancel: () => void (state.cancelled = true) };
      },
    },
    () => void state.called++,
  );
  return { state, changed: () => changed(), fire: () => fire() };
}

test("a guard that has answered is not waited for", () => {
  expect(site(1).state).toMatchObject({ called: 1, delayMs: null });
});

test("a stop right after the start waits for the first answer of the guard, and happens once", () => {
  const { state, changed, fire } = site(null);
  changed();
  expect(state.called).toBe(0);
  state.lastAnswerMs = 7;
  changed();
  changed();
  fire();
  expect(state).toMatchObject({ called: 1, cancelled: true });
});

test("a guard that never answers does not keep the agent", () => {
  const { state, fire } = site(null);
  expect(state.delayMs).toBe(GUARD_WAIT_MS);
  fire();
  expect(state.called).toBe(1);
});
