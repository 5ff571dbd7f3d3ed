/**
 * The invariant of a holder that cannot become a primary: it lets the lock go. A lock whose lease runs is not
 * held for longer than the bound without a primary, or a standby leader that runs, while the holder hears
 * another member that could lead. A server that hangs is not counted: its steps have limits of their own,
 * which grow.
 */
import type { World } from "../../raft/sim/mod.ts";
import { canTakeOver } from "../brain/cluster/candidate.ts";
import { FRESH_MS } from "../brain/cluster/successor_view.ts";
import { mayFollow } from "../brain/keep/may_follow.ts";
import { isInitialized } from "../model/records.ts";
import { FAILINGS } from "./faults/fault_kinds.ts";
import { Lasting } from "./lasting.ts";
import type { ModelServer } from "./model_server.ts";
import type { SimMember } from "./sim_member.ts";

/** The least time that a start has, and three tries with the pauses between them. */
const LEAST_START_MS = 10_000;
const TRIES_MS = 10_000;
/** A wait of failsafe mode, and the first renewal. */
const TTLS = 2;

export class HeldInVain {
  readonly #held: Lasting;

  constructor(world: World) {
    this.#held = new Lasting(world);
  }

  /** The longest time that a lock was held so. */
  get longestMs(): number {
    return this.#held.longestMs;
  }

  /** Called often, for every member. Throws a Violation. */
  look(member: SimMember): void {
    const rule = "a holder that cannot become a primary lets go";
    this.#held.limit(member, limitOf(member), rule, "held the lock without a primary");
  }
}

function hangs({ hangsAt }: ModelServer): boolean {
  return hangsAt !== null && !FAILINGS.some((failing) => failing === hangsAt);
}

/** null: it does not hold the lock in vain. */
function limitOf({ agent, member, dcs, host, server }: SimMember): number | null {
  if (!agent.alive || agent.isPaused || member === null || dcs === null) return null;
  if (server.writesUnderLock || hangs(server)) return null;
  if (server.process === "stopping" || server.process === "orphans" || server.frozen) return null;
  const { voter: { board, dynamic }, status } = member;
  if (status === null || dynamic.pause || !isInitialized(dcs.state)) return null;
  // A standby leader serves as long as it runs.
  if (dynamic.standbyCluster !== null && server.process === "running") return null;
  const nowMs = host.nowMs();
  if ((member.leaseUntilMs() ?? -Infinity) <= nowMs || dcs.state.lock.holder !== status.name) return null;
  const view = { dcs: dcs.state, dynamic, statuses: board.seen(nowMs) };
  const isAlone = !view.statuses.some(({ status: other, ageMs }) =>
    other.name !== status.name && ageMs < FRESH_MS && canTakeOver(other, view) &&
    mayFollow(other, view, false)
  );
  if (isAlone) return null;
  const startMs = Math.max(LEAST_START_MS, dynamic.primaryStartTimeoutS * 1000);
  return startMs + TRIES_MS + TTLS * dcs.state.waitTtlMs;
}
