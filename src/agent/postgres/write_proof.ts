/**
 * Proves that a primary takes writes, once in each epoch of a server: one small transaction of the agent's
 * own that is on disk when it ends. A server that has left recovery may still fail with its first write (a
 * full disk, a file system that is read-only), and a switchover is called a success only after one.
 */
import { errorText } from "../../postgres/error_text.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import type { PostgresContext } from "./context.ts";
import { writeSmall } from "./small_write.ts";

const LIMIT_MS = 10_000;
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 30_000;

export class WriteProof {
  readonly #context: PostgresContext;
  #underWay = false;
  #failures = 0;
  #dueMs = 0;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /** Owed until it has succeeded, no matter which agent started or promoted the server. */
  proveIfOwed(): void {
    const { server, log, memory, guard, clock, changed } = this.#context.parts;
    const own = memory.server;
    const { postmaster } = guard.view();
    const epoch = postmaster?.epoch ?? null;
    if (own === null || !own.ready || own.status?.inRecovery !== false || own.shutdown !== null) return;
    if (postmaster?.pid !== own.pid || postmaster.phase !== "running" || epoch === null) return;
    if (own.wroteUnder === epoch || this.#underWay || clock.now() < this.#dueMs) return;
    this.#underWay = true;
    // In synchronous modes clients are kept back until a transaction has waited for its standbys as theirs
    // will. It is not cancelled: PostgreSQL calls a wait that was cancelled a success.
    const waits = memory.sync.count > 0;
    const limits = { applicationName: "agent write", statementTimeoutMs: waits ? 0 : LIMIT_MS };
    server.with(limits, (connection) => writeSmall(connection, waits ? "on" : "local")).then(
      () => {
        this.#failures = 0;
        own.wroteUnder = epoch;
        changed();
      },
      (error: unknown) => {
        this.#failures++;
        log.warning("write_failed", `the first write under epoch ${epoch}: ${errorText(error)}`);
      },
    ).finally(() => {
      this.#underWay = false;
      this.#dueMs = clock.now() + pauseAfter(this.#failures, FIRST_PAUSE_MS, LAST_PAUSE_MS);
    });
  }
}
