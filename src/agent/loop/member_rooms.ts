/** The rooms of a member, and how they are wired. Decides nothing. */
import { NOTHING_BROKEN } from "../../dcs/broken_rules.ts";
import type { OwnAilment } from "../../brain/health/course.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Life } from "../../model/life.ts";
import type { MemberFacts } from "../../model/records.ts";
import type { CertificateEnd } from "../../model/certificate.ts";
import type { ReloadRefused } from "../../model/reload_refused.ts";
import { type AskFailsafe, Failsafe } from "../lease/failsafe.ts";
import { Tenancy } from "../lease/tenancy.ts";
import type { Watchdog } from "../lease/watchdog.ts";
import { Joining } from "../peers/joining.ts";
import type { PostgresPort } from "../postgres/port.ts";
import { Actor } from "./act.ts";
import { CutWatch } from "./cut_watch.ts";
import { FlushWatch } from "./flush_watch.ts";
import { GuardNews } from "./guard_news.ts";
import { LeadFailures } from "./lead_failures.ts";
import type { NextLook } from "./look_timer.ts";
import { Observer } from "./observe.ts";
import { OwnEvents } from "./own_events.ts";
import { Publisher } from "./publish.ts";
import { PromotionLine } from "./promotion_line.ts";
import { RaceLines } from "./race_lines.ts";
import { Reinitialization } from "./reinitialization.ts";
import { StopNote } from "./stop_note.ts";
import { StreamedTo } from "./streamed_to.ts";
import { SyncPen } from "./sync_pen.ts";
import { SyncWatch } from "./sync_watch.ts";
import { Voter, type VoterDuties, type VoterOptions } from "./voter.ts";
import { WalSettling } from "./wal_settling.ts";

export interface MemberOptions extends Omit<VoterOptions, "who"> {
  /** Machine and boot that this member runs on; the third part of its life is its raft id. */
  readonly machine: Pick<Life, "machine" | "boot">;
  /** Random, one for each start of the agent; at most 2^48. */
  readonly incarnation: number;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort;
  /** The device behind the guard. @default none */
  readonly watchdog?: Watchdog;
  readonly facts: () => MemberFacts;
  readonly nofailover: () => boolean;
  readonly failoverPriority: () => number;
  /** The last reload of the file, when it was refused. @default none */
  readonly reloadRefused?: () => ReloadRefused | null;
  /** Certificates that end soon. @default none */
  readonly certificatesEnding?: () => readonly CertificateEnd[];
  /** What is not well with this host or its PostgreSQL; null: not looked at. @default null */
  readonly ailments?: () => readonly OwnAilment[] | null;
  /** Raft ids of all members. */
  readonly peers: () => readonly number[];
  /** `bootstrap.dcs`: written to the records once, by the member that bootstraps. */
  readonly bootstrapConfig: () => JsonObject;
  /** Whether an agent of that name answers at that api_url: another machine that uses this name. */
  readonly memberAnswers: (name: string, apiUrl: string, done: (answers: boolean) => void) => void;
  /** Failsafe mode: asks a member over its REST API. */
  readonly askFailsafe: AskFailsafe;
}

export interface MemberRooms {
  readonly options: MemberOptions;
  readonly voter: Voter;
  readonly tenancy: Tenancy;
  readonly joining: Joining;
  readonly failsafe: Failsafe;
  readonly observer: Observer;
  readonly publisher: Publisher;
  readonly actor: Actor;
  readonly settling: WalSettling;
  readonly cutWatch: CutWatch;
  readonly syncPen: SyncPen;
  readonly flushWatch: FlushWatch;
  readonly guardNews: GuardNews;
  readonly syncWatch: SyncWatch;
  readonly streamedTo: StreamedTo;
  readonly stopNote: StopNote;
  readonly leadFailures: LeadFailures;
  readonly ownEvents: OwnEvents;
  readonly promotionLine: PromotionLine;
  readonly raceLines: RaceLines;
  readonly reinitialization: Reinitialization;
  /** This machine; its raft id once it has a place. */
  readonly life: () => Life;
}

/** What the rooms ask of the member that they are the rooms of. */
export interface MemberCalls {
  /** One pass of the loop; returns when to look again at the latest. */
  readonly look: (nowMs: number, woken: boolean) => NextLook;
  /** A restart of PostgreSQL is due. */
  readonly restart: (timeoutS: number | null) => void;
}

export function memberRooms(options: MemberOptions, { look, restart }: MemberCalls): MemberRooms {
  const { raft, machine: { machine, boot } } = options;
  const life = () => ({ node: raft.id, machine, boot });
  // Nothing is heard before all rooms are there.
  const duties = voterDuties(options, look, () => rooms);
  const voter: Voter = new Voter({ ...options, who: "agent" }, duties);
  const tenancy = newTenancy(options, voter, life);
  const joining = newJoining(options, voter, tenancy, life);
  const failsafe = newFailsafe(options, voter, tenancy);
  const stopNote = new StopNote();
  const leadFailures = new LeadFailures();
  const syncPen = new SyncPen();
  const rooms: MemberRooms = {
    options,
    voter,
    tenancy,
    joining,
    failsafe,
    observer: new Observer(options.clock.now()),
    publisher: new Publisher({ raft, peers: options.peers }),
    actor: newActor(options, { voter, tenancy, failsafe, stopNote, leadFailures, syncPen, life }, restart),
    settling: new WalSettling(),
    cutWatch: new CutWatch(),
    syncPen,
    flushWatch: new FlushWatch(),
    guardNews: new GuardNews(),
    syncWatch: new SyncWatch(),
    streamedTo: new StreamedTo(),
    stopNote,
    leadFailures,
    ownEvents: new OwnEvents(),
    promotionLine: new PromotionLine(),
    raceLines: new RaceLines(),
    reinitialization: new Reinitialization(),
    life,
  };
  return rooms;
}

function voterDuties(
  { postgres }: MemberOptions,
  look: MemberCalls["look"],
  rooms: () => MemberRooms,
): VoterDuties {
  return {
    look,
    heard: () => {},
    askedForStatus: (from) => rooms().publisher.asked(from),
    peer: (id, connected) => rooms().publisher.peer(id, connected),
    namesake: () => rooms().joining.namesakeHeard(),
    acknowledged: (ack) => rooms().tenancy.acknowledged(ack),
    raftLeader: (isKnown) => {
      rooms().joining.raftLeader(isKnown);
      if (isKnown) rooms().tenancy.renewSoon();
    },
    lockChanged: () => {
      postgres.refresh();
      rooms().tenancy.renewSoon();
      rooms().joining.lockChanged();
    },
    isNews: (by) => by === "keeper" && postgres.view().action === null,
  };
}

function newTenancy(options: MemberOptions, voter: Voter, life: () => Life): Tenancy {
  const { name, incarnation, clock, raft, dcs, guard, postgres, broken = NOTHING_BROKEN } = options;
  const { proposer } = voter;
  const state = () => dcs.state;
  const wake = () => voter.wake();
  return new Tenancy({
    name,
    life,
    incarnation,
    clock,
    raft,
    guard,
    proposer,
    watchdog: options.watchdog,
    state,
    paused: () => voter.dynamic.pause,
    inRecovery: () => postgres.view().inRecovery === true,
    send: (renewal) => voter.renew(renewal),
    tookMs: (roundTripMs) => voter.loop.lateness.record("renewal", roundTripMs),
    wake,
    broken,
  });
}

function newJoining(options: MemberOptions, voter: Voter, tenancy: Tenancy, life: () => Life): Joining {
  const { name, incarnation, clock, log, dcs, memberAnswers, exit } = options;
  const { proposer } = voter;
  const state = () => dcs.state;
  const wake = () => voter.wake();
  return new Joining({
    name,
    incarnation,
    clock,
    log,
    state,
    facts: () => ({ ...options.facts(), life: life() }),
    tenancy,
    proposer,
    memberAnswers,
    exit,
    wake,
  });
}

function newFailsafe(options: MemberOptions, voter: Voter, tenancy: Tenancy): Failsafe {
  const { name, clock, dcs, guard, postgres, log, broken = NOTHING_BROKEN } = options;
  const { proposer } = voter;
  const state = () => dcs.state;
  const wake = () => voter.wake();
  return new Failsafe({
    name,
    clock,
    state,
    dynamic: () => voter.dynamic,
    tenancy,
    proposer,
    guard,
    postgres,
    ask: options.askFailsafe,
    // Otherwise a primary that lost raft right after its promotion might not have been seen by any member,
    // and a cold start would be waited out.
    holderSeen: (epoch) => voter.sightings.seen(epoch),
    log,
    wake,
    broken,
  });
}

function newActor(
  options: MemberOptions,
  rooms: Pick<
    MemberRooms,
    "voter" | "tenancy" | "failsafe" | "stopNote" | "leadFailures" | "syncPen" | "life"
  >,
  restart: MemberCalls["restart"],
): Actor {
  const { name, incarnation, clock, guard, postgres, log, exit } = options;
  const { voter, tenancy, failsafe, stopNote, leadFailures, syncPen, life } = rooms;
  return new Actor({
    name,
    incarnation,
    postgres,
    guard,
    proposer: voter.proposer,
    tenancy,
    failsafe,
    stopNote,
    leadFailures,
    syncPen,
    life,
    sync: () => options.dcs.state.sync,
    grantTtlMs: () => options.dcs.state.grantTtlMs,
    restart,
    maxHistoryLines: () => voter.dynamic.maxTimelinesHistory,
    nowMs: () => clock.now(),
    wallTime: () => voter.wallTime(),
    log,
    wake: () => voter.wake(),
    exit: (message) => {
      voter.end();
      exit(1, message);
    },
  });
}
