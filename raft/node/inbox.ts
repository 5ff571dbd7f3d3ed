/**
 * Receives what other members send: judges each frame, and gives it to the part of the node that it is for.
 * Garbage, lies and floods end here, before they cost the core or the log anything. Called within the node's
 * turns.
 */
import { DecodeError } from "../core/bytes.ts";
import { contextNumber, decodeMessage, typeOfMessage } from "../core/message.ts";
import type { RawNode } from "../core/raw_node.ts";
import type { Message, NodeId } from "../core/types.ts";
import type { AdmissionChannel } from "./admission_channel.ts";
import { ADMISSION_CHANNEL } from "./admission_messages.ts";
import { ChannelBudget, costOf, costOnceRead, messagesIn } from "./channel_budget.ts";
import type { Contacts } from "./contacts.ts";
import { GarbageLog } from "./garbage_log.ts";
import { HandOver } from "./hand_over.ts";
import { lieOf } from "./lie_of.ts";
import { MEMBERS_CHANNEL } from "./member_messages.ts";
import type { Membership } from "./membership.ts";
import type { ResolvedOptions } from "./raft_options.ts";
import type { Registrar } from "./registrar.ts";
import type { ReplicatedState } from "./replicated_state.ts";
import { SNAPSHOT_CHANNEL } from "./snapshot_messages.ts";
import type { RoundTrips } from "./round_trips.ts";
import type { SnapshotTransfers } from "./snapshot_transfers.ts";
import type { StepAside } from "./step_aside.ts";

export type ChannelHandler = (from: NodeId, bytes: Uint8Array) => void;

export interface InboxOptions extends Pick<ResolvedOptions, "clock" | "log"> {
  /** Core of this member; null before it takes part. */
  readonly core: () => RawNode | null;
  readonly state: Pick<ReplicatedState, "snapshotFlaw" | "refusalOfForwarded">;
  readonly contacts: Pick<Contacts, "heard">;
  readonly roundTrips: Pick<RoundTrips, "answered">;
  readonly registrar: Pick<Registrar, "heard">;
  readonly stepAside: Pick<StepAside, "refuses">;
  readonly membership: Pick<Membership, "turnAway" | "frame">;
  readonly snapshots: Pick<SnapshotTransfers, "frame">;
  readonly admissions: Pick<AdmissionChannel, "frame">;
  readonly nameOf: (id: NodeId) => string;
  /** Runs later, outside of the core. */
  readonly later: (run: () => void) => void;
}

export class Inbox {
  readonly #options: InboxOptions;
  readonly #handlers = new Map<number, ChannelHandler>();
  readonly #garbage: GarbageLog;
  /** Budget of each member for the channels of the embedding program. */
  readonly #budget: ChannelBudget;
  /** Budget of each member for requests: admission, membership, and raft messages that cost others work. */
  readonly #requestBudget: ChannelBudget;
  readonly #handOver = new HandOver();

  constructor(options: InboxOptions) {
    this.#options = options;
    const { clock, log, nameOf } = options;
    const now = () => clock.now();
    this.#garbage = new GarbageLog(
      now,
      (from, text) => log("warning", "raft_garbage", `unusable message of ${nameOf(from)}: ${text}`),
    );
    this.#budget = new ChannelBudget(now);
    this.#requestBudget = new ChannelBudget(now);
  }

  /** Registers the embedding program's handler of a channel, 1 to 253; see Raft.onChannel. */
  onChannel(channel: number, handler: ChannelHandler): void {
    if (channel < 1 || channel >= SNAPSHOT_CHANNEL) throw new RangeError(`channel ${channel} is reserved`);
    this.#handlers.set(channel, handler);
  }

  /** Delivers what the embedding program of this node sends to itself. */
  deliverOwn(id: NodeId, channel: number, bytes: Uint8Array): void {
    this.#handlers.get(channel)?.(id, bytes);
  }

  /** False: see TransportHandlers. */
  frame(from: NodeId, channel: number, payload: Uint8Array): boolean {
    const { membership, contacts, snapshots, admissions, later } = this.#options;
    // A removed member is told so, and nothing it says counts: only its id is still known, not which node may
    // bear it.
    if (membership.turnAway(from)) return false;
    contacts.heard(from);
    if (channel === 0) return this.#raftFrame(from, payload);
    // A snapshot has as many bytes as the state of the log: the transport bounds what they cost.
    if (channel === SNAPSHOT_CHANNEL) return snapshots.frame(from, payload);
    const own = channel === ADMISSION_CHANNEL || channel === MEMBERS_CHANNEL;
    const handler = this.#handlers.get(channel);
    if (handler === undefined && !own) return false;
    const budget = own ? this.#requestBudget : this.#budget;
    if (!budget.take(from, messagesIn(payload.length))) {
      this.#garbage.note(from, "it sends more than it may");
      return false;
    }
    if (channel === ADMISSION_CHANNEL) admissions.frame(from, payload);
    else if (channel === MEMBERS_CHANNEL) membership.frame(from, payload);
    else if (handler !== undefined) later(() => handler(from, payload));
    return true;
  }

  /**
   * Gives a message to the core. The answer says for people why the core did not get it; null: it did, or the
   * message had to be dropped.
   */
  step(message: Message): string | null {
    const { registrar, stepAside } = this.#options;
    const core = this.#options.core();
    registrar.heard(message.from);
    const cost = costOnceRead(message, core?.role === "leader");
    if (cost > 0 && !this.#requestBudget.take(message.from, cost)) return "it asks for more than it may";
    if (stepAside.refuses(message)) return null;
    const flaw = this.#flawOf(message);
    if (flaw !== null || core === null) return flaw;
    if (!this.#handOver.believes(message, core)) return "it asks for votes as if the leader had told it to";
    if (message.type === "heartbeatResponse") {
      this.#options.roundTrips.answered(message.from, contextNumber(message.context));
    }
    core.step(message);
    return null;
  }

  #raftFrame(from: NodeId, payload: Uint8Array): boolean {
    if (!this.#options.core()) return true;
    try {
      // The budget is asked before the message is read, because reading copies it.
      const cost = costOf(typeOfMessage(payload), payload.length);
      if (cost > 0 && !this.#requestBudget.take(from, cost)) {
        throw new DecodeError("it asks for more than it may");
      }
      const message = decodeMessage(payload);
      if (message.from !== from) throw new DecodeError(`from ${message.from}`);
      const flaw = this.step(message);
      if (flaw !== null) throw new DecodeError(flaw);
      return true;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#garbage.note(from, error.message);
      return false;
    }
  }

  /**
   * Judges entries and snapshots before they reach the log: every member applies what is in the log for ever,
   * and restores a snapshot that was written at each start. The sender's program may be an older one, or at
   * fault.
   */
  #flawOf(message: Message): string | null {
    const { type, from, entries, snapshot } = message;
    const { state } = this.#options;
    const core = this.#options.core();
    const lie = core ? lieOf(message, core) : null;
    if (lie !== null) return lie;
    if (snapshot !== null) return state.snapshotFlaw(snapshot.data);
    if (type !== "propose" || core?.role !== "leader") return null;
    for (const { data } of entries) {
      const refusal = state.refusalOfForwarded(from, data);
      if (refusal !== null) return `what it proposes is refused: ${refusal}`;
    }
    return null;
  }
}
