/**
 * A stop that is asked for right after the start. Before the guard has answered it is not known whether
 * PostgreSQL runs, and only the guard can stop it in order: without it every process would be killed.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { GuardPort } from "../../guard/port.ts";

/** A guard is there within a second, on a busy host as well. One that hangs must not keep the agent. */
export const GUARD_WAIT_MS = 5000;

/** Calls `then` once the guard has answered, now or later, or when it has not for too long. */
export function onceHeard(
  guard: Pick<GuardPort, "view" | "onChange">,
  clock: Pick<Clock, "after">,
  then: () => void,
): void {
  const isHeard = () => guard.view().lastAnswerMs !== null;
  if (isHeard()) return then();
  let over = false;
  const go = () => {
    if (over) return;
    over = true;
    timer.cancel();
    then();
  };
  const timer = clock.after(GUARD_WAIT_MS, go);
  guard.onChange(() => {
    if (isHeard()) go();
  });
}
