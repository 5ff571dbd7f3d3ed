/**
 * The cluster's records as a replicated state machine. Deterministic: no clock, no randomness; the same
 * commands in the same order give the same state on every member. Owns this invariant: the lock passes from
 * one holder to another only through release(e) or expire(e), and each grant has a new, higher epoch
 * (src/lease/DESIGN.md).
 */
import { claimOn, isSameLife, mayRelease } from "../model/life.ts";
import { type ClusterEvent, type DcsState, knownMember, type LockRecord } from "../model/records.ts";
import {
  type Command,
  COMMAND_VERSION,
  type CommandResult,
  cutText,
  hasBounds,
  parseCommand,
  type RefusalCode,
} from "./commands.ts";
import { mayEndFailsafe, mayNotSucceed } from "./failsafe_set.ts";
import { type BrokenRules, NOTHING_BROKEN } from "./broken_rules.ts";
import { readState } from "./state_schema.ts";

export const MAX_EVENTS = 100;
const MAX_EVENT_TEXT = 512;
const MAX_RESULTS = 20;
/** The most members that the records keep; raft has no more than 64. */
const MAX_MEMBERS = 128;
/** Also where `maxLines` asks for all: at one failover an hour, half a year. */
const MAX_HISTORY = 4096;
export const DEFAULT_TTL_MS = 5000;

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
    sync: { leader: null, syncStandby: [], quorum: 0, revision: 0 },
    history: [],
    failsafe: null,
    members: {},
    grantTtlMs: DEFAULT_TTL_MS,
    waitTtlMs: DEFAULT_TTL_MS,
    events: [],
  };
}

/**
 * The effect of a command on the state: the changed records and a line for the event log, or why it does
 * nothing.
 */
type Outcome =
  | { readonly change: Partial<DcsState>; readonly event?: string }
  | { readonly refuse: string; readonly code?: RefusalCode };

/** Refuses unless the expectation holds; each case names what it compared. `bounded`: see commands.ts. */
function evaluate(
  state: DcsState,
  command: Command,
  index: number,
  bounded: boolean,
  broken: BrokenRules,
): Outcome {
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
        return { refuse: "configuration has changed", code: "config-changed" };
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
      // While an epoch is held, its life is that of the member on record: setMember below keeps it so.
      if (command.life !== undefined && !isSameLife(knownMember(state, command.holder)?.life, command.life)) {
        return { refuse: `another machine is the member ${command.holder} by now` };
      }
      return {
        change: {
          lock: {
            epoch: command.epoch,
            holder: command.holder,
            reason: command.reason,
            lastHolder: command.holder,
            life: command.life ?? null,
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
    case "release": {
      const claim = claimOn(lock, command.by, command.life ?? null);
      if (lock.epoch !== command.epoch || !mayRelease(lock, claim)) {
        return { refuse: `epoch ${command.epoch} is not held` };
      }
      return endEpoch(
        lock,
        "released",
        command.lsn,
        command.timeline,
        command.reason,
        // Its PostgreSQL was proven stopped: nothing that the set's members agreed to goes on. An older set
        // stays.
        failsafe?.epoch === command.epoch ? { failsafe: null } : {},
      );
    }
    case "setFailsafe":
      return setFailsafe(state, command, index);
    case "endFailsafe":
      if (failsafe === null || failsafe.revision !== command.revision) {
        return { refuse: "the failsafe set has changed" };
      }
      if (!mayEndFailsafe(state, command.by, command.life)) {
        return { refuse: `${command.by} cannot end the failsafe set of epoch ${failsafe.epoch}` };
      }
      return {
        change: { failsafe: null },
        event: `failsafe set of epoch ${failsafe.epoch} ended: ${command.by} agrees to no more of its leases`,
      };
    case "setUnfenced":
      if (lock.epoch !== command.epoch || claimOn(lock, command.by, command.life ?? null) !== "own") {
        return { refuse: `epoch ${command.epoch} is not held` };
      }
      if (
        command.expectRevision !== undefined && (lock.fencingRevision ?? null) !== command.expectRevision
      ) {
        return { refuse: "the fence of this epoch has changed since" };
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
      const { facts } = command;
      const known = knownMember(state, facts.name);
      // Its own directory says so: the same member, whatever else of it has changed. Of an older one only
      // addresses tell.
      const isSame = known?.life !== undefined && facts.life !== undefined
        ? known.life.node === facts.life.node
        : known?.apiUrl === facts.apiUrl && known.raftAddr === facts.raftAddr;
      if (known !== undefined && !isSame && !command.replace) {
        return { refuse: "another machine is the member of this name", code: "name-taken" };
      }
      // The epoch is that machine's until it has expired: taken over by name, it would be given back beside a
      // living primary.
      const claim = claimOn(lock, facts.name, facts.life ?? null);
      if (claim !== "none" && !mayRelease(lock, claim)) {
        return { refuse: "another machine holds the lock under this name", code: "name-holds-lock" };
      }
      if (bounded && known === undefined && Object.keys(state.members).length >= MAX_MEMBERS) {
        return { refuse: `there are ${MAX_MEMBERS} members already` };
      }
      const taken = known !== undefined && !isSame;
      return {
        change: {
          members: { ...state.members, [facts.name]: facts },
          // The first to say which machine holds an epoch that was granted to a mere name.
          ...(claim === "own" && lock.life === null ? { lock: { ...lock, life: facts.life ?? null } } : {}),
        },
        ...(taken ? { event: `another machine is the member ${facts.name} from now on` } : {}),
      };
    }
    case "dropMember": {
      if (knownMember(state, command.name)?.raftAddr !== command.raftAddr) {
        return { refuse: "there is no such member" };
      }
      const { [command.name]: _, ...members } = state.members;
      if (lock.holder === command.name) return { refuse: `${command.name} holds the lock` };
      return { change: { members }, event: `member ${command.name} was removed` };
    }
    case "addHistory": {
      if (lock.epoch !== command.epoch) return { refuse: `epoch ${command.epoch} is over` };
      if (state.history.some((line) => line[0] >= command.line[0])) {
        return { refuse: "this timeline is known" };
      }
      const lines = [...state.history, command.line];
      const kept = command.maxLines > 0 ? Math.min(command.maxLines, MAX_HISTORY) : MAX_HISTORY;
      return { change: { history: lines.slice(-kept) } };
    }
    case "setTtl":
      if (state.grantTtlMs !== command.expectGrantMs || state.waitTtlMs !== command.expectWaitMs) {
        return { refuse: "ttl has changed" };
      }
      if (lock.epoch !== command.epoch || (lock.holder === null) !== command.free) {
        return { refuse: "the lock has changed" };
      }
      // A holder counts on grantTtl while leaders wait waitTtl: the other way round, the lock could pass on
      // too early.
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

/** Raft id of the machine that has the name of a member; null: none has, or an older version recorded it. */
export function nodeIn(state: DcsState, name: string): number | null {
  return knownMember(state, name)?.life?.node ?? null;
}

function setFailsafe(
  { lock, failsafe }: DcsState,
  { by, epoch, life, members, nodes, expectRevision }: Command & { readonly op: "setFailsafe" },
  index: number,
): Outcome {
  if (lock.epoch !== epoch || claimOn(lock, by, life ?? null) !== "own") {
    return { refuse: `epoch ${epoch} is not held` };
  }
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
    change: {
      failsafe: {
        epoch,
        holder: by,
        members,
        ...(life === undefined ? {} : { life }),
        ...(nodes === undefined ? {} : { nodes }),
        revision: index,
      },
    },
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

  /** `version`: of the commands that are in force at this place of the log. Never throws. */
  apply(bytes: Uint8Array, index: number, version: number = COMMAND_VERSION): CommandResult {
    if (bytes.length === 0) return { ok: true, revision: this.#state.revision };
    const judged = parseCommand(bytes, version);
    if (!judged.ok) return { ok: false, reason: cutText(judged.reason, MAX_EVENT_TEXT) };
    const { command } = judged;
    const outcome = evaluate(this.#state, command, index, hasBounds(version), this.#broken);
    if ("refuse" in outcome) return { ok: false, reason: outcome.refuse, code: outcome.code };
    let events = this.#state.events;
    if (outcome.event !== undefined) {
      const event: ClusterEvent = {
        index,
        at: command.at,
        member: command.by,
        kind: command.op,
        text: cutText(outcome.event, MAX_EVENT_TEXT),
      };
      events = [...events, event].slice(-MAX_EVENTS);
    }
    this.#state = { ...this.#state, ...outcome.change, events, revision: index };
    return { ok: true, revision: index };
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.#state));
  }

  /** Throws for what is no snapshot of this program or an older one; then nothing has changed. */
  restore(data: Uint8Array): void {
    const read = readState(data, emptyState());
    if (!read.ok) throw new Error(read.flaw);
    this.#state = read.state;
  }

  /** Why `restore` would throw; null: it would not. */
  snapshotFlaw(data: Uint8Array): string | null {
    const read = readState(data, emptyState());
    return read.ok ? null : read.flaw;
  }
}
