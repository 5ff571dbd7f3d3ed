/**
 * The invariant of a sick holder: it hands over to a member that is better off. A primary with an ailment
 * that asks for it does not keep the lock for longer than the bound, while it hears a member that streams
 * from it, does not lag, and has looked and found nothing of the kind.
 */
import type { World } from "../../raft/sim/mod.ts";
import { canTakeOver, lagsTooFar } from "../brain/cluster/candidate.ts";
import { FRESH_MS } from "../brain/cluster/successor_view.ts";
import { isBetterOff, toHandOver } from "../brain/health/remedy.ts";
import { mayFollow } from "../brain/keep/may_follow.ts";
import { LEAST_HELD_MS } from "../brain/keep/sick.ts";
import type { Member } from "../agent/loop/member.ts";
import { Lasting } from "./lasting.ts";
import type { SimMember } from "./sim_member.ts";

/** A look at the latest, and an agent that is late. */
const MARGIN_MS = 5000;

export class HeldSick {
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
    const limitMs = shouldHandOver(member) ? LEAST_HELD_MS + MARGIN_MS : null;
    this.#held.limit(
      member,
      limitMs,
      "a sick holder hands over to a member that is better off",
      "held the lock",
    );
  }
}

function shouldHandOver({ agent, ailments, member, dcs, host, server }: SimMember): boolean {
  if (!agent.alive || agent.isPaused || member === null || dcs === null) return false;
  if (!server.writesUnderLock || server.hangsAt !== null || server.process === "stopping") return false;
  const { status, dynamic } = member;
  // A request, and an action under way, go first.
  if (status === null || dynamic.pause || dynamic.standbyCluster !== null || dcs.state.failover !== null) {
    return false;
  }
  const nowMs = host.nowMs();
  if ((member.leaseUntilMs() ?? -Infinity) <= nowMs || dcs.state.lock.holder !== status.name) return false;
  const found = toHandOver(ailments.on(host), nowMs, dynamic.healthIntervalS);
  return found !== null && hearsBetterOff(member, found, nowMs, dcs.state);
}

function hearsBetterOff(
  { status: own, voter: { board, dynamic } }: Member,
  { ailment, remedy }: NonNullable<ReturnType<typeof toHandOver>>,
  nowMs: number,
  dcs: NonNullable<SimMember["dcs"]>["state"],
): boolean {
  const statuses = board.seen(nowMs);
  return statuses.some(({ status, ageMs }) =>
    status.name !== own!.name && ageMs < FRESH_MS && isBetterOff(status, ailment, nowMs) &&
    status.replicationState === "streaming" && status.following === own!.name &&
    canTakeOver(status, { dcs, dynamic }) && !lagsTooFar(status, { dynamic, primaryLsn: own!.walLsn }) &&
    mayFollow(status, { dcs, statuses }, remedy.checkpoint)
  );
}
