/** A restart of PostgreSQL that a request asks for, and waits for. */
import type { RestartOutcome } from "../../api/port.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { PostgresPort } from "../postgres/port.ts";

/** It is waited for this long when the request names no timeout. */
const RESTART_WAIT_MS = 300_000;

export interface RestartParts {
  readonly postgres: Pick<PostgresPort, "view">;
  readonly member: {
    requestRestart(timeoutS: number | null): void;
    /** One was asked for and has not begun. */
    readonly restartWanted: boolean;
    /** An operator's reinitialize is under way, be it that nothing of it has begun. */
    readonly reinitializing: boolean;
    /** What the member says of itself. */
    readonly status: Pick<MemberStatus, "needsReinit"> | null;
    /** Withdraws a restart that has not begun. */
    withdrawRestart(): void;
  };
  /** Tells of everything that may have changed; returns how to stop it. */
  readonly onChange: (listener: () => void) => () => void;
}

/**
 * `timeoutS`: a restart that has not ended by then has failed, and does not begin later. What has begun goes
 * on, unless another member takes over (src/brain/keep/busy.ts).
 */
export function restartInPlace(parts: RestartParts, timeoutS: number | null): Promise<RestartOutcome> {
  const { postgres, member, onChange } = parts;
  const view = postgres.view();
  // What another request has asked for begins with the next look. Taken together, one of them would be
  // answered for the other, and withdrawn with it.
  if (member.reinitializing) return Promise.resolve({ kind: "busy", action: "reinitialize" });
  if (member.restartWanted) return Promise.resolve({ kind: "busy", action: "restart" });
  if (view.action !== null) return Promise.resolve({ kind: "busy", action: view.action.kind });
  if (view.process === "starting") return Promise.resolve({ kind: "still-starting" });
  // In maintenance mode this is how a server that has ended is started again.
  const isDead = view.process === "none";
  if (view.process !== "running" && !isDead) return Promise.resolve({ kind: "failed" });
  // No start follows before a bootstrap or a copy: the asker would wait for something else.
  if (isDead && view.directory.kind !== "valid") {
    return Promise.resolve({ kind: "failed", why: "there is no data that PostgreSQL could start with" });
  }
  // No start follows before somebody has acted: the asker would wait for nothing.
  const why = isDead ? member.status?.needsReinit : undefined;
  if (why !== undefined) return Promise.resolve({ kind: "failed", why: `needs reinit: ${why}` });
  const last = () => isDead ? postgres.view().last.start : postgres.view().last.restart;
  const before = last()?.atMs ?? -1;
  member.requestRestart(timeoutS);
  return new Promise((resolve) => {
    const finish = (outcome: RestartOutcome) => {
      clearTimeout(timer);
      unsubscribe();
      resolve(outcome);
    };
    const timer = setTimeout(() => {
      member.withdrawRestart();
      finish({ kind: postgres.view().process === "starting" ? "still-starting" : "failed" });
    }, timeoutS === null ? RESTART_WAIT_MS : timeoutS * 1000);
    const unsubscribe = onChange(() => {
      const done = last();
      if (done !== undefined && done.atMs > before) return finish({ kind: done.ok ? "ok" : "failed" });
      // A forced reinitialize takes its place.
      if (!member.restartWanted && postgres.view().action === null) finish({ kind: "failed" });
    });
  });
}
