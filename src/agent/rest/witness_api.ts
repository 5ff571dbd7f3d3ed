/**
 * A witness behind the REST API: the cluster as it sees it, and the requests that concern the records and
 * the raft group.
 */
import type {
  ApiPort,
  ApiView,
  FailsafeOutcome,
  ProcessClocks,
  ReinitializeOutcome,
  RestartOutcome,
  WriteOutcome,
} from "../../api/port.ts";
import type { Measures } from "../../model/measures.ts";
import type { TimingReport } from "../../model/timing.ts";
import { ClusterApi, type ClusterApiOptions } from "./cluster_api.ts";
import type { Witness } from "../loop/witness.ts";

export interface WitnessApiOptions extends ClusterApiOptions {
  readonly witness: Witness;
}

const NO_POSTGRESQL = "this is a witness: it has no PostgreSQL";

export class WitnessApi extends ClusterApi implements ApiPort {
  readonly #options: WitnessApiOptions;

  constructor(options: WitnessApiOptions) {
    super(options.witness.voter, options);
    this.#options = options;
  }

  leaseRemainingMs(): number {
    return 0;
  }

  holdsLease(): boolean {
    return false;
  }

  timing(): TimingReport {
    return this.timingReport(() => ({ used: false, why: NO_POSTGRESQL }));
  }

  clocks(): readonly ProcessClocks[] {
    return [this.ownClocks()];
  }

  measures(): Measures {
    return this.sharedMeasures({ demotions: {}, rewinds: null, archiveFailed: null });
  }

  view(): ApiView {
    const { witness, clock } = this.#options;
    return {
      ...this.sharedView(clock.now()),
      postgres: null,
      sqlAnswers: false,
      status: null,
      guard: null,
      watchdog: null,
      failsafeActive: false,
      counters: {
        promotions: 0,
        fences: 0,
        lateLoops: witness.voter.loop.lateLooks,
        events: witness.voter.eventCounts,
      },
    };
  }

  restart(): Promise<RestartOutcome> {
    return Promise.resolve({ kind: "failed" });
  }

  scheduleRestart(): Promise<WriteOutcome> {
    return Promise.resolve({ kind: "unavailable", reason: NO_POSTGRESQL });
  }

  cancelScheduledRestart(): Promise<{ readonly kind: "missing" }> {
    return Promise.resolve({ kind: "missing" });
  }

  reinitialize(): Promise<ReinitializeOutcome> {
    return Promise.resolve({ kind: "refused", reason: NO_POSTGRESQL });
  }

  acceptFailsafe(): Promise<FailsafeOutcome> {
    return Promise.resolve({ kind: "refused", reason: NO_POSTGRESQL });
  }
}
