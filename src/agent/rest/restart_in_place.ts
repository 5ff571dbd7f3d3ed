/** A restart of PostgreSQL that a request asks for, and waits for. */
import type { RestartOutcome } from "../../api/port.ts";
import type { PostgresPort } from "../postgres/port.ts";

/** It is waited for this long when the request names no timeout. */
const RESTART_WAIT_MS = 300_000;

export interface RestartParts {
  readonly postgres: Pick<PostgresPort, "view">;
  readonly member: {
    requestRestart(): void;
    /** Withdraws a restart that has not begun. */
    withdrawRestart(): void;
  };
  /** Tells of everything that may have changed; returns how to stop it. */
  readonly onChange: (listener: () => void) => () => void;
}

/**
 * `timeoutS`: a restart that has not ended by then has failed, and does not begin later, when nobody expects
 * it.
 */
export function restartInPlace(parts: RestartParts, timeoutS: number | null): Promise<RestartOutcome> {
  const { postgres, member, onChange } = parts;
  const view = postgres.view();
  if (view.action !== null) return Promise.resolve({ kind: "busy", action: view.action.kind });
  if (view.process === "starting") return Promise.resolve({ kind: "still-starting" });
  // In maintenance mode this is how a server that has ended is started again.
  const isDead = view.process === "none";
  if (view.process !== "running" && !isDead) return Promise.resolve({ kind: "failed" });
  const last = () => isDead ? postgres.view().last.start : postgres.view().last.restart;
  const before = last()?.atMs ?? -1;
  member.requestRestart();
  return new Promise((resolve) => {
    const finish = (outcome: RestartOutcome) => {
      clearTimeout(timer);
      unsubscribe();
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      member.withdrawRestart();
      finish({ kind: "failed" });
    }, timeoutS === null ? RESTART_WAIT_MS : timeoutS * 1000);
    const unsubscribe = onChange(() => {
      const done = last();
      if (done !== undefined && done.atMs > before) finish({ kind: done.ok ? "ok" : "failed" });
    });
  });
}
