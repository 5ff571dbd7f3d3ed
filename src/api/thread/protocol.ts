/**
 * The messages of the agent's loop and the thread of the REST API. Everything is plain data: it is copied.
 * The state travels as text, since the runtime's own copy of objects costs three to four times as much.
 */
import type { Level, LogFields } from "../../lib/log.ts";
import type { LocalConfig } from "../../model/config.ts";
import type { ClusterEvent } from "../../model/event.ts";
import type { HistogramReading, Measures } from "../../model/measures.ts";
import type { LatenessKind, TimingReport } from "../../model/timing.ts";
import type { ApiPort, ApiView, ConfigurationDetail, DecisionRecord, ProcessClocks } from "../port.ts";
import type { WritingOutcome } from "./metrics_copy.ts";

/** The state that the application is answered from, all of one moment. */
export interface Snapshot {
  /** On the clock of leases, which all threads of a host share to less than a millisecond. */
  readonly atMs: number;
  readonly view: ApiView;
  readonly version: number;
  readonly holdsLease: boolean;
  readonly leaseRemainingMs: number;
  /** null: was not asked for. */
  readonly timing: TimingSnapshot | null;
  readonly decisions: readonly DecisionRecord[] | null;
  readonly events: readonly ClusterEvent[] | null;
  readonly configuration: ConfigurationDetail | null;
}

/** A snapshot as exact JSON. */
export type SnapshotText = string;

export interface TimingSnapshot {
  readonly report: TimingReport;
  readonly lateness: { readonly [kind in LatenessKind]: HistogramReading };
  readonly clocks: readonly ProcessClocks[];
  readonly measures: Measures;
}

/**
 * What an endpoint is answered from. "view": every snapshot holds it; "metrics": a text of its own, and no
 * snapshot; the others: parts of a snapshot that only few endpoints need.
 */
export type Part = "view" | "metrics" | "timing" | "decisions" | "configuration" | "events";

/** The operations that a request may ask for, each run by the agent's loop. */
export const OPERATIONS = [
  "patchConfig",
  "replaceConfig",
  "checkConfig",
  "requestFailover",
  "deleteFailover",
  "restart",
  "scheduleRestart",
  "cancelScheduledRestart",
  "reload",
  "reinitialize",
  "acceptFailsafe",
  "transferRaft",
  "changeRaft",
  "snapshotRaft",
] as const satisfies readonly (keyof ApiPort)[];
export type Operation = (typeof OPERATIONS)[number];

export type ToThread =
  /** `started`: carries the outcome of the listening to an agent that waits for it (StartSignal). */
  | {
    readonly kind: "start";
    readonly config: LocalConfig;
    readonly snapshot: SnapshotText;
    readonly started: SharedArrayBuffer;
  }
  | { readonly kind: "snapshot"; readonly look: number; readonly snapshot: SnapshotText }
  /** Answers a look for "metrics". */
  | { readonly kind: "metrics"; readonly look: number; readonly metrics: WritingOutcome }
  /** The snapshot was taken after the operation: the requester sees its effect. */
  | {
    readonly kind: "done";
    readonly id: number;
    readonly outcome: { readonly ok: true; readonly value: unknown } | {
      readonly ok: false;
      readonly error: string;
    };
    readonly snapshot: SnapshotText;
  }
  | { readonly kind: "reload"; readonly id: number; readonly config: LocalConfig }
  /** Answered by "copied" when every request from then on is answered from it. */
  | { readonly kind: "copy"; readonly id: number; readonly snapshot: SnapshotText }
  /** Are you there? It looks after its certificates before it answers. */
  | { readonly kind: "ping" }
  | { readonly kind: "stop" };

export type FromThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "pong" }
  /** `problem`: why it goes on as before. */
  | { readonly kind: "reloaded"; readonly id: number; readonly port: number; readonly problem: string | null }
  | { readonly kind: "copied"; readonly id: number }
  | { readonly kind: "look"; readonly look: number; readonly parts: readonly Part[] }
  | {
    readonly kind: "ask";
    readonly id: number;
    readonly operation: Operation;
    readonly args: readonly unknown[];
  }
  | {
    readonly kind: "log";
    readonly level: Level;
    readonly event: string;
    readonly text: string;
    readonly fields: LogFields;
  };

const STATE = 0;
const PORT = 1;
const LENGTH = 2;
const TEXT_OFFSET = 12;
const TEXT_BYTES = 4000;

/**
 * Memory by which the agent's loop waits, once and at its start, until the thread listens or has failed to.
 */
export class StartSignal {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer(TEXT_OFFSET + TEXT_BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, 3);
  }

  listening(port: number): void {
    this.#words[PORT] = port;
    this.#tell(1);
  }

  failed(message: string): void {
    const bytes = new TextEncoder().encode(message).subarray(0, TEXT_BYTES);
    new Uint8Array(this.memory, TEXT_OFFSET, TEXT_BYTES).set(bytes);
    this.#words[LENGTH] = bytes.length;
    this.#tell(2);
  }

  /** null: nothing came within the time. */
  wait(timeoutMs: number): { readonly port: number } | { readonly error: string } | null {
    Atomics.wait(this.#words, STATE, 0, timeoutMs);
    const state = Atomics.load(this.#words, STATE);
    if (state === 0) return null;
    if (state === 1) return { port: this.#words[PORT]! };
    const bytes = new Uint8Array(this.memory, TEXT_OFFSET, this.#words[LENGTH]!);
    return { error: new TextDecoder().decode(bytes.slice()) };
  }

  #tell(state: number): void {
    Atomics.store(this.#words, STATE, state);
    Atomics.notify(this.#words, STATE);
  }
}
