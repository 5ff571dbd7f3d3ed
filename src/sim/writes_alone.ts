/**
 * The invariants of a standby that is promoted past its agent (pg_promote(), pg_ctl promote, a trigger file).
 * No lease bounds its writes, so it may write beside the holder of the lock, but:
 *
 * - not for long where its agent knows better: outside maintenance mode, while another member holds the lock
 *   and is heard.
 * - it is granted the lock only if no other member that is heard and may be chosen has acknowledged data of
 *   the last holder that it lacks. An operator may name it for a failover all the same. One that was promoted
 *   a moment ago may be chosen as the standby that it was: its agent has not looked at it since.
 */
import { Violation, type World } from "../../raft/sim/mod.ts";
import { ineligible, lagsTooFar, namesCandidate } from "../brain/cluster/candidate.ts";
import { FRESH_MS } from "../brain/cluster/successor_view.ts";
import type { Command } from "../dcs/commands.ts";
import { isSameLife } from "../model/life.ts";
import { knownMember, type LockRecord } from "../model/records.ts";
import { Lasting } from "./lasting.ts";
import type { Safety } from "./safety.ts";
import type { SimMember } from "./sim_member.ts";
import { commonAncestor, lostBytes, type Position } from "./wal.ts";

/** A look at the server, the kill, and the timers' lateness. */
const ENDED_WITHIN_MS = 1500;
/** A look at the server, every half second, and the word of it on its way. */
const KNOWN_WITHIN_MS = 700;
/** A member that is heard, and has not reported for the free lock yet, is waited for so long. */
const REPORTED_WITHIN_MS = 5000;

export class WritesAlone {
  /** How often one was granted the lock. */
  chosen = 0;
  readonly #writing: Lasting;
  readonly #promoted: Lasting;
  /** The flaw of a proposed grant. The grant may come too late, and be refused. */
  readonly #bad = new Map<string, string>();
  #free: { readonly epoch: number; readonly sinceMs: number } | null = null;
  readonly #world: World;
  readonly #safety: Safety;

  constructor(world: World, safety: Safety) {
    this.#world = world;
    this.#safety = safety;
    this.#writing = new Lasting(world);
    this.#promoted = new Lasting(world);
  }

  /** The longest time that such a standby has written beside a holder that its agent heard. */
  get longestMs(): number {
    return this.#writing.longestMs;
  }

  /** Called often, for every member. Throws a Violation. */
  look(member: SimMember): void {
    this.#promoted.look(member, member.server.writesAlone);
    const limitMs = member.server.writesAlone && knowsBetter(member) ? ENDED_WITHIN_MS : null;
    this.#writing.limit(
      member,
      limitMs,
      "a standby that was promoted by hand is ended",
      "written beside the holder",
    );
  }

  /** The lock as a member comes to know it. Throws a Violation. */
  onRecords({ holder, epoch, reason }: LockRecord): void {
    const bad = holder === null ? undefined : this.#bad.get(grantKey(epoch, holder, reason));
    if (bad !== undefined) throw new Violation("a standby that was promoted by hand comes last", bad);
    if (holder !== null || (this.#free !== null && epoch <= this.#free.epoch)) return;
    this.#free = { epoch, sinceMs: this.#world.now() };
  }

  /** `leader` proposes to grant the lock. */
  onGrant(
    leader: SimMember,
    { epoch, holder, reason }: Pick<Command & { op: "grant" }, "epoch" | "holder" | "reason">,
    members: readonly SimMember[],
  ): void {
    const chosen = members.find(({ name }) => name === holder);
    const end = this.#safety.lastEnd;
    if (!chosen?.server.writesAlone || end === null || isNamed(leader, holder)) return;
    if (this.#promoted.look(chosen, true) < KNOWN_WITHIN_MS) return;
    this.chosen++;
    for (const other of members) {
      if (other === chosen || !this.#canBeChosen(other, leader)) continue;
      const lost = lostBetween(end, other, chosen);
      if (lost === 0) continue;
      this.#bad.set(
        grantKey(epoch, holder, reason),
        `${holder} is granted the lock, and lacks ${lost} acknowledged bytes that ${other.name} has`,
      );
    }
  }

  #canBeChosen(other: SimMember, leader: SimMember): boolean {
    const { voter } = (leader.member ?? leader.witness)!;
    const dcs = leader.dcs!.state;
    const seen = voter.board.seen(leader.host.nowMs()).find(({ status }) => status.name === other.name);
    if (seen === undefined || seen.ageMs >= FRESH_MS || other.server.writesAlone) return false;
    if (!leader.raft!.status().members.some(({ id }) => id === other.id)) return false;
    const { status } = seen;
    const { dynamic, board: { primaryLsn } } = voter;
    if (ineligible(status, { dcs, dynamic }) !== null || lagsTooFar(status, { dynamic, primaryLsn })) {
      return false;
    }
    const hasReported = status.epochSeen === dcs.lock.epoch && status.lockFreeSeen;
    return hasReported || this.#world.now() - (this.#free?.sinceMs ?? 0) < REPORTED_WITHIN_MS;
  }
}

function grantKey(epoch: number, holder: string, reason: string): string {
  return `${epoch} ${holder} ${reason}`;
}

/** Its agent runs, has joined, is not in maintenance mode, and hears another member that holds the lock. */
function knowsBetter({ agent, member, dcs, host }: SimMember): boolean {
  if (!agent.alive || agent.isPaused || member === null || dcs === null) return false;
  const { lock } = dcs.state;
  const { voter: { board, dynamic }, status } = member;
  if (status === null || dynamic.pause || lock.holder === status.name) return false;
  // Before its record of this start is applied, an agent begins and ends nothing by the others' records.
  if (!member.isJoined) return false;
  if (!isSameLife(knownMember(dcs.state, status.name)?.life, member.life())) return false;
  return board.seen(host.nowMs()).some(({ status: { name }, ageMs }) =>
    name === lock.holder && ageMs < FRESH_MS
  );
}

/** An operator has named it for a failover. */
function isNamed({ dcs }: SimMember, candidate: string): boolean {
  const request = dcs?.state.failover ?? null;
  return request !== null && request.accepted && request.candidate === candidate && namesCandidate(request);
}

/** Acknowledged bytes up to `end` that `other` has and `chosen` lacks. */
function lostBetween(end: Position, other: SimMember, chosen: SimMember): number {
  const has = other.server.directory.position;
  const kept = has === null ? null : commonAncestor(end, has);
  return kept === null ? 0 : lostBytes(kept, chosen.server.directory.position!);
}
