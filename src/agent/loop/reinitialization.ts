/**
 * An operator's reinitialize, from the request to its end: the old directory is out of the way, a new copy is
 * there, and PostgreSQL runs on it. The answer "started" says nothing of that, so the outcome is kept and
 * shown.
 */
import type { PostgresView } from "../../model/postgres_view.ts";
import type { ReinitializeStatus } from "../../model/reinitialize_status.ts";

export class Reinitialization {
  /** When one was asked for last. */
  #askedMs = 0;
  #fromLeader = false;
  /** The old directory is still to go. */
  #wanted: { readonly fromLeader: boolean } | null = null;
  #status: ReinitializeStatus | null = null;

  /** null: nothing was asked since this agent was started. */
  get status(): ReinitializeStatus | null {
    return this.#status;
  }

  get askedMs(): number {
    return this.#askedMs;
  }

  get wanted(): { readonly fromLeader: boolean } | null {
    return this.#wanted;
  }

  /** Under way; null: none is. */
  get running(): { readonly fromLeader: boolean } | null {
    return this.#status?.state === "running" ? { fromLeader: this.#fromLeader } : null;
  }

  ask(fromLeader: boolean, nowMs: number): void {
    this.#askedMs = nowMs;
    this.#wanted = { fromLeader };
    this.#fromLeader = fromLeader;
    this.#status = { state: "running", detail: "asked for" };
  }

  /** Before each decision. */
  look(postgres: PostgresView): void {
    if (this.#status?.state !== "running") return;
    this.#status = this.#wanted === null ? this.#copying(postgres) : this.#clearing(postgres);
    if (this.#status.state !== "running") this.#wanted = null;
  }

  #clearing(postgres: PostgresView): ReinitializeStatus {
    const { directory, process, last } = postgres;
    const aside = last["set-aside"];
    if (aside !== undefined && !aside.ok && aside.atMs >= this.#askedMs) {
      return { state: "failed", detail: aside.detail };
    }
    if (directory.kind === "foreign") return { state: "failed", detail: directory.reason };
    if (process !== "none") return { state: "running", detail: "stopping PostgreSQL" };
    if (directory.kind === "valid") return { state: "running", detail: "moving the data directory aside" };
    this.#wanted = null;
    return this.#copying(postgres);
  }

  #copying({ action, last, process }: PostgresView): ReinitializeStatus {
    const copied = last.clone !== undefined && last.clone.atMs >= this.#askedMs ? last.clone : null;
    if (action?.kind === "clone") return { state: "running", detail: `copying ${action.detail}` };
    if (copied?.ok === false) {
      return { state: "running", detail: `copying failed, trying again soon: ${copied.detail}` };
    }
    if (copied === null) return { state: "running", detail: "waiting for a primary to copy from" };
    if (process === "running") return { state: "done", detail: "" };
    const started = last.start !== undefined && last.start.atMs >= copied.atMs ? last.start : null;
    const why = started?.ok === false ? `, which failed: ${started.detail}` : "";
    return { state: "running", detail: `starting PostgreSQL${why}` };
  }
}
