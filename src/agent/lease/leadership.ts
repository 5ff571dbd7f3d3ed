/**
 * The duties of a member while it leads the raft group: it confirms renewals, expires the lease, and carries
 * out the coordinator's decisions. All commands that end or grant an epoch are proposed in the own term only,
 * never forwarded.
 */
import type { Clock, MemberInfo, Raft } from "../../../raft/mod.ts";
import { presenceEvents } from "../../brain/cluster/presence.ts";
import { type ClusterDecision, coordinate } from "../../brain/cluster/coordinate.ts";
import { FRESH_MS, type SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { ClusterView } from "../../brain/cluster/view.ts";
import { checkTiming } from "../../lease/timing.ts";
import { MAX_NOTED } from "../../dcs/command_schema.ts";
import { type CommandBody, TYPED_EVENTS_SINCE } from "../../dcs/commands.ts";
import type { BrokenRules } from "../../dcs/broken_rules.ts";
import { Grantor } from "../../lease/grantor.ts";
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { NotedEvent } from "../../model/event.ts";
import type { Lsn } from "../../model/lsn.ts";
import { type DcsState, knownMember } from "../../model/records.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import { EventAllowance } from "./event_allowance.ts";
import { type Sighting, sightingOf } from "./holder_sightings.ts";
import { leftGroup } from "../peers/left_group.ts";
import type { Proposer } from "./proposer.ts";

/**
 * The asker of a switchover is told after 5 s, the timeout of a proposal, that its outcome is not known. A
 * raft group that was without a leader for less than this has answered nobody so.
 */
const ASKER_WAITS_MS = 3000;
/** Events that were refused are told again after this time. */
const TELL_AGAIN_MS = 1000;
/** A lease that is over is looked at again, and a refused command is proposed again, after this time. */
const AGAIN_MS = 50;
/** Leadership is handed off the primary's host at most this often. */
const TRANSFER_PAUSE_MS = 5000;

export interface LeadershipView {
  readonly dynamic: DynamicConfig;
  readonly statuses: readonly SeenStatus[];
  readonly witnesses: readonly WitnessNotice[];
  /** This node's own sighting of holders. */
  readonly sighting: Sighting;
  /** WAL position of the last primary that was heard, of whichever epoch. */
  readonly primaryLsn: Lsn | null;
  readonly wallMs: number;
}

export interface LeadershipOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly raft: Raft;
  readonly proposer: Proposer;
  readonly state: () => DcsState;
  readonly electionMaxMs: number;
  /** Raft id of a member by name; null: unknown. */
  readonly nodeOf: (name: string) => number | null;
  readonly decided: (decision: ClusterDecision, view: ClusterView) => void;
  readonly wake: () => void;
  readonly broken: BrokenRules;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #grantor: Grantor;
  /**
   * The epoch, free or held, that the fields below speak of; they start anew with each change of the lock.
   */
  #freeKey: string | null = null;
  #freeSinceMs = 0;
  #reachableAtFree: string[] = [];
  #lastTransferMs = -Infinity;
  /** When this node lost sight of a raft leader; null: it knows one; -Infinity: it never did. */
  #leaderlessSinceMs: number | null = -Infinity;
  /** Requests in the log up to here were given up by their askers, as far as is known. */
  #givenUpIndex = 0;
  #request: { readonly id: string; readonly sinceMs: number } | null = null;
  /**
   * The epoch that was granted under this leadership and has had no renewal yet: its holder never was a
   * primary.
   */
  #unrenewedEpoch: number | null = null;
  readonly #agentStartMs: number;
  /** When a member that fell silent, or is back, is told of again; Infinity: that is under way. */
  #tellAtMs = -Infinity;
  readonly #losses = new EventAllowance();
  /** When this node last decided, or found that it may not yet. */
  #decidedMs = -Infinity;
  /** Commands that were refused, with the time of the next try. */
  readonly #refused = new Map<string, number>();

  constructor(options: LeadershipOptions) {
    this.#options = options;
    this.#grantor = new Grantor(options.broken);
    this.#agentStartMs = options.clock.now();
  }

  /** Raft's role changed: `term` while this node leads it, null otherwise. */
  roleChanged(term: number | null): void {
    if (term === null) this.#grantor.follow();
    else if (!this.#grantor.leading) this.#unrenewedEpoch = null;
    if (term !== null) this.#grantor.lead(term, this.#options.clock.now());
    if (term === null) this.#freeKey = null;
    this.#decidedMs = -Infinity;
  }

  /** Told before roleChanged. */
  raftLeader(isKnown: boolean, isSelf: boolean): void {
    const { clock, raft } = this.#options;
    const sinceMs = this.#leaderlessSinceMs;
    if (!isKnown) this.#leaderlessSinceMs ??= clock.now();
    else this.#leaderlessSinceMs = null;
    if (!isSelf || sinceMs === null || clock.now() - sinceMs < ASKER_WAITS_MS) return;
    this.#givenUpIndex = raft.status().lastIndex;
  }

  /** The records changed; called at the apply, so that a grant starts its ttl then. */
  applied(): void {
    const state = this.#options.state();
    const before = this.#grantor.deadlineMs(state);
    this.#grantor.applied(state, this.#options.clock.now());
    if (this.#grantor.leading && state.lock.holder !== null && before !== this.#grantor.deadlineMs(state)) {
      this.#unrenewedEpoch = state.lock.epoch;
    }
  }

  /** A renewal arrived (also this node's own). `reply` is called when it is confirmed, or never. */
  renewal(renewal: Renewal, reply: (ack: RenewalAck) => void): void {
    const { clock, raft, state, broken } = this.#options;
    const pending = this.#grantor.receive(renewal, clock.now());
    if (pending === null) return;
    const confirm = () => {
      const ack = this.#grantor.confirm(pending, state(), clock.now());
      if (ack === null) return;
      if (this.#unrenewedEpoch === renewal.epoch) this.#unrenewedEpoch = null;
      reply(ack);
    };
    if (broken.has("no-readindex")) return confirm();
    // The round begins after t0 was noted: a node that answers confirms this node's term at a moment after
    // s.
    raft.read((outcome) => {
      if (outcome.kind === "confirmed" && outcome.term === pending.term) confirm();
    });
  }

  /** The loop was late: see Grantor.stalled. To be told before the next look. */
  stalled(lateMs: number): void {
    this.#grantor.stalled(this.#options.state(), lateMs, this.#options.clock.now());
  }

  /**
   * The moment at which the lease of the present holder runs out; Infinity: none, or this node does not
   * lead.
   */
  deadlineMs(): number {
    return this.#grantor.leading ? this.#grantor.deadlineMs(this.#options.state()) : Infinity;
  }

  /**
   * When to look next, if nothing happens; Infinity while this node does not lead. The end of a lease needs
   * one look. An expiry that is under way, or was refused, is looked after; an unfenced epoch ends by a
   * request alone, which wakes the loop. Without this a leader would look a thousand times a second for as
   * long as its disk is full, or the holder's agent is stopped in maintenance mode.
   */
  dueMs(): number {
    const deadlineMs = this.deadlineMs();
    if (deadlineMs > this.#decidedMs) return deadlineMs;
    return this.#options.state().lock.unfenced ? Infinity : this.#decidedMs + AGAIN_MS;
  }

  decide(view: LeadershipView): void {
    const { raft, clock, name, electionMaxMs } = this.#options;
    if (!this.#grantor.leading) return;
    const nowMs = clock.now();
    this.#decidedMs = nowMs;
    // Before an entry of this node's own term is applied, the records may be those of an older leader.
    if (!raft.leadsWithOwnTerm()) return;
    const known = this.#options.state();
    const dcs = asKnown(known, this.#options.broken);
    this.#noteFree(dcs, view.statuses, nowMs);
    this.#tellPresence(known, view, nowMs);
    const wantedMs = view.dynamic.ttlS * 1000;
    const cluster: ClusterView = {
      self: name,
      dcs,
      dynamic: view.dynamic,
      statuses: this.#options.broken.has("sync-data-forgotten")
        ? withOldData(view.statuses, dcs)
        : view.statuses,
      syncByName: this.#options.broken.has("sync-grant-by-name"),
      removed: leftGroup(view.statuses, raft.status().members, this.#options.nodeOf),
      wallMs: view.wallMs,
      expiryDue: this.#grantor.expiryDue(dcs, nowMs),
      leaseOver: this.#grantor.leaseOver(dcs, nowMs),
      nextTtl: checkTiming(wantedMs, electionMaxMs).length === 0
        ? this.#grantor.nextTtl(dcs, wantedMs, nowMs)
        : null,
      leadingForMs: nowMs - this.#grantor.leaderSinceMs,
      requestForMs: this.#requestForMs(dcs, nowMs),
      givenUpIndex: this.#givenUpIndex,
      reachableAtFree: this.#reachableAtFree,
      freeForMs: nowMs - this.#freeSinceMs,
      coldForMs: nowMs - this.#agentStartMs,
      ...this.#lastHolder(dcs, view),
    };
    const decision = coordinate(cluster);
    this.#options.decided(decision, cluster);
    for (const command of decision.commands) this.#propose(command);
    this.#dropGone(known);
    if (decision.transferTo !== null && nowMs - this.#lastTransferMs >= TRANSFER_PAUSE_MS) {
      this.#transfer(decision.transferTo, nowMs);
    }
  }

  /**
   * For people: why raft must not remove this member now; null: it may. The lock's holder stays a member, and
   * so does every member that a proposed grant may make the holder. Both orders are covered, because one
   * thread of this leader decides both: after a grant is proposed, its removal is refused here; after a
   * removal is in its log, `removed` keeps it from being granted the lock.
   */
  objectionTo({ id, addr }: MemberInfo): string | null {
    const { state, nodeOf } = this.#options;
    const { lock, members } = state();
    const names = this.#grantor.mayBeHolder(state());
    // By raft id: a machine under a new one may be at the address of the old one, which is a dead voter then.
    // For a member that an older version has recorded, the address counts as well.
    const found = names.find((name) => {
      const known = knownMember({ members }, name);
      const node = name === lock.holder && lock.life !== null ? lock.life.node : known?.life?.node;
      return node === undefined ? known?.raftAddr === addr || nodeOf(name) === id : node === id;
    });
    if (found === undefined) return null;
    const how = found === lock.holder ? "holds the leader lock" : "is being granted the leader lock";
    return `${found} ${how}: switch over to another member first (agent ctl switchover)`;
  }

  /**
   * Drops from the records the members that have left the raft group. The node that carries out a removal
   * drops the member, too. Only this rule drops a member that was replaced by one of another name: its slot
   * would keep WAL, and failsafe mode would wait for its answer. The removal stands before this command in
   * this leader's log, and a command that is valid in this term only cannot be applied without it.
   */
  #dropGone(dcs: DcsState): void {
    const { raft, nodeOf } = this.#options;
    const peers = raft.status().members;
    const held = this.#grantor.mayBeHolder(dcs);
    for (const { name, raftAddr } of Object.values(dcs.members)) {
      const node = nodeOf(name);
      if (held.includes(name) || peers.some(({ id, addr }) => addr === raftAddr || id === node)) continue;
      this.#propose({ op: "dropMember", name, raftAddr });
    }
  }

  /** For people: nothing rests on it, so it may fail. Told before the decisions, as they follow from it. */
  #tellPresence(dcs: DcsState, { statuses, wallMs }: LeadershipView, nowMs: number): void {
    const { name, raft, proposer, clock } = this.#options;
    if (nowMs < this.#tellAtMs || raft.status().agreedVersion < TYPED_EVENTS_SINCE) return;
    const found = presenceEvents({
      self: name,
      dcs,
      statuses,
      leadingForMs: nowMs - this.#grantor.leaderSinceMs,
      at: new Date(wallMs).toISOString(),
    });
    const events: NotedEvent[] = [];
    // Those that are not told leave room for others, and only those that are told are taken from the allowance.
    for (const event of found) {
      if (events.length < MAX_NOTED && this.#mayTell(event, nowMs)) events.push(event);
    }
    if (events.length === 0) return;
    this.#tellAtMs = Infinity;
    const body: CommandBody = { op: "addEvents", events };
    proposer.propose(body, (outcome) => {
      this.#tellAtMs = outcome.kind === "done" ? -Infinity : clock.now() + TELL_AGAIN_MS;
    }, raftTerm(raft));
  }

  /** A loss with an epoch is the holder's: it is why the lock passes on. */
  #mayTell({ kind, member, facts }: NotedEvent, nowMs: number): boolean {
    return kind !== "member-lost" || facts?.epoch !== undefined || this.#losses.take(member, nowMs);
  }

  #requestForMs({ failover }: DcsState, nowMs: number): number {
    const id = failover?.id ?? null;
    if (this.#request?.id !== id) this.#request = id === null ? null : { id, sinceMs: nowMs };
    return this.#request === null ? 0 : nowMs - this.#request.sinceMs;
  }

  #noteFree(dcs: DcsState, statuses: readonly SeenStatus[], nowMs: number): void {
    if (dcs.lock.holder !== null) {
      this.#freeKey = null;
      return;
    }
    const key = `${raftTerm(this.#options.raft)}:${dcs.lock.epoch}`;
    if (this.#freeKey === key) return;
    this.#freeKey = key;
    this.#freeSinceMs = nowMs;
    this.#reachableAtFree = statuses.filter((seen) => seen.ageMs < FRESH_MS).map((seen) => seen.status.name);
  }

  /**
   * Whether any node has seen the last holder alive since that node's own start, which excludes a cold start;
   * and how far the holder had written. An epoch that was granted here and never renewed had no primary: the
   * one before it counts.
   */
  #lastHolder(dcs: DcsState, { sighting, statuses, witnesses, primaryLsn }: LeadershipView) {
    const epoch = dcs.lock.epoch - (this.#unrenewedEpoch === dcs.lock.epoch ? 1 : 0);
    const { seen, lsn } = sightingOf(epoch, sighting, statuses, witnesses);
    return { warm: epoch === 0 || seen, primaryLsn: lsn ?? primaryLsn };
  }

  #propose(body: CommandBody): void {
    const { proposer, raft, clock, wake } = this.#options;
    const term = raftTerm(raft);
    const key = `${term} ${JSON.stringify(body)}`;
    if (clock.now() < (this.#refused.get(key) ?? -Infinity)) return;
    this.#refused.delete(key);
    if (body.op === "expire") this.#grantor.expiring(body.epoch);
    if (body.op === "grant") this.#grantor.granting(body.epoch, body.holder);
    proposer.propose(body, (outcome) => {
      // Only a refusal is certain; after "unknown" expire(e) may still take effect, so e stays unrenewable.
      const failed = outcome.kind === "refused" ||
        (outcome.kind === "unknown" && this.#options.broken.has("expiry-forgotten"));
      if (body.op === "expire" && failed) this.#grantor.expireFailed(body.epoch, term);
      if (body.op === "grant" && outcome.kind === "refused") {
        this.#grantor.grantFailed(body.epoch, body.holder, term);
      }
      if (outcome.kind === "refused") this.#noteRefused(key);
      wake();
    }, term);
  }

  #noteRefused(key: string): void {
    const nowMs = this.#options.clock.now();
    for (const [known, dueMs] of this.#refused) if (dueMs <= nowMs) this.#refused.delete(known);
    this.#refused.set(key, nowMs + AGAIN_MS);
  }

  #transfer(name: string, nowMs: number): void {
    const node = this.#options.nodeOf(name);
    if (node === null) return;
    this.#lastTransferMs = nowMs;
    this.#options.raft.transferLeadership(node, () => this.#options.wake());
  }
}

/** Simulator only: a leader that does not know of the failsafe set, or of all the votes that are needed. */
function asKnown(state: DcsState, broken: BrokenRules): DcsState {
  if (broken.has("failsafe-outsider")) return { ...state, failsafe: null };
  return broken.has("sync-one-vote") ? { ...state, sync: { ...state.sync, quorum: 0 } } : state;
}

/** Simulator only: members whose data was made anew still count as what they were. */
function withOldData(
  statuses: readonly SeenStatus[],
  { sync: { data = {} } }: DcsState,
): readonly SeenStatus[] {
  return statuses.map(({ status, ageMs }) => ({
    status: { ...status, dataToken: data[status.name] ?? status.dataToken },
    ageMs,
  }));
}

function raftTerm(raft: Raft): number {
  return raft.status().term;
}
