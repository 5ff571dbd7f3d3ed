/**
 * Watches this member's disk, and lets others lead while the disk is unfit for that: while it does not
 * answer, and while it is full. The others are asked one after another, since the next one's disk may be full
 * as well.
 */
import type { Message } from "../core/types.ts";
import type { CoreDriver } from "./core_driver.ts";
import type { Clock, LogStorage } from "./ports.ts";
import type { LogSink } from "./raft_options.ts";

/** Time for one of the others to take over before the next one is asked. */
const ASK_NEXT_AFTER_MS = 5000;

export interface StepAsideOptions {
  readonly storage: LogStorage;
  readonly clock: Clock;
  readonly log: LogSink;
  readonly electionMinMs: number;
  readonly driver: () => CoreDriver | null;
}

export class StepAside {
  #options: StepAsideOptions;
  #shortage: string | null = null;
  /** Number of times that leadership was offered since the shortage began. */
  #offers = 0;
  #offeredMs = -Infinity;

  constructor(options: StepAsideOptions) {
    this.#options = options;
  }

  /** Whether a write has been pending for longer than an election takes. */
  get diskHangs(): boolean {
    const { storage, electionMinMs } = this.#options;
    return storage.oldestPendingMs() > electionMinMs;
  }

  /** Says that the disk is full; null: it is not. */
  get shortage(): string | null {
    return this.#shortage;
  }

  /**
   * Says why no command is taken here now; null: commands are taken. Followers pass commands on, and need
   * little room.
   */
  get refusal(): string | null {
    return this.#leads ? this.#shortage : null;
  }

  /**
   * Whether a full disk refuses a message: commands of others while this node leads, and leadership at the
   * wish of another member. The node stays a candidate like any other: when all disks are full, a leader that
   * takes no commands is better than none.
   */
  refuses({ type }: Message): boolean {
    if (this.#shortage === null) return false;
    return type === "timeoutNow" || (type === "propose" && this.#leads);
  }

  /** Called at every tick. */
  tick(): void {
    this.#watchHang();
    this.#watchSpace();
  }

  get #leads(): boolean {
    return this.#options.driver()?.core.role === "leader";
  }

  /**
   * Gives up leadership while the disk hangs. Such a leader can commit nothing, but would keep its followers
   * loyal by heartbeats. It falls silent and offers leadership to the member that has most of the log;
   * without answers its quorum check ends its role.
   */
  #watchHang(): void {
    const driver = this.#options.driver();
    if (!driver || driver.mutedAsLeader === this.diskHangs) return;
    driver.mutedAsLeader = !driver.mutedAsLeader;
    if (!driver.mutedAsLeader || !this.#leads) return;
    this.#options.log(
      "warning",
      "raft_disk_hangs",
      "the raft log's disk does not answer: giving up leadership",
    );
    this.#offer(0);
  }

  #watchSpace(): void {
    const { storage, log, clock } = this.#options;
    const shortage = storage.shortOfSpace();
    const before = this.#shortage;
    this.#shortage = shortage;
    if (shortage === null) {
      if (before !== null) log("info", "raft_disk_full", "the disk of the raft log has room again");
      return;
    }
    if (before === null) {
      log("error", "raft_disk_full", `${shortage}. Until then this member does not lead if another one can`);
      this.#options.driver()?.shrinkLog();
      this.#offers = 0;
      this.#offeredMs = -Infinity;
    }
    if (!this.#leads || clock.now() - this.#offeredMs < ASK_NEXT_AFTER_MS) return;
    this.#offeredMs = clock.now();
    this.#offer(this.#offers++);
  }

  /** Offers leadership to the voter that has most of the log, or to the `turn`th after it. */
  #offer(turn: number): void {
    const driver = this.#options.driver();
    if (!driver) return;
    const { id, progress } = driver.core.status();
    const others = progress.filter((one) => one.voter && one.recentActive && one.id !== id);
    const next = others.sort((a, b) => b.match - a.match)[turn % Math.max(1, others.length)];
    if (next) driver.core.transferLeader(next.id);
  }
}
