/**
 * Failsafe mode: a lease without raft. The holder P of epoch e that cannot renew asks every other member of
 * the set logged under e; if all accept, its lease counts from the send s of the questions. Pure; the
 * questions themselves are sent by src/agent/lease/failsafe.ts.
 *
 * Invariant: a member that may write under a later epoch begins only after P's PostgreSQL cannot acknowledge
 * any more. While a set is in the records,
 * - only its members may be granted an epoch, e + 1 or any later one (state_machine.ts), and only at the
 *   addresses and with the raft ids that are asked: e + 1 may come to nothing, and P's lease outlive it; a
 *   name, and an address with it, may come to belong to another host, which never accepted anything;
 * - each of them accepted at x >= s, and writes under no other epoch before x + wait_ttl, nor within wait_ttl
 *   of the start of its agent, which has forgotten its x. P is stopped by s + L/(1-rho) + J + K, which is not
 *   later by I1;
 * - wait_ttl is not lowered, so whatever ttl P counted on, each one that waits waits as long.
 * P extends only a lease that still runs: so no member writes under a later epoch at that moment, and every
 * member that may do so later is bound by its answer. No majority, and no knowledge that the members' records
 * are fresh, is needed for that.
 *
 * The set goes, or is replaced, only when no such lease can run beyond what raft leaders know:
 * - by release(e), as P's PostgreSQL is proven stopped;
 * - by P itself, when its lease stands on a renewal that was sent after the last extension; and from the
 *   proposal on P asks as if it had taken effect and as if it had not (`FailsafeSets.toAsk`);
 * - by a later holder, once it writes: then its own wait is over, and with it P's lease;
 * - by any other member M of the set, once e is over and M's wait is: P's lease by raft has expired then, and
 *   one by failsafe mode has run out, as each extension needs M's acceptance, the last of which was wait_ttl
 *   ago (M's agent may have forgotten one from before its start, so wait_ttl since that, too). P never
 *   extends a lease that has run out. Without this rule no member could take over where the members of the
 *   set have lost their raft directories, or are not eligible.
 */
import type { Life } from "../model/life.ts";
import type { DcsState, FailsafeRecord } from "../model/records.ts";
import type { CommandBody } from "../dcs/commands.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import { longestWaitMs } from "./renewal.ts";

/** The members to ask: api_url and raft id by name. */
export interface FailsafeMembers {
  readonly [name: string]: { readonly apiUrl: string; readonly node: number };
}
export type SetFailsafe = CommandBody & { readonly op: "setFailsafe" };

/** The holder's side: which sets may be in force, as far as this start of the agent can know. */
export class FailsafeSets {
  #epoch = 0;
  /** Revision of the last set that this start of the agent is known to have logged under this epoch. */
  #loggedRevision: number | null = null;
  #underWay: SetFailsafe | null = null;
  /** Proposed by this start of the agent, and not known to have failed. */
  #possible: SetFailsafe[] = [];

  /**
   * The command to propose so that the records say `wanted` (null: no set); null: nothing now. A set that
   * says the same already is logged anew by each start of the agent: a command that an earlier start may
   * still have under way is void from then on, as it names an older revision.
   */
  propose(
    epoch: number,
    life: Life,
    wanted: FailsafeMembers | null,
    { failsafe }: DcsState,
  ): SetFailsafe | null {
    this.#begin(epoch);
    if (this.#underWay !== null) return null;
    const said = wanted === null
      ? failsafe === null
      : this.#isOurs(failsafe) && sameMembers(membersOf(failsafe), wanted);
    if (said) return null;
    const expectRevision = failsafe?.revision ?? null;
    const entries = Object.entries(wanted ?? {});
    const command: SetFailsafe = {
      op: "setFailsafe",
      epoch,
      life,
      members: wanted === null
        ? null
        : Object.fromEntries(entries.map(([name, { apiUrl }]) => [name, apiUrl])),
      nodes: Object.fromEntries(entries.map(([name, { node }]) => [name, node])),
      expectRevision,
    };
    this.#underWay = command;
    this.#possible = this.#possible.filter((each) => each.expectRevision === expectRevision);
    // An equal command with an unknown outcome stays, and counts for both: it may still be logged when this
    // one is refused for certain.
    if (!this.#possible.some((each) => sameMembers(membersOf(each), wanted))) this.#possible.push(command);
    return command;
  }

  /** `revision`: logged as this; "refused": for certain not logged; "unknown": it may be logged yet. */
  outcome(command: SetFailsafe, outcome: { readonly revision: number } | "refused" | "unknown"): void {
    if (this.#underWay === command) this.#underWay = null;
    if (outcome === "unknown" || command.epoch !== this.#epoch) return;
    this.#possible = this.#possible.filter((each) => each !== command);
    if (outcome !== "refused") this.#loggedRevision = outcome.revision;
  }

  /**
   * Every other member that could be granted the next epoch, whichever of this member's proposals have taken
   * effect. null: failsafe mode cannot be used: no set of this member is logged, its removal may be under
   * way, or it has no other member.
   */
  toAsk(epoch: number, self: string, { failsafe }: DcsState): FailsafeMembers | null {
    if (epoch !== this.#epoch || !this.#isOurs(failsafe)) return null;
    const asked = new Map(Object.entries(membersOf(failsafe)!));
    for (const possible of this.#possible) {
      if (possible.expectRevision !== failsafe.revision) continue;
      const members = membersOf(possible);
      if (members === null) return null;
      for (const [name, member] of Object.entries(members)) {
        // Either of them may be granted the next epoch, and a question reaches one.
        const other = asked.get(name);
        if (other !== undefined && !isSameMember(other, member)) return null;
        asked.set(name, member);
      }
    }
    asked.delete(self);
    return asked.size === 0 ? null : Object.fromEntries(asked);
  }

  #isOurs(failsafe: FailsafeRecord | null): failsafe is FailsafeRecord {
    return failsafe !== null && failsafe.epoch === this.#epoch && failsafe.revision === this.#loggedRevision;
  }

  #begin(epoch: number): void {
    if (this.#epoch === epoch) return;
    this.#epoch = epoch;
    this.#loggedRevision = null;
    this.#underWay = null;
    this.#possible = [];
  }
}

/** The members as recorded, or proposed; null: no set. */
function membersOf(
  { members, nodes }: { members: FailsafeRecord["members"] | null; nodes?: FailsafeRecord["nodes"] },
): FailsafeMembers | null {
  if (members === null) return null;
  return Object.fromEntries(
    // No member has the raft id 0: members of an older version's set do not accept.
    Object.entries(members).map(([name, apiUrl]) => [name, { apiUrl, node: nodes?.[name] ?? 0 }]),
  );
}

function isSameMember(a: FailsafeMembers[string], b: FailsafeMembers[string] | undefined): boolean {
  return a.apiUrl === b?.apiUrl && a.node === b.node;
}

function sameMembers(a: FailsafeMembers | null, b: FailsafeMembers | null): boolean {
  if (a === null || b === null) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSameMember(a[name]!, b[name]));
}

/** The holder's question to a member of its set. */
export interface FailsafeQuestion {
  readonly holder: string;
  readonly epoch: number;
  /** The addressed member, and its raft id: another one may answer at an old address, under the old name. */
  readonly to: string;
  readonly node: number;
}

/** The asked member's knowledge of itself. */
export interface AcceptorView {
  readonly name: string;
  /** Its raft id. */
  readonly node: number;
  readonly state: DcsState;
  /** Its PostgreSQL may acknowledge writes, or it holds the lock. */
  readonly leads: boolean;
  /** The highest epoch that its guard was ever armed with or told the end of; null: no guard answers. */
  readonly guardEpoch: number | null;
}

export type FailsafeAnswer =
  | { readonly kind: "accepted" }
  | { readonly kind: "running-as-leader" }
  | { readonly kind: "refused"; readonly reason: string };

/** The asked member's side: its promises. */
export class FailsafePromise {
  readonly #agentStartMs: number;
  readonly #broken: BrokenRules;
  #acceptedMs: number | null = null;

  constructor(agentStartMs: number, broken: BrokenRules) {
    this.#agentStartMs = agentStartMs;
    this.#broken = broken;
  }

  /** x of the last acceptance in this start of the agent; null: none. */
  get acceptedMs(): number | null {
    return this.#acceptedMs;
  }

  /**
   * Accepting is always safe, as it only makes this member wait; refusing as well. It is refused where it
   * would be pointless.
   */
  answer(question: FailsafeQuestion, view: AcceptorView, nowMs: number): FailsafeAnswer {
    const { epoch, holder, to, node } = question;
    const { lock, failsafe } = view.state;
    const refused = (reason: string): FailsafeAnswer => ({ kind: "refused", reason });
    if (to !== view.name) return refused(`this is ${view.name}, not ${to}`);
    // An acceptance binds the member that gave it, not the machine that has its name now.
    if (node !== view.node && !this.#broken.has("failsafe-lapsed")) {
      return refused(`this is another machine of the name ${to} (raft id ${view.node}, not ${node})`);
    }
    if (this.#broken.has("failsafe-lapsed")) {
      this.#acceptedMs = nowMs;
      return { kind: "accepted" };
    }
    if (view.leads) return { kind: "running-as-leader" };
    if (view.guardEpoch === null) return refused("no guard answers here");
    const newest = Math.max(lock.epoch, view.guardEpoch);
    if (newest > epoch) return refused(`epoch ${epoch} is over: ${newest} is known here`);
    // This member's records may be older than the holder's, but their statement about this very epoch is
    // final.
    if (lock.epoch === epoch && lock.holder !== holder) {
      return refused(`${holder} does not hold epoch ${epoch} any more`);
    }
    if (failsafe?.epoch === epoch && !Object.hasOwn(failsafe.members, view.name)) {
      return refused(`${view.name} is not in the failsafe set of epoch ${epoch}`);
    }
    this.#acceptedMs = nowMs;
    return { kind: "accepted" };
  }

  /**
   * Until when this member must not begin to write under the epoch that the records give it; -Infinity: it
   * need not wait. To be asked at the moment of the promotion or the start: records that give this member
   * the lock say as well whether the holder of a set may still be writing, and they know wait_ttl as of that
   * set or later.
   */
  waitUntilMs(self: string, state: DcsState): number {
    const { failsafe } = state;
    if (failsafe === null || failsafe.holder === self) return -Infinity;
    const startMs = this.#broken.has("failsafe-no-start-wait") ? -Infinity : this.#agentStartMs;
    const acceptedMs = this.#broken.has("failsafe-forgotten") ? -Infinity : this.#acceptedMs ?? -Infinity;
    return Math.max(startMs, acceptedMs) + longestWaitMs(state);
  }
}
