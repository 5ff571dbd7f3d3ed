/**
 * The cluster's records as a replicated state machine. Deterministic: no clock, no randomness; the same commands in
 * the same order give the same state on every member. Owns this invariant: the lock passes from one holder to
 * another only through release(e) or expire(e), and each grant has a new, higher epoch (design.md 4.2).
 */
import type { ClusterEvent, DcsState, LockRecord } from "../model/records.ts";
import { type Command, type CommandResult, decodeCommand } from "./commands.ts";
import { mayNotSucceed } from "./failsafe.ts";
import { type BrokenRules, NOTHING_BROKEN } from "./lease.ts";

/** Why setMember was refused, for whoever then asks the member of that name whether it lives. */
export const NAME_TAKEN = "a member of this name has other addresses";
const MAX_EVENTS = 100;
const MAX_RESULTS = 20;
export const DEFAULT_TTL_MS = 5000;

export const EMPTY_LOCK: LockRecord = {
  epoch: 0,
  holder: null,
  reason: "never granted",
  lastHolder: null,
  ended: null,
  cleanStart: true,
  unfenced: false,
};

export function emptyState(): DcsState {
  return {
    revision: 0,
    clusterEpoch: 0,
    initialize: null,
    config: null,
    lock: EMPTY_LOCK,
    failover: null,
    failoverResults: [],
    sync: { leader: null, syncStandby: [], quorum: 0, revision: 0 },
    history: [],
    failsafe: null,
    members: {},
    grantTtlMs: DEFAULT_TTL_MS,
    waitTtlMs: DEFAULT_TTL_MS,
    events: [],
  };
}

/** What a command does to the state: the changed records and a line for the event log, or why it does nothing. */
type Outcome = { readonly change: Partial<DcsState>; readonly event?: string } | { readonly refuse: string };

/** Refuses unless the expectation holds; each case names what it compared. */
function evaluate(state: DcsState, command: Command, index: number, broken: BrokenRules): Outcome {
  const { lock, initialize, failover, failsafe } = state;
  switch (command.op) {
    case "claimInitialize":
      if (initialize !== null) return { refuse: `already claimed by ${initialize.by}` };
      return {
        change: { initialize: { systemId: "", by: command.by, incarnation: command.incarnation } },
        event: `${command.by} bootstraps a new cluster`,
      };
    case "completeInitialize":
      if (
        initialize?.systemId !== "" || initialize.by !== command.by ||
        initialize.incarnation !== command.incarnation
      ) {
        return { refuse: "this bootstrap is not in progress" };
      }
      return {
        change: { initialize: { ...initialize, systemId: command.systemId } },
        event: `cluster initialized, system identifier ${command.systemId}`,
      };
    case "clearInitialize":
      if (
        initialize?.systemId !== "" || initialize.by !== command.of ||
        initialize.incarnation !== command.incarnation
      ) {
        return { refuse: "this bootstrap is not in progress" };
      }
      return { change: { initialize: null }, event: `bootstrap by ${command.of} given up` };
    case "setConfig":
      if ((state.config?.revision ?? null) !== command.expectRevision) {
        return { refuse: "configuration has changed" };
      }
      return {
        change: { config: { value: command.value, revision: index } },
        event: "configuration changed",
      };
    case "grant":
      if (lock.holder !== null) return { refuse: `held by ${lock.holder}` };
      if (command.epoch !== lock.epoch + 1) {
        return { refuse: `epoch ${command.epoch} does not follow ${lock.epoch}` };
      }
      if (mayNotSucceed(state, command.holder) && !broken.has("failsafe-outsider")) {
        return { refuse: `${command.holder} is not in the failsafe set of epoch ${failsafe!.epoch}` };
      }
      return {
        change: {
          lock: {
            epoch: command.epoch,
            holder: command.holder,
            reason: command.reason,
            lastHolder: command.holder,
            ended: null,
            cleanStart: command.complete,
            unfenced: false,
          },
        },
        event: `lock granted to ${command.holder}, epoch ${command.epoch}: ${command.reason}`,
      };
    case "expire":
      if (lock.holder === null || lock.epoch !== command.epoch) {
        return { refuse: `epoch ${command.epoch} is not held` };
      }
      if (lock.unfenced && !command.forced) return { refuse: `epoch ${command.epoch} is unfenced` };
      return endEpoch(lock, "expired", null, null, command.reason);
    case "release":
      if (lock.holder !== command.by || lock.epoch !== command.epoch) {
        return { refuse: `epoch ${command.epoch} is not held` };
      }
      return endEpoch(
        lock,
        "released",
        command.lsn,
        command.timeline,
        command.reason,
        // Its PostgreSQL was proven stopped: nothing that the set's members agreed to goes on. An older set stays.
        failsafe?.epoch === command.epoch ? { failsafe: null } : {},
      );
    case "setFailsafe":
      return setFailsafe(state, command, index);
    case "setUnfenced":
      if (lock.holder !== command.by || lock.epoch !== command.epoch) {
        return { refuse: `epoch ${command.epoch} is not held` };
      }
      return {
        change: { lock: { ...lock, unfenced: command.unfenced } },
        event: `epoch ${command.epoch} ${command.unfenced ? "unfenced (pause)" : "fenced again"}`,
      };
    case "setFailover":
      if ((failover?.revision ?? null) !== command.expectRevision) {
        return { refuse: "another request is present" };
      }
      return {
        change: { failover: { ...command.record, accepted: false, epoch: 0, revision: index } },
        event:
          `${command.record.kind} requested: from ${command.record.leader ?? "any"} to ${
            command.record.candidate ?? "any"
          }` +
          (command.record.scheduledAt === null ? "" : ` at ${command.record.scheduledAt}`),
      };
    case "acceptFailover":
      if (failover?.id !== command.id) return { refuse: "no such request" };
      return { change: { failover: { ...failover, accepted: true, epoch: lock.epoch } } };
    case "endFailover":
      if (failover?.id !== command.id) return { refuse: "no such request" };
      return {
        change: {
          failover: null,
          failoverResults: [...state.failoverResults, { id: command.id, ok: command.ok, text: command.text }]
            .slice(-MAX_RESULTS),
        },
        event: `${failover.kind} ${command.ok ? "done" : "ended"}: ${command.text}`,
      };
    case "setMember": {
      const known = state.members[command.facts.name];
      const moved = known !== undefined &&
        (known.apiUrl !== command.facts.apiUrl || known.raftAddr !== command.facts.raftAddr);
      if (moved && !command.replace) return { refuse: NAME_TAKEN };
      return { change: { members: { ...state.members, [command.facts.name]: command.facts } } };
    }
    case "dropMember": {
      const { [command.name]: known, ...members } = state.members;
      if (known?.raftAddr !== command.raftAddr) return { refuse: "there is no such member" };
      if (lock.holder === command.name) return { refuse: `${command.name} holds the lock` };
      return { change: { members }, event: `member ${command.name} was removed` };
    }
    case "addHistory": {
      if (lock.epoch !== command.epoch) return { refuse: `epoch ${command.epoch} is over` };
      if (state.history.some((line) => line[0] >= command.line[0])) {
        return { refuse: "this timeline is known" };
      }
      const lines = [...state.history, command.line];
      return { change: { history: command.maxLines > 0 ? lines.slice(-command.maxLines) : lines } };
    }
    case "setTtl":
      if (state.grantTtlMs !== command.expectGrantMs || state.waitTtlMs !== command.expectWaitMs) {
        return { refuse: "ttl has changed" };
      }
      if (lock.epoch !== command.epoch || (lock.holder === null) !== command.free) {
        return { refuse: "the lock has changed" };
      }
      // A holder counts on grantTtl while leaders wait waitTtl: the other way round, the lock could pass on too early.
      if (command.grantMs > command.waitMs) return { refuse: "grant ttl above wait ttl" };
      // Leases that the set's members agreed to may still run, unknown to any raft leader, on the old ttl.
      if (failsafe !== null && command.waitMs < state.waitTtlMs) {
        return { refuse: "a failsafe set is logged" };
      }
      return {
        change: { grantTtlMs: command.grantMs, waitTtlMs: command.waitMs },
        event: `ttl: grant ${command.grantMs} ms, wait ${command.waitMs} ms`,
      };
    default:
      return { refuse: `unknown command ${(command as { op: string }).op}` };
  }
}

function endEpoch(
  lock: LockRecord,
  how: "released" | "expired",
  lsn: number | null,
  timeline: number | null,
  reason: string,
  also: Partial<DcsState> = {},
): Outcome {
  return {
    change: {
      ...also,
      lock: { ...lock, holder: null, reason, ended: { how, lsn, timeline }, unfenced: false },
    },
    event: `lock of ${lock.holder}, epoch ${lock.epoch}, ${how}: ${reason}`,
  };
}

function setFailsafe(
  { lock, failsafe }: DcsState,
  { by, epoch, members, expectRevision }: Command & { readonly op: "setFailsafe" },
  index: number,
): Outcome {
  if (lock.holder !== by || lock.epoch !== epoch) return { refuse: `epoch ${epoch} is not held` };
  if ((failsafe?.revision ?? null) !== expectRevision) return { refuse: "the failsafe set has changed" };
  if (members === null) {
    if (failsafe === null) return { refuse: "no failsafe set is logged" };
    return { change: { failsafe: null }, event: `failsafe set of epoch ${failsafe.epoch} removed` };
  }
  // Alone, the holder would ask nobody and could be succeeded by nobody.
  if (!Object.hasOwn(members, by) || Object.keys(members).length < 2) {
    return { refuse: "a failsafe set names its holder and somebody else" };
  }
  return {
    change: { failsafe: { epoch, holder: by, members, revision: index } },
    event: `failsafe set of epoch ${epoch}: ${Object.keys(members).sort().join(", ")}`,
  };
}

export class DcsStateMachine {
  readonly #broken: BrokenRules;
  #state: DcsState = emptyState();

  constructor(broken: BrokenRules = NOTHING_BROKEN) {
    this.#broken = broken;
  }

  /** The current records; a new object after every change, never modified in place. */
  get state(): DcsState {
    return this.#state;
  }

  apply(bytes: Uint8Array, index: number): CommandResult {
    if (bytes.length === 0) return { ok: true, revision: this.#state.revision };
    const command = decodeCommand(bytes);
    if (command === null) return { ok: false, reason: "not a command that this version knows" };
    const outcome = evaluate(this.#state, command, index, this.#broken);
    if ("refuse" in outcome) return { ok: false, reason: outcome.refuse };
    let events = this.#state.events;
    if (outcome.event !== undefined) {
      const event: ClusterEvent = {
        index,
        at: command.at,
        member: command.by,
        kind: command.op,
        text: outcome.event,
      };
      events = [...events, event].slice(-MAX_EVENTS);
    }
    this.#state = { ...this.#state, ...outcome.change, events, revision: index };
    return { ok: true, revision: index };
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#state));
  }

  restore(data: Uint8Array): void {
    this.#state = data.length === 0 ? emptyState() : JSON.parse(new TextDecoder().decode(data)) as DcsState;
  }
}
