/**
 * Looks after the health of this host and of its PostgreSQL, on a timer of its own: what the probes find
 * becomes ailments (src/brain/health), which the member tells the others and decides by. A probe that hangs
 * delays only the next probe.
 */
import type { Clock } from "../../../raft/mod.ts";
import {
  advance,
  ailmentsOf,
  type Course,
  forget,
  HEALTHY,
  type Look,
  type OwnAilment,
} from "../../brain/health/course.ts";
import { type Filling, fullInMs, noteRoom } from "../../brain/health/filling.ts";
import {
  DISK_CAUSES,
  diskSymptoms,
  hungSymptom,
  POSTMASTER_CAUSES,
  SERVER_CAUSES,
  type Symptom,
} from "../../brain/health/symptoms.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { PlaceReading } from "../../model/place_reading.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import { DiskProbe } from "./disk_probe.ts";
import { Movement } from "./movement.ts";

export interface HealthWatchOptions {
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly log: Log;
  /** This executable, for the process that touches the disks. */
  readonly command: readonly string[];
  readonly dataDir: string;
  readonly postgres: () => Pick<
    PostgresView,
    "directory" | "action" | "process" | "walLsn" | "receivedLsn"
  >;
  /** The process id of the running postmaster. */
  readonly postmasterPid: () => number | null;
  /** One look at the running PostgreSQL; null: it says nothing. Never rejects. */
  readonly lookAtServer: () => Promise<readonly Symptom[] | null>;
  readonly dynamic: () => DynamicConfig;
  /** The ailments are others than before. */
  readonly changed: () => void;
}

/** An ailment would have begun by then. */
const ENOUGH_LOOKS = 2;
/** Until there were enough looks: others do not hand over to a member that has not looked. */
const FIRST_S = 2;
/** A probe may last for so many looks beyond its limit, so that a disk that hangs is seen. */
const LOOKS_OF_ONE = 3;
/** A probe that is stopped or starved is ended so much later. */
const GIVE_UP_S = 300;
/** The longest time that a timer takes. */
const MOST_MS = 2 ** 31 - 1;
/** After so many looks that came to nothing, what was found before says nothing any more. */
const STALE_LOOKS = 3;
/** How often it is asked whether to look again, once that is switched off. */
const OFF_S = 10;

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #probe: DiskProbe;
  #course: Course = HEALTHY;
  #places: readonly PlaceReading[] = [];
  #filling: Filling = {};
  /** Probes of the disks that have come to their end. */
  #looks = 0;
  #looksAtServer = false;
  /** Clock.now() of the last look that said something. */
  #disksSeenMs = 0;
  #serverSeenMs = 0;
  /** The postmaster that the last look at the server was about. */
  #seenPid: number | null = null;
  /** The end of WAL on this host's disk. */
  readonly #wal = new Movement();
  #lastFailure: string | null = null;

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    this.#probe = new DiskProbe(options.command, () => options.clock.now());
  }

  /** Begins to look, and goes on until the process ends. */
  start(): void {
    const { clock, dynamic } = this.#options;
    const { healthIntervalS } = dynamic();
    const isNew = this.#looks < ENOUGH_LOOKS;
    const delayS = healthIntervalS === 0
      ? OFF_S
      : isNew
      ? Math.min(FIRST_S, healthIntervalS)
      : healthIntervalS;
    clock.after(delayS * 1000, () => {
      if (dynamic().healthIntervalS === 0) this.#forget();
      else this.#tick();
      this.start();
    });
  }

  /** One of each cause, in a fixed order; null: there were not enough looks to say that there is none. */
  ailments(): readonly OwnAilment[] | null {
    const found = ailmentsOf(this.#known());
    return found.length === 0 && this.#looks < ENOUGH_LOOKS ? null : found;
  }

  /** Without what a postmaster had that has ended, once another one runs. */
  #known(): Course {
    const pid = this.#options.postmasterPid();
    const isAnother = pid !== null && this.#seenPid !== null && pid !== this.#seenPid;
    return isAnother ? forget(this.#course, POSTMASTER_CAUSES) : this.#course;
  }

  /** As the last probe that ended has found them; empty: none has. */
  get places(): readonly PlaceReading[] {
    return this.#places;
  }

  /** It is switched off: nothing is known, and nothing is said. */
  #forget(): void {
    if (this.ailments() === null && this.#places.length === 0) return;
    this.#course = HEALTHY;
    this.#looks = 0;
    this.#places = [];
    this.#options.changed();
  }

  #tick(): void {
    const { clock, dynamic, postgres } = this.#options;
    const nowMs = clock.now();
    const { walLsn, receivedLsn } = postgres();
    this.#wal.see(walLsn ?? receivedLsn, nowMs);
    if (!this.#looksAtServer) void this.#lookAtServer();
    const limitMs = dynamic().diskTimeoutS * 1000;
    const { running, at } = this.#probe;
    const forMs = at === null ? 0 : nowMs - at.sinceMs;
    if (at !== null && forMs >= limitMs) {
      const moves = this.#wal.movedWithin(limitMs, nowMs);
      this.#look(["hung-disk", "slow-disk"], [hungSymptom({ ...at, forMs }, this.#places, moves)]);
      this.#disksSeenMs = nowMs;
    }
    this.#forgetOld(nowMs);
    if (!running && mayProbe(postgres())) void this.#probeDisks();
  }

  /**
   * A probe that cannot be started, or that does not begin, says nothing, and neither does what was found
   * long ago: others would hand over to this member because it was well, or it would because it was sick.
   */
  #forgetOld(nowMs: number): void {
    const { healthIntervalS, diskTimeoutS } = this.#options.dynamic();
    const oldMs = (STALE_LOOKS * healthIntervalS + diskTimeoutS) * 1000;
    // A stop has limits of its own, and what it was begun for is not forgotten before it ends.
    if (this.#options.postgres().action?.kind === "stop") this.#serverSeenMs = nowMs;
    const before = this.ailments();
    if (nowMs - this.#serverSeenMs >= oldMs) this.#course = forget(this.#course, SERVER_CAUSES);
    if (nowMs - this.#disksSeenMs >= oldMs) {
      this.#course = forget(this.#course, DISK_CAUSES);
      this.#looks = 0;
      this.#places = [];
    }
    const now = this.ailments();
    this.#say(before ?? [], now ?? [], "is not known any more");
    if (before === null || now !== null || before.length > 0) return;
    // A directory that is being filled is not looked at, and nothing is amiss.
    if (mayProbe(this.#options.postgres())) {
      const text = "the disks were not looked at for a while: nothing is known of them";
      this.#options.log.warning("disk_probe", text);
    }
    this.#options.changed();
  }

  async #probeDisks(): Promise<void> {
    const { clock, dataDir, dynamic, log } = this.#options;
    const { healthIntervalS, diskTimeoutS } = dynamic();
    const giveUpS = GIVE_UP_S + diskTimeoutS + LOOKS_OF_ONE * healthIntervalS;
    const { places, failed } = await this.#probe.run(dataDir, Math.min(giveUpS * 1000, MOST_MS));
    if (failed !== null && failed !== this.#lastFailure) {
      log.warning("disk_probe", `the disks were not looked at, and nothing is known of them: ${failed}`);
    }
    this.#lastFailure = failed;
    if (failed !== null) return;
    this.#places = places;
    this.#looks++;
    const nowMs = clock.now();
    this.#disksSeenMs = nowMs;
    this.#filling = noteRoom(this.#filling, places, nowMs);
    const fullIn = (place: PlaceReading) => fullInMs(this.#filling, place, nowMs);
    this.#look(DISK_CAUSES, diskSymptoms(places, dynamic(), ailmentsOf(this.#course), fullIn));
    if (this.#looks === ENOUGH_LOOKS) this.#options.changed();
  }

  /**
   * A server that does not run, or that is being stopped, is neither well nor ill: were a hung one well while
   * it is stopped to hand over for it, it would be started here again. The next one is another matter.
   */
  async #lookAtServer(): Promise<void> {
    const { postgres, lookAtServer, postmasterPid } = this.#options;
    if (!serves(postgres())) return;
    const pid = postmasterPid();
    this.#looksAtServer = true;
    const symptoms = await lookAtServer();
    this.#looksAtServer = false;
    // It may have been stopped, frozen or replaced in the meantime.
    if (symptoms === null || !serves(postgres()) || postmasterPid() !== pid) return;
    const before = ailmentsOf(this.#course);
    this.#course = this.#known();
    this.#say(before, ailmentsOf(this.#course), "is over: another postmaster runs");
    this.#seenPid = pid;
    this.#lookedAtServer(symptoms);
  }

  #lookedAtServer(symptoms: readonly Symptom[]): void {
    this.#serverSeenMs = this.#options.clock.now();
    this.#look(SERVER_CAUSES, symptoms);
  }

  #look(about: Look["about"], symptoms: Look["symptoms"]): void {
    const { clock, wallMs } = this.#options;
    const before = ailmentsOf(this.#course);
    const at = new Date(wallMs()).toISOString();
    this.#course = advance(this.#course, { nowMs: clock.now(), at, about, symptoms });
    this.#say(before, ailmentsOf(this.#course), "is over");
  }

  #say(before: readonly OwnAilment[], now: readonly OwnAilment[], over: string): void {
    const { log, changed } = this.#options;
    for (const { cause, severity, detail } of now) {
      const old = before.find((each) => each.cause === cause);
      if (old?.severity === severity) continue;
      const level = severity === "critical" ? "error" : "warning";
      log[level]("ailment", `${cause} (${severity}): ${detail}`, { cause, severity });
    }
    for (const { cause, since } of before) {
      if (now.some((each) => each.cause === cause)) continue;
      log.info("ailment_over", `${cause} ${over}; it had lasted since ${since}`, { cause });
    }
    if (JSON.stringify(before) !== JSON.stringify(now)) changed();
  }
}

/** Actions that make, fill or move the data directory: nothing is put into it beside them. */
const CHANGES_DIRECTORY = ["bootstrap", "clone", "rewind"];

function serves({ process, action }: Pick<PostgresView, "process" | "action">): boolean {
  return process === "running" && action === null;
}

function mayProbe({ directory, action }: Pick<PostgresView, "directory" | "action">): boolean {
  return directory.kind === "valid" && (action === null || !CHANGES_DIRECTORY.includes(action.kind));
}
