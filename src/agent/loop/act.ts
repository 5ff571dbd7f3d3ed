/** Carries out decisions: a handler for each kind of action and of duty. Decides nothing. */
import type { Action, Decision, PostgresAction } from "../../brain/actions.ts";
import type { Duty } from "../../brain/duties.ts";
import { isOtherData } from "../../brain/other_data.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import { withOffset } from "../../model/iso_time.ts";
import type { Life } from "../../model/life.ts";
import type { SyncRecord } from "../../model/records.ts";
import type { Failsafe } from "../lease/failsafe.ts";
import type { LeadFailures } from "./lead_failures.ts";
import type { PostgresPort } from "../postgres/port.ts";
import type { Proposer } from "../lease/proposer.ts";
import type { StopNote } from "./stop_note.ts";
import type { SyncPen } from "./sync_pen.ts";
import type { Tenancy } from "../lease/tenancy.ts";

export interface ActorOptions {
  readonly name: string;
  readonly incarnation: number;
  readonly postgres: PostgresPort;
  readonly guard: GuardPort;
  readonly proposer: Proposer;
  readonly tenancy: Tenancy;
  readonly failsafe: Failsafe;
  readonly stopNote: StopNote;
  readonly leadFailures: LeadFailures;
  readonly syncPen: SyncPen;
  readonly life: () => Life;
  readonly sync: () => SyncRecord;
  readonly grantTtlMs: () => number;
  readonly restart: (timeoutS: number | null) => void;
  readonly maxHistoryLines: () => number;
  readonly nowMs: () => number;
  /** For people. */
  readonly wallTime: () => string;
  readonly log: Log;
  readonly wake: () => void;
  /** Nothing more is decided, and the process ends with this message. */
  readonly exit: (message: string) => void;
}

type Of<Union extends { readonly kind: string }, Kind> = Extract<Union, { readonly kind: Kind }>;
type Handlers = { readonly [Kind in Action["kind"]]: (action: Of<Action, Kind>, reason: string) => void };
type DutyHandlers = { readonly [Kind in Duty["kind"]]: (duty: Of<Duty, Kind>) => void };

export class Actor {
  readonly #options: ActorOptions;
  #promotions = 0;
  /** By the rule that decided. */
  readonly #demotions: { [rule: string]: number } = {};
  /** Deadline of the lease that a checkpoint was made for. */
  #checkpointedForMs: number | null = null;

  constructor(options: ActorOptions) {
    this.#options = options;
  }

  get promotions(): number {
    return this.#promotions;
  }

  /** Demotions since the start of the agent, by the rule that decided. */
  get demotions(): { readonly [rule: string]: number } {
    return this.#demotions;
  }

  get checkpointedForMs(): number | null {
    return this.#checkpointedForMs;
  }

  act(action: Action, { rule, reason }: Pick<Decision, "rule" | "reason">): void {
    if (action.kind === "stop") this.#countDemotion(rule);
    // The table has a handler of exactly this kind of action.
    (this.#handlers[action.kind] as (action: Action, reason: string) => void)(action, reason);
  }

  /** Fulfils a duty that is owed as long as a state lasts. The same duty may come again and again. */
  fulfil(duty: Duty): void {
    (this.#duties[duty.kind] as (duty: Duty) => void)(duty);
  }

  readonly #run = (action: PostgresAction): void => {
    this.#options.postgres.run(action);
  };

  readonly #handlers: Handlers = {
    "claim-initialize": () =>
      this.#propose({ op: "claimInitialize", incarnation: this.#options.incarnation }),
    "complete-initialize": ({ systemId }) =>
      this.#propose({ op: "completeInitialize", incarnation: this.#options.incarnation, systemId }),
    "clear-initialize": () => {
      const { name: of, incarnation } = this.#options;
      this.#propose({ op: "clearInitialize", of, incarnation });
    },
    "adopt-primary": (action) => {
      this.#afterFailsafe(action);
      this.#options.guard.adopt?.(action.epoch, this.#options.wake);
    },
    follow: ({ follow }) => this.#options.postgres.desire({ upstream: follow }),
    release: ({ epoch, unable, unclean }, reason) => {
      if (unable) this.#sitOut(epoch, reason);
      this.#release(epoch, reason, unclean === true);
    },
    exit: ({ message }) => this.#options.exit(message),

    "start-primary": (action) => {
      this.#afterFailsafe(action);
      this.#run(action);
    },
    promote: (action) => {
      this.#afterFailsafe(action);
      if (this.#options.postgres.view().action?.kind !== "promote") this.#promotions++;
      this.#run(action);
    },
    stop: (action, reason) => {
      const { postgres, stopNote, wallTime } = this.#options;
      // The standbys that stream from here count in the choice of a successor: looked at while the checkpoint
      // runs.
      if (action.checkpoint) postgres.refresh();
      stopNote.asked(action.how, reason, wallTime());
      this.#run(action);
    },
    restart: (action, reason) => {
      this.#options.stopNote.asked("fast", reason, this.#options.wallTime());
      this.#run(action);
    },
    bootstrap: this.#run,
    "finish-bootstrap": this.#run,
    "seal-bootstrap": this.#run,
    clone: this.#run,
    restore: this.#run,
    "start-standby": this.#run,
    checkpoint: this.#run,
    rewind: this.#run,
    "set-aside": this.#run,
    "joined-history": this.#run,
    "compare-history": this.#run,
  };

  readonly #duties: DutyHandlers = {
    "declare-standby": () => this.#options.guard.adopt?.(null, this.#options.wake),
    "cancel-copy": ({ why, sourceFails }) => this.#options.postgres.cancelLongAction(why, sourceFails),
    slots: ({ kind: _, ...slots }) => this.#options.postgres.desire({ slots }),
    "sync-setting": ({ setting }) => this.#options.postgres.desire({ sync: setting }),
    "sync-record": ({ epoch, record, flushed, expectRevision }) => {
      const { proposer, syncPen, life, wake } = this.#options;
      const { leader, syncStandby, quorum, data = {} } = record;
      syncPen.proposed(expectRevision);
      proposer.repeat(
        { op: "setSync", epoch, life: life(), leader, syncStandby, quorum, data, flushed, expectRevision },
        wake,
      );
    },
    "record-history": ({ epoch, line, at }) => {
      const { proposer, name, wallTime, maxHistoryLines } = this.#options;
      const full = [...line, withOffset(at ?? wallTime()), name] as const;
      proposer.repeat({ op: "addHistory", epoch, line: full, maxLines: maxHistoryLines() }, () => {});
    },
    "scheduled-restart": ({ id, restarts, timeoutS, text }) => {
      const { proposer, name: member, restart, wake } = this.#options;
      proposer.repeat({ op: "endRestart", member, id, text }, (outcome) => {
        if (outcome.kind === "done" && restarts) restart(timeoutS);
        wake();
      });
    },
    checkpoint: ({ leaseUntilMs }) => {
      const { log, postgres } = this.#options;
      this.#checkpointedForMs = leaseUntilMs;
      log.warning(
        "renewal",
        "the lease has not been renewed for half of its time: a checkpoint, in case it runs out",
      );
      postgres.run({ kind: "checkpoint" });
    },
  };

  #countDemotion(rule: string): void {
    const view = this.#options.postgres.view();
    if (view.writable && view.action?.kind !== "stop") {
      this.#demotions[rule] = (this.#demotions[rule] ?? 0) + 1;
    }
  }

  #propose(command: Parameters<Proposer["repeat"]>[0]): void {
    this.#options.proposer.repeat(command, this.#options.wake);
  }

  #sitOut(epoch: number, why: string): void {
    const { leadFailures, nowMs, wallTime, grantTtlMs, log } = this.#options;
    const sitsOutMs = leadFailures.letGo(epoch, why, nowMs(), wallTime(), grantTtlMs());
    if (sitsOutMs === null) return;
    log.error(
      "cannot_lead",
      `this member cannot become the primary (${why}): it lets the lock go, and others come first for ${
        sitsOutMs / 1000
      } s`,
    );
  }

  #release(epoch: number, reason: string, unclean = false): void {
    const { postgres, tenancy, name, sync } = this.#options;
    const view = postgres.view();
    // The last line of defence: releasing while something can acknowledge would hand the lock over too early.
    if (view.process !== "none" && view.writable) {
      throw new Error(`release of epoch ${epoch} while PostgreSQL may be writable`);
    }
    // The end of a directory that was put in place of the holder's is not the end of what the holder wrote: a
    // member that goes no further would count as having all that was acknowledged (hasAllOfCleanEnd).
    const isOwn = view.directory.kind === "valid" && !isOtherData(name, sync(), view.directory);
    const control = isOwn && !unclean ? view.directory.control : null;
    const clean = control !== null && control.clusterState === "shut down";
    tenancy.release(epoch, reason, clean ? control.checkpointLsn : null, control?.timeline ?? null);
    postgres.released?.();
  }

  /** The last line of defence: another member may still write, by this member's own promise. */
  #afterFailsafe({ kind, epoch }: { readonly kind: string; readonly epoch: number }): void {
    if (this.#options.failsafe.waitUntilMs() > this.#options.nowMs()) {
      throw new Error(`${kind} under epoch ${epoch} before the wait of failsafe mode is over`);
    }
  }
}
