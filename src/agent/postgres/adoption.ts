/**
 * A server that runs already, and that this agent did not start. It is known by its answers and its files,
 * and stays as it is: nothing of it is restarted. Its files are the agent's only once the guard has been told
 * its role, since before that it may be another cluster's.
 */
import { isPrimary, isUndeclared, type Postmaster } from "../../model/guard_view.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import type { PostgresUpkeep } from "./upkeep.ts";
import { atMost } from "./wait.ts";

const WAL_END_WAIT_MS = 10_000;

export interface AdoptionHooks {
  /** Writes the configuration in force, and has the server reload it. */
  readonly configure: () => Promise<unknown>;
  readonly takenOver: () => void;
}

export class Adoption {
  readonly #context: PostgresContext;
  readonly #monitor: PostgresMonitor;
  readonly #upkeep: PostgresUpkeep;
  readonly #hooks: AdoptionHooks;

  constructor(
    context: PostgresContext,
    monitor: PostgresMonitor,
    upkeep: PostgresUpkeep,
    hooks: AdoptionHooks,
  ) {
    this.#context = context;
    this.#monitor = monitor;
    this.#upkeep = upkeep;
    this.#hooks = hooks;
  }

  async appeared(server: Postmaster): Promise<void> {
    this.#say(`PostgreSQL runs already (pid ${server.pid})`);
    await this.#context.survey();
    await this.#monitor.refresh();
    if (!isUndeclared(server)) await this.#takeOver(server);
  }

  /** A standby's configuration is written when it follows its primary, which comes next. */
  async declared(server: Postmaster): Promise<void> {
    if (server.writable) await this.#hooks.configure();
    await this.#context.survey();
    await this.#takeOver(server);
  }

  /** The configuration of a server that was taken over may only be written now. */
  async mend(): Promise<void> {
    await this.#upkeep.mend();
    const { directory } = this.#context.parts.memory.found;
    if (directory.kind === "valid" && directory.unmanaged) await this.#context.survey();
  }

  async #takeOver(server: Postmaster): Promise<void> {
    const { memory, files } = this.#context.parts;
    this.#say(
      `taking over the supervision of PostgreSQL (pid ${server.pid}), a ${
        isPrimary(server) ? "primary" : "standby"
      }`,
    );
    if (!isPrimary(server)) {
      // Files without an upstream say nothing of a server that may not have read them: it has one until it is
      // cut off anew.
      const upstream = memory.following ?? files.following();
      if (upstream !== null) memory.following = upstream;
      await this.#raiseFloor();
    }
    if (memory.server?.pid !== server.pid) return;
    // The agent before may have died between the write of its files and the reload.
    if (files.isManaged()) await this.#context.reload();
    this.#hooks.takenOver();
    await this.#upkeep.findPendingRestart();
  }

  async #raiseFloor(): Promise<void> {
    await atMost(this.#context.parts.clock, WAL_END_WAIT_MS, this.#context.readWalEnd());
    await this.#monitor.refresh();
  }

  #say(text: string): void {
    this.#context.parts.log.info("adopted", text);
  }
}
