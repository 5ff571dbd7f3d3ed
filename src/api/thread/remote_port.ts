/**
 * The agent as its REST thread sees it: a copy that is asked for anew when it is older than 50 ms and a
 * request needs it, and operations that the agent's loop runs. So whatever the rate of requests, the loop
 * makes 20 copies a second at most.
 *
 * Ages go on while the loop says nothing, and a lease ends by time, on the clock that all threads share. A
 * loop that stands still is waited for shortly; then the last copy is used. The metrics come as the text that
 * the loop has written (metrics_copy.ts).
 */
import type { Clock } from "../../../raft/mod.ts";
import { NOTHING_WRITTEN } from "../../config/written.ts";
import type { ClusterEvent } from "../../model/event.ts";
import { exactJson, fromExactJson } from "../../model/exact_json.ts";
import { STATE_KNOWN_MS } from "../../model/member_status.ts";
import type { HistogramReading, Measures } from "../../model/measures.ts";
import {
  LATENESS_KINDS,
  type LatenessKind,
  type MeasuredLateness,
  type TimingReport,
} from "../../model/timing.ts";
import type { Answer } from "../http/answer.ts";
import { METRICS_PATH } from "../metrics.ts";
import type { ApiPort, ApiView, ConfigurationDetail, DecisionRecord, ProcessClocks } from "../port.ts";
import { MetricsCopy, type WritingOutcome } from "./metrics_copy.ts";
import type {
  FromThread,
  Operation,
  Part,
  Snapshot,
  SnapshotText,
  TimingSnapshot,
  ToThread,
} from "./protocol.ts";

const FRESH_MS = 50;
/** The wait for an agent's loop that is busy. */
const PATIENCE_MS = 250;
/**
 * Without a request for so long nobody checks this member, and the copy is not kept fresh any more: that
 * would cost the loop more than all its renewals. Ages and the lease in an old copy stay right, see below.
 */
export const UNASKED_MS = 60_000;
/** A copy younger than this is shown as it is. */
const AGE_SHOWN_MS = 100;

export class RemotePort implements ApiPort {
  readonly #clock: Clock;
  readonly #tell: (message: FromThread) => void;
  #snapshot: Snapshot;
  #timing: TimingSnapshot | null;
  #decisions: readonly DecisionRecord[] | null;
  #configuration: ConfigurationDetail | null;
  #events: readonly ClusterEvent[] | null;
  /** When each part was copied last. */
  readonly #partMs: { [part in Exclude<Part, "view">]: number };
  #look: {
    readonly number: number;
    readonly parts: readonly Part[];
    readonly done: Promise<void>;
    readonly arrived: () => void;
  } | null = null;
  #looks = 0;
  #asked = 0;
  /** When a request has come last, but for scrapes, and when a scrape. */
  #requestMs: number;
  #scrapeMs = -Infinity;
  #metrics: MetricsCopy | null = null;
  /** Why the loop could not write its metrics the last time; null: it could. */
  #metricsError: string | null = null;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  readonly #listeners = new Set<() => void>();
  #watch: ReturnType<typeof setInterval> | null = null;

  constructor(clock: Clock, text: SnapshotText, tell: (message: FromThread) => void) {
    const snapshot = snapshotIn(text);
    this.#clock = clock;
    this.#tell = tell;
    this.#snapshot = snapshot;
    this.#timing = snapshot.timing;
    this.#decisions = snapshot.decisions;
    this.#configuration = snapshot.configuration;
    this.#events = snapshot.events;
    const { atMs } = snapshot;
    this.#requestMs = clock.now();
    this.#partMs = { metrics: -Infinity, timing: atMs, decisions: atMs, configuration: atMs, events: atMs };
  }

  /** Makes the copy fresh enough for a request of the path; undefined: it is. */
  freshen(path: string): Promise<void> | undefined {
    const nowMs = this.#clock.now();
    if (path === METRICS_PATH) this.#scrapeMs = nowMs;
    else this.#requestMs = nowMs;
    const parts = partsFor(path);
    return parts.every((part) => nowMs - this.#copiedMs(part) <= FRESH_MS)
      ? undefined
      : this.#lookAgain(parts);
  }

  /**
   * The same between requests, scrapes included, while they come. To be called every few seconds: what it
   * makes only serves a request that meets a loop that stands still.
   */
  keepFresh(): Promise<void> | undefined {
    const nowMs = this.#clock.now();
    const isAsked = nowMs - Math.max(this.#requestMs, this.#scrapeMs) < UNASKED_MS;
    return isAsked && nowMs - this.#snapshot.atMs > FRESH_MS ? this.#lookAgain(["view"]) : undefined;
  }

  #copiedMs(part: Part): number {
    return part === "view" ? this.#snapshot.atMs : this.#partMs[part];
  }

  heard(message: Extract<ToThread, { kind: "snapshot" | "metrics" | "done" | "copy" }>): void {
    switch (message.kind) {
      case "snapshot":
        this.#take(snapshotIn(message.snapshot));
        return this.#arrived(message.look);
      case "metrics":
        this.#takeMetrics(message.metrics);
        return this.#arrived(message.look);
      case "copy":
      case "done":
        this.#take(snapshotIn(message.snapshot));
        // What was done is seen by the next request.
        this.#partMs.metrics = -Infinity;
    }
    if (message.kind === "copy") return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.outcome.ok) waiting?.resolve(message.outcome.value);
    else waiting?.reject(new Error(message.outcome.error));
  }

  #arrived(number: number): void {
    const look = this.#look;
    if (look?.number !== number) return;
    this.#look = null;
    look.arrived();
  }

  /** null: the loop has not written them yet. Throws when it could not. */
  metrics(): Answer | null {
    if (this.#metricsError !== null) throw new Error(this.#metricsError);
    const metrics = this.#metrics;
    if (metrics === null) return null;
    return metrics.answer(this.#clock.now() - metrics.atMs, this.#snapshot.view, this);
  }

  view(): ApiView {
    const ageMs = this.#clock.now() - this.#snapshot.atMs;
    return ageMs < AGE_SHOWN_MS ? this.#snapshot.view : aged(this.#snapshot.view, ageMs);
  }

  version(): number {
    return this.#snapshot.version;
  }

  holdsLease(): boolean {
    const { holdsLease, leaseRemainingMs } = this.#snapshot;
    // Without time that remains it is held without a lease: maintenance mode.
    return holdsLease && (leaseRemainingMs === 0 || this.leaseRemainingMs() > 0);
  }

  leaseRemainingMs(): number {
    return Math.max(0, this.#snapshot.leaseRemainingMs - (this.#clock.now() - this.#snapshot.atMs));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watch ??= setInterval(() => void this.freshen(""), FRESH_MS);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0 || this.#watch === null) return;
      clearInterval(this.#watch);
      this.#watch = null;
    };
  }

  decisions(): readonly DecisionRecord[] {
    return this.#decisions ?? [];
  }

  events(): readonly ClusterEvent[] {
    return this.#events ?? [];
  }

  configuration(): ConfigurationDetail {
    return this.#configuration ?? { history: [], written: NOTHING_WRITTEN };
  }

  timing(): TimingReport {
    return this.#timed().report;
  }

  measuredLateness(): readonly MeasuredLateness[] {
    return this.#timed().report.measured;
  }

  lateness(kind: LatenessKind): HistogramReading {
    return this.#timed().lateness[kind];
  }

  measures(): Measures {
    return this.#timed().measures;
  }

  clocks(): readonly ProcessClocks[] {
    return this.#timed().clocks;
  }

  readonly patchConfig: ApiPort["patchConfig"] = (...args) => this.#ask("patchConfig", args);
  readonly replaceConfig: ApiPort["replaceConfig"] = (...args) => this.#ask("replaceConfig", args);
  readonly checkConfig: ApiPort["checkConfig"] = (...args) => this.#ask("checkConfig", args);
  readonly requestFailover: ApiPort["requestFailover"] = (...args) => this.#ask("requestFailover", args);
  readonly deleteFailover: ApiPort["deleteFailover"] = (...args) => this.#ask("deleteFailover", args);
  readonly restart: ApiPort["restart"] = (...args) => this.#ask("restart", args);
  readonly scheduleRestart: ApiPort["scheduleRestart"] = (...args) => this.#ask("scheduleRestart", args);
  readonly cancelScheduledRestart: ApiPort["cancelScheduledRestart"] = () =>
    this.#ask("cancelScheduledRestart", []);
  readonly reload: ApiPort["reload"] = () => this.#ask("reload", []);
  readonly reinitialize: ApiPort["reinitialize"] = (...args) => this.#ask("reinitialize", args);
  readonly acceptFailsafe: ApiPort["acceptFailsafe"] = (...args) => this.#ask("acceptFailsafe", args);
  readonly transferRaft: ApiPort["transferRaft"] = (...args) => this.#ask("transferRaft", args);
  readonly changeRaft: ApiPort["changeRaft"] = (...args) => this.#ask("changeRaft", args);
  readonly snapshotRaft: ApiPort["snapshotRaft"] = () => this.#ask("snapshotRaft", []);

  #ask<Outcome>(operation: Operation, args: readonly unknown[]): Promise<Outcome> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (value) => resolve(value as Outcome), reject });
      this.#tell({ kind: "ask", id, operation, args });
    });
  }

  #timed(): TimingSnapshot {
    if (this.#timing === null) throw new Error("the first copy of the agent's state has no timing");
    return this.#timing;
  }

  #take(snapshot: Snapshot): void {
    const changed = snapshot.version !== this.#snapshot.version;
    this.#snapshot = snapshot;
    if (snapshot.timing !== null) {
      this.#timing = snapshot.timing;
      this.#partMs.timing = snapshot.atMs;
    }
    if (snapshot.decisions !== null) {
      this.#decisions = snapshot.decisions;
      this.#partMs.decisions = snapshot.atMs;
    }
    if (snapshot.configuration !== null) {
      this.#configuration = snapshot.configuration;
      this.#partMs.configuration = snapshot.atMs;
    }
    if (snapshot.events !== null) {
      this.#events = snapshot.events;
      this.#partMs.events = snapshot.atMs;
    }
    if (changed) { for (const listener of [...this.#listeners]) listener(); }
  }

  #takeMetrics(metrics: WritingOutcome): void {
    this.#partMs.metrics = metrics.atMs;
    this.#metricsError = "error" in metrics ? metrics.error : null;
    if (!("error" in metrics)) this.#metrics = new MetricsCopy(metrics, aged);
  }

  /** One look is under way at a time. Ends when the copy has come, or the patience is over. */
  async #lookAgain(parts: readonly Part[]): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, PATIENCE_MS);
    try {
      // A look that does not bring everything needed is waited for first.
      while (this.#look !== null && !parts.every((part) => this.#look?.parts.includes(part))) {
        const before = this.#look;
        await Promise.race([before.done, timeout.promise]);
        if (this.#look === before) return;
      }
      await Promise.race([(this.#look ?? this.#beginLook(parts)).done, timeout.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #beginLook(parts: readonly Part[]) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = { number: ++this.#looks, parts, done: promise, arrived: resolve };
    this.#look = look;
    this.#tell({ kind: "look", look: look.number, parts });
    return look;
  }
}

/** A snapshot of the agent's port, for the other side. */
export function takeSnapshot(port: ApiPort, clock: Clock, parts: readonly Part[]): SnapshotText {
  const lateness = () =>
    Object.fromEntries(
      LATENESS_KINDS.map((kind) => [kind, port.lateness(kind)]),
    ) as TimingSnapshot["lateness"];
  // In this order: a lease that ends between the two must not look like one that is held without time.
  const leaseRemainingMs = port.leaseRemainingMs();
  const holdsLease = port.holdsLease();
  const snapshot: Snapshot = {
    atMs: clock.now(),
    view: port.view(),
    version: port.version(),
    holdsLease,
    leaseRemainingMs,
    timing: parts.includes("timing")
      ? { report: port.timing(), lateness: lateness(), clocks: port.clocks(), measures: port.measures() }
      : null,
    decisions: parts.includes("decisions") ? port.decisions() : null,
    configuration: parts.includes("configuration") ? port.configuration() : null,
    events: parts.includes("events") ? port.events() : null,
  };
  return exactJson(snapshot);
}

function snapshotIn(text: SnapshotText): Snapshot {
  return fromExactJson(text) as Snapshot;
}

function partsFor(path: string): readonly Part[] {
  if (path === METRICS_PATH) return ["metrics"];
  if (path === "/agent/timing") return ["view", "timing"];
  if (path.startsWith("/agent/config/")) return ["view", "configuration"];
  if (path === "/agent/events") return ["view", "events"];
  if (path === "/agent/why") return ["view", "events", "decisions"];
  return path === "/agent/decisions" ? ["view", "decisions"] : ["view"];
}

function aged(view: ApiView, byMs: number): ApiView {
  return {
    ...view,
    dcsAgeMs: view.dcsAgeMs === null ? null : view.dcsAgeMs + byMs,
    // A loop that hangs has not asked PostgreSQL, either.
    sqlAnswers: view.sqlAnswers && byMs < STATE_KNOWN_MS,
    statuses: view.statuses.map(({ status, ageMs }) => ({ status, ageMs: ageMs + byMs })),
    loopAgeMs: view.loopAgeMs + byMs,
  };
}
