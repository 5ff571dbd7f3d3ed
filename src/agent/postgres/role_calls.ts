/**
 * Which callback the life of a server calls, and with which role, as Patroni does. A change of role takes the
 * place of a start or restart. `demoted`: a former primary that has no server, or whose server is past its
 * shutdown checkpoint, and whose lock was given back.
 */
import { type GuardView, isPrimary, type Postmaster } from "../../model/guard_view.ts";
import type { Upstream } from "../../model/upstream.ts";
import type { CallbackEvent, CallbackFacts, CallbackRole, Callbacks } from "../../postgres/callbacks.ts";
import { standbyRole } from "./context.ts";

type StandbyRole = ReturnType<typeof standbyRole>;

export interface RoleCallsParts {
  readonly callbacks: Pick<Callbacks, "call">;
  readonly name: string;
  readonly guard: () => GuardView;
  /** The last server that was seen. */
  readonly known: () => Postmaster | null;
  readonly timeline: () => number | null;
  readonly following: () => Upstream | null;
}

export class RoleCalls {
  readonly #parts: RoleCallsParts;
  /** The role that was said last; null: nothing was said. */
  #told: CallbackRole | null = null;
  /** The lock of the server that runs, or ran last, was given back. */
  #released = false;
  /** The end of the server was said. */
  #stopped = false;

  constructor(parts: RoleCallsParts) {
    this.#parts = parts;
  }

  /** A server runs: a new one, one that was restarted, or one that was found. */
  started(event: "on_start" | "on_restart"): void {
    this.#released = this.#stopped = false;
    const role = this.#role();
    this.#call(this.#told !== null && this.#told !== role ? "on_role_change" : event, role);
  }

  /** First contact with a server that was not started for this agent. */
  found(): void {
    this.#released = this.#stopped = false;
    this.#call("on_start", this.#role());
  }

  promoted(): void {
    this.#released = this.#stopped = false;
    this.#call("on_role_change", "primary");
  }

  reloaded(): void {
    this.#call("on_reload", this.#role());
  }

  /** The agent, or its guard, has stopped this server. */
  stopped(server: Postmaster): void {
    if (this.#told === null) return;
    this.#stopped = true;
    this.#call("on_stop", isPrimary(server) && this.#released ? "demoted" : this.#role(server));
  }

  /** The lock is given back. */
  released(): void {
    this.#released = true;
    if (this.#parts.guard().postmaster === null) this.ended();
  }

  /** A server has ended by itself, and nothing was said of its end: with the lock goes its role. */
  ended(): void {
    if (this.#told === "primary" && this.#released && !this.#stopped) {
      this.#call("on_role_change", "demoted");
    }
  }

  /** A standby follows another server. True: its role is another one. */
  followed(): boolean {
    const role = this.#role();
    if (this.#told === null || this.#told === role) return false;
    this.#call("on_role_change", role);
    return true;
  }

  #role(server = this.#parts.guard().postmaster ?? this.#parts.known()): "primary" | StandbyRole {
    return server !== null && isPrimary(server) ? "primary" : standbyRole(this.#parts.following());
  }

  #call(event: CallbackEvent, role: CallbackRole): void {
    const { callbacks, name, timeline, following } = this.#parts;
    const leads = role === "primary" || role === "standby_leader";
    const leader = leads ? name : following()?.name ?? null;
    const facts: CallbackFacts = { oldRole: this.#told, timeline: timeline(), leader };
    callbacks.call(event, role, facts);
    this.#told = role;
  }
}
