/**
 * The cluster's records as a replicated state machine. Deterministic: no clock, no randomness; the same
 * commands in the same order give the same state on every member. Owns this invariant: the lock passes from
 * one holder to another only through release(e) or expire(e), and each grant has a new, higher epoch
 * (src/lease/DESIGN.md).
 */
import { claimOn, mayRelease } from "../model/life.ts";
import { type DcsState, knownMember, type LockRecord } from "../model/records.ts";
import {
  type Command,
  COMMAND_VERSION,
  type CommandResult,
  CONFIG_HISTORY_SINCE,
  cutText,
  hasBounds,
  parseCommand,
  REPLACEMENT_SINCE,
  TYPED_EVENTS_SINCE,
} from "./commands.ts";
import { commandEvent } from "./command_events.ts";
import { setConfig } from "./config_history.ts";
import { addEvents, withCommandEvent } from "./events.ts";
import { mayEndFailsafe, setFailsafe } from "./failsafe_set.ts";
import { grantLock } from "./grant.ts";
import { setMember } from "./member_record.ts";
import type { Outcome } from "./outcome.ts";
import {
  acceptFailover,
  endFailover,
  endRestart,
  setFailover,
  setRestart,
  withoutRestart,
} from "./requests.ts";
import { setSync } from "./sync_record.ts";
import { type BrokenRules, NOTHING_BROKEN } from "./broken_rules.ts";
import { readState } from "./state_schema.ts";
import { ASYNCHRONOUS } from "../sync/record.ts";

const MAX_REFUSAL = 512;
/** Also where `maxLines` asks for all: at one failover an hour, half a year. */
const MAX_HISTORY = 4096;
/**
 * In force until the first `setTtl` of a log. It is part of what logs mean and never changes, whatever the
 * default of the configuration is: two members that replay one log must come to the same ttl, or one would
 * count on a lease for longer than the other waits. The raft leader sets the configured one.
 */
const INITIAL_TTL_MS = 5000;

export const EMPTY_LOCK: LockRecord = {
  epoch: 0,
  holder: null,
  reason: "never granted",
  lastHolder: null,
  life: null,
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
    sync: { ...ASYNCHRONOUS, revision: 0 },
    history: [],
    failsafe: null,
    members: {},
    grantTtlMs: INITIAL_TTL_MS,
    waitTtlMs: INITIAL_TTL_MS,
    events: [],
  };
}

/** The rules in force at a place of the log: see commands.ts. */
interface RulesInForce {
  readonly bounded: boolean;
  readonly keepsConfigs: boolean;
  readonly tellsReplaced: boolean;
}

/** Refuses unless the expectation holds; each case names what it compared. */
function evaluate(
  state: DcsState,
  command: Command,
  index: number,
  { bounded, keepsConfigs, tellsReplaced }: RulesInForce,
  broken: BrokenRules,
): Outcome {
  const { lock, initialize, failsafe } = state;
  switch (command.op) {
    case "claimInitialize":
      if (initialize !== null) return { refuse: `already claimed by ${initialize.by}`, code: "claimed" };
      return {
        change: { initialize: { systemId: "", by: command.by, incarnation: command.incarnation } },
      };
    case "completeInitialize":
      if (
        initialize?.systemId !== "" || initialize.by !== command.by ||
        initialize.incarnation !== command.incarnation
      ) {
        return { refuse: "this bootstrap is not in progress", code: "no-bootstrap" };
      }
      return {
        change: { initialize: { ...initialize, systemId: command.systemId } },
      };
    case "clearInitialize":
      if (
        initialize?.systemId !== "" || initialize.by !== command.of ||
        initialize.incarnation !== command.incarnation
      ) {
        return { refuse: "this bootstrap is not in progress", code: "no-bootstrap" };
      }
      return { change: { initialize: null } };
    case "setConfig":
      return setConfig(state, command, index, keepsConfigs);
    case "grant":
      return grantLock(state, command, index, broken);
    case "expire":
      if (lock.holder === null || lock.epoch !== command.epoch) {
        return { refuse: `epoch ${command.epoch} is not held`, code: "not-held" };
      }
      if (lock.unfenced && !command.forced) {
        return { refuse: `epoch ${command.epoch} is unfenced`, code: "unfenced" };
      }
      return endEpoch(lock, "expired", null, null, command.reason);
    case "release": {
      const claim = claimOn(lock, command.by, command.life ?? null);
      if (lock.epoch !== command.epoch || !mayRelease(lock, claim)) {
        return { refuse: `epoch ${command.epoch} is not held`, code: "not-held" };
      }
      return endEpoch(
        lock,
        "released",
        command.lsn,
        command.timeline,
        command.reason,
        // Its PostgreSQL was proven stopped: no lease that the set's members agreed to goes on. An older set
        // stays.
        failsafe?.epoch === command.epoch ? { failsafe: null } : {},
      );
    }
    case "setFailsafe":
      return setFailsafe(state, command, index);
    case "endFailsafe":
      if (failsafe === null || failsafe.revision !== command.revision) {
        return { refuse: "the failsafe set has changed", code: "failsafe-changed" };
      }
      if (!mayEndFailsafe(state, command.by, command.life)) {
        return {
          refuse: `${command.by} cannot end the failsafe set of epoch ${failsafe.epoch}`,
          code: "failsafe-not-over",
        };
      }
      return {
        change: { failsafe: null },
      };
    case "setSync":
      return setSync(state, command, index, broken);
    case "setUnfenced":
      if (lock.epoch !== command.epoch || claimOn(lock, command.by, command.life ?? null) !== "own") {
        return { refuse: `epoch ${command.epoch} is not held`, code: "not-held" };
      }
      if (
        command.expectRevision !== undefined && (lock.fencingRevision ?? null) !== command.expectRevision
      ) {
        return { refuse: "the fence of this epoch has changed since", code: "fence-changed" };
      }
      return {
        change: {
          lock: {
            ...lock,
            unfenced: command.unfenced,
            // Only by members that all know it: the records stay the same everywhere.
            ...(command.expectRevision === undefined ? {} : { fencingRevision: index }),
          },
        },
      };
    case "setFailover":
      return setFailover(state, command, index, tellsReplaced);
    case "acceptFailover":
      return acceptFailover(state, command);
    case "endFailover":
      return endFailover(state, command);
    case "setRestart":
      return setRestart(state, command);
    case "endRestart":
      return endRestart(state, command);
    case "setMember":
      return setMember(state, command, bounded);
    case "dropMember": {
      if (knownMember(state, command.name)?.raftAddr !== command.raftAddr) {
        return { refuse: "there is no such member", code: "no-member" };
      }
      const { [command.name]: _, ...members } = state.members;
      if (lock.holder === command.name) {
        return { refuse: `${command.name} holds the lock`, code: "lock-held" };
      }
      const change = { members, ...withoutRestart(state, command.name) };
      return { change };
    }
    case "addHistory": {
      if (lock.epoch !== command.epoch) {
        return { refuse: `epoch ${command.epoch} is over`, code: "other-epoch" };
      }
      if (state.history.some((line) => line[0] >= command.line[0])) {
        return { refuse: "this timeline is known", code: "timeline-known" };
      }
      const lines = [...state.history, command.line];
      const kept = command.maxLines > 0 ? Math.min(command.maxLines, MAX_HISTORY) : MAX_HISTORY;
      return { change: { history: lines.slice(-kept) } };
    }
    case "addEvents":
      return addEvents(state, command, index);
    case "setTtl":
      if (state.grantTtlMs !== command.expectGrantMs || state.waitTtlMs !== command.expectWaitMs) {
        return { refuse: "ttl has changed", code: "ttl-changed" };
      }
      if (lock.epoch !== command.epoch || (lock.holder === null) !== command.free) {
        return { refuse: "the lock has changed", code: "lock-changed" };
      }
      // A holder counts on grantTtl while leaders wait waitTtl: the other way round, the lock could pass on
      // too early.
      if (command.grantMs > command.waitMs) return { refuse: "grant ttl above wait ttl", code: "ttl-order" };
      // Leases that the set's members agreed to may still run, unknown to any raft leader, on the old ttl.
      if (failsafe !== null && command.waitMs < state.waitTtlMs) {
        return { refuse: "a failsafe set is logged", code: "failsafe-logged" };
      }
      return {
        change: { grantTtlMs: command.grantMs, waitTtlMs: command.waitMs },
      };
    default:
      return { refuse: `unknown command ${(command as { op: string }).op}`, code: "unknown-command" };
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
  };
}

/**
 * Raft id of the machine that has the name of a member; null: no machine, or an older version recorded it.
 */
export function nodeIn(state: DcsState, name: string): number | null {
  return knownMember(state, name)?.life?.node ?? null;
}

export class DcsStateMachine {
  readonly #broken: BrokenRules;
  #state: DcsState = emptyState();
  #snapshotBytes: number | null = null;

  constructor(broken: BrokenRules = NOTHING_BROKEN) {
    this.#broken = broken;
  }

  /** The current records; a new object after every change, never modified in place. */
  get state(): DcsState {
    return this.#state;
  }

  /** `version`: of the commands that are in force at this place of the log. Never throws. */
  apply(bytes: Uint8Array, index: number, version: number = COMMAND_VERSION): CommandResult {
    if (bytes.length === 0) return { ok: true, revision: this.#state.revision };
    const judged = parseCommand(bytes, version);
    if (!judged.ok) {
      return { ok: false, reason: cutText(judged.reason, MAX_REFUSAL), code: "unknown-command" };
    }
    const { command } = judged;
    const rules = {
      bounded: hasBounds(version),
      keepsConfigs: version >= CONFIG_HISTORY_SINCE,
      tellsReplaced: version >= REPLACEMENT_SINCE,
    };
    const outcome = evaluate(this.#state, command, index, rules, this.#broken);
    if ("refuse" in outcome) return { ok: false, reason: outcome.refuse, code: outcome.code };
    const event = commandEvent(this.#state, command, index);
    const events = event === null
      ? this.#state.events
      : withCommandEvent(this.#state.events, event, command, index, version >= TYPED_EVENTS_SINCE);
    this.#state = { ...this.#state, events, ...outcome.change, revision: index };
    return { ok: true, revision: index };
  }

  snapshot(): Uint8Array {
    const data = new TextEncoder().encode(JSON.stringify(this.#state));
    this.#snapshotBytes = data.length;
    return data;
  }

  /** Throws when the bytes are no snapshot of this program or an older one; then nothing has changed. */
  restore(data: Uint8Array): void {
    const read = readState(data, emptyState());
    if (!read.ok) throw new Error(read.flaw);
    this.#state = read.state;
    this.#snapshotBytes = data.length;
  }

  /** Size of the last snapshot that was made or read; null: none. */
  get snapshotBytes(): number | null {
    return this.#snapshotBytes;
  }

  /** Why `restore` would throw; null: it would not. */
  snapshotFlaw(data: Uint8Array): string | null {
    const read = readState(data, emptyState());
    return read.ok ? null : read.flaw;
  }
}
