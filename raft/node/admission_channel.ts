/**
 * The channel on which members tell each other about their directories: greets, asks and answers, and hears
 * that this member was removed. Decisions are made elsewhere: admission.ts asks, registrar.ts answers. Called
 * within the node's turns.
 */
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE } from "../core/types.ts";
import {
  ADMISSION_CHANNEL,
  type AdmissionMessage,
  decodeAdmission,
  encodeAdmission,
} from "./admission_messages.ts";
import type { ResolvedOptions } from "./raft_options.ts";
import type { Registrar } from "./registrar.ts";
import type { SnapshotTransfers } from "./snapshot_transfers.ts";
import type { TakingPart } from "./taking_part.ts";
import type { Versions } from "./versions.ts";

export interface AdmissionChannelOptions
  extends Pick<ResolvedOptions, "clusterId" | "instance" | "commandVersion" | "transport"> {
  /** Core of this member; null before it takes part. */
  readonly core: () => RawNode | null;
  /** This node leads and has applied an entry of its own term. */
  readonly leads: () => boolean;
  readonly takingPart: Pick<TakingPart, "answer" | "knowsLog" | "term">;
  readonly registrar: Pick<Registrar, "hello" | "verdict">;
  readonly versions: Pick<Versions, "hello">;
  readonly snapshots: Pick<SnapshotTransfers, "hello">;
  /** This node is a member no more, for good. */
  readonly removed: () => void;
}

export class AdmissionChannel {
  readonly #options: AdmissionChannelOptions;

  constructor(options: AdmissionChannelOptions) {
    this.#options = options;
  }

  tell(to: NodeId, message: AdmissionMessage): void {
    const { transport, clusterId } = this.#options;
    transport.send(to, ADMISSION_CHANNEL, encodeAdmission(clusterId, message));
  }

  /** Tells a member that this one takes part, and with which directory. */
  greet(to: NodeId): void {
    const { instance, commandVersion: version } = this.#options;
    this.tell(to, { kind: "hello", instance, empty: false, version, pieces: true });
  }

  frame(from: NodeId, payload: Uint8Array): void {
    const { clusterId, takingPart } = this.#options;
    const message = decodeAdmission(clusterId, payload);
    if (message?.kind === "removed") this.#toldRemoved(from);
    if (message?.kind === "hello") this.#greeted(from, message);
    else if (message?.kind === "answer") takingPart.answer(from, message);
  }

  #greeted(from: NodeId, message: Extract<AdmissionMessage, { kind: "hello" }>): void {
    const { core, leads, takingPart, registrar, versions, snapshots } = this.#options;
    const { instance, empty } = message;
    registrar.hello(from, instance);
    versions.hello(from, message.version);
    snapshots.hello(from, message.pieces);
    if (!empty) return;
    // There is no core while this node is not admitted, or its admission is being written.
    const { term, lastIndex } = core() ?? { term: takingPart.term, lastIndex: 0 };
    const verdict = registrar.verdict(from, instance, lastIndex > 0 || takingPart.knowsLog, leads());
    this.tell(from, { kind: "answer", instance, verdict, term });
  }

  /**
   * A node that hears a leader is a member, because a leader speaks to nobody else. Meanwhile the word of
   * another member does not count; that member repeats it whenever this node speaks to it.
   */
  #toldRemoved(from: NodeId): void {
    const { leader = NONE } = this.#options.core() ?? {};
    if (leader === NONE || leader === from) this.#options.removed();
  }
}
