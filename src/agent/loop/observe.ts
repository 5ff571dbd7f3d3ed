/**
 * Makes the view by which the brain decides for a node, from PostgreSQL, the guard, the records, and the
 * memory from one look to the next. Reads, and changes nothing.
 */
import { missesWal } from "../../brain/duties.ts";
import { isUndeclared, type NodeView, remoteUpstream } from "../../brain/keep/view.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { GuardView } from "../../model/guard_view.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";
import type { Upstream } from "../../model/upstream.ts";
import { ReceivedGrowth } from "./received_growth.ts";
import { VouchedEpoch } from "./vouched_epoch.ts";

/** The part of the view that is not remembered here. */
export interface Seen extends
  Omit<
    NodeView,
    | "nowMs"
    | "dcs"
    | "postgres"
    | "anyProcess"
    | "statuses"
    | "notStreamingForMs"
    | "receivedGrewMs"
    | "startingForMs"
    | "raftLostForMs"
    | "undeclaredForMs"
    | "primaryForMs"
    | "vouchedEpoch"
    | "walEpoch"
    | "roleMs"
    | "upstreamRewoundMs"
    | "lastRemote"
  > {
  readonly dcs: DcsState;
  readonly postgres: PostgresView;
  readonly guard: GuardView;
  readonly statuses: readonly SeenStatus[];
  /** Raft has a leader, as far as this node knows. */
  readonly raftLeads: boolean;
}

export class Observer {
  readonly vouched = new VouchedEpoch();
  readonly #received = new ReceivedGrowth();
  #lastStreamingMs: number;
  #lastRaftMs: number;
  #notStartingMs: number;
  #declaredMs: number;
  /** -Infinity: it has been a primary since this agent started. */
  #notPrimaryMs = -Infinity;
  #lastRemote: Upstream | null = null;
  #fences = 0;
  #lastExitPid: number | null = null;
  readonly #heardMs = new Map<string, number>();

  constructor(nowMs: number) {
    this.#lastStreamingMs =
      this.#lastRaftMs =
      this.#declaredMs =
      this.#notStartingMs =
        nowMs;
  }

  /** How often the guard has ended PostgreSQL by itself, since this agent was started. */
  get fences(): number {
    return this.#fences;
  }

  /** When each member was last heard, or when it was first known. As of the last view. */
  get heardMs(): ReadonlyMap<string, number> {
    return this.#heardMs;
  }

  view({ guard, raftLeads, ...seen }: Seen, nowMs: number): NodeView {
    const { postgres, dcs, statuses, name } = seen;
    this.#lastRemote = remoteUpstream(seen) ?? this.#lastRemote;
    if (!missesWal(seen)) this.#lastStreamingMs = nowMs;
    if (raftLeads) this.#lastRaftMs = nowMs;
    if (postgres.process !== "starting") this.#notStartingMs = nowMs;
    const isPrimary = postgres.process === "running" && postgres.writable && postgres.inRecovery === false;
    if (!isPrimary && postgres.inRecovery !== null) this.#notPrimaryMs = nowMs;
    this.#noteHeard(dcs, statuses, nowMs);
    if (!isUndeclared({ postgres }) || postgres.inRecovery !== null) this.#declaredMs = nowMs;
    const exit = guard.lastExit;
    if (exit !== null && exit.pid !== this.#lastExitPid) {
      this.#lastExitPid = exit.pid;
      if (exit.fenced) this.#fences++;
    }
    return {
      ...seen,
      nowMs,
      anyProcess: guard.anyProcess,
      notStreamingForMs: nowMs - this.#lastStreamingMs,
      receivedGrewMs: this.#received.look(name, statuses, nowMs),
      primaryForMs: nowMs - this.#notPrimaryMs,
      vouchedEpoch: this.vouched.look(seen, nowMs),
      walEpoch: this.vouched.walEpoch,
      roleMs: this.vouched.roleMs,
      upstreamRewoundMs: this.vouched.upstreamRewoundMs,
      lastRemote: this.#lastRemote,
      startingForMs: nowMs - this.#notStartingMs,
      raftLostForMs: nowMs - this.#lastRaftMs,
      undeclaredForMs: nowMs - this.#declaredMs,
    };
  }

  #noteHeard({ members }: DcsState, statuses: readonly SeenStatus[], nowMs: number): void {
    for (const name of this.#heardMs.keys()) if (!Object.hasOwn(members, name)) this.#heardMs.delete(name);
    for (const name of Object.keys(members)) {
      const seen = statuses.find(({ status }) => status.name === name);
      const known = this.#heardMs.get(name) ?? nowMs;
      this.#heardMs.set(name, seen === undefined ? known : nowMs - seen.ageMs);
    }
  }
}
