/**
 * `postgresql.connect_address` of a reload that also changed `listen`: published when PostgreSQL was started
 * again.
 */
import type { ReloadPlan } from "../../config/reload.ts";

export class PublishedAddress {
  /** `pid`: the postmaster that listens as before, null where none ran. */
  #pending: { readonly pid: number | null; readonly address: string | null } | null = null;

  /** A reload has changed `listen`, and PostgreSQL has not been started since. */
  get isPending(): boolean {
    return this.#pending !== null;
  }

  /** `pid`: of the postmaster at present. */
  reloaded(plan: ReloadPlan, pid: number | null): void {
    if (this.#pending === null && plan.keys["PostgreSQL restart"].length === 0) return;
    const since = this.#pending === null ? pid : this.#pending.pid;
    this.#pending = { pid: since, address: plan.publishLater };
  }

  /** The address to publish from now on; null: nothing changes. */
  due(pid: number | null): string | null {
    if (this.#pending === null || pid === null || pid === this.#pending.pid) return null;
    const { address } = this.#pending;
    this.#pending = null;
    return address;
  }
}
