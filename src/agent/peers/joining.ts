/**
 * Takes this node's place among the members: logs its facts when they are new in this start of the agent.
 * When that is applied, the records known here are not older than the start. A name belongs to one machine at
 * a time. A name that a living machine has ends this agent. A name whose machine is silent is taken over only
 * after listening, and not while the lock may be held under it.
 */
import type { Clock } from "../../../raft/mod.ts";
import type { RefusalCode } from "../../dcs/commands.ts";
import type { Log } from "../../lib/log.ts";
import { claimOn, describeLife, isSameLife, type Life, mayRelease } from "../../model/life.ts";
import { pauseAfter } from "../../model/pause_after.ts";
import { type DcsState, knownMember, type MemberFacts } from "../../model/records.ts";
import { NAMESAKE_MS, nameTaken } from "./namesake.ts";
import type { Proposer } from "../lease/proposer.ts";
import type { Tenancy } from "../lease/tenancy.ts";

/**
 * Joining is tried again after this: raft has no leader yet, or another machine holds the lock under this
 * member's name.
 */
const JOIN_AGAIN_MS = 250;
const MAX_JOIN_AGAIN_MS = 5000;
/**
 * A name is taken over from a member that was not heard for this long in contact with the others: statuses
 * come twice a second.
 */
const LISTEN_MS = 2000;

export interface JoiningOptions {
  readonly name: string;
  readonly incarnation: number;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  readonly state: () => DcsState;
  /** The node's facts, with the life that it has now. */
  readonly facts: () => MemberFacts & { readonly life: Life };
  readonly tenancy: Pick<Tenancy, "isJoined" | "joined">;
  readonly proposer: Pick<Proposer, "propose">;
  /** Whether an agent of that name answers at that api_url: another machine that uses this member's name. */
  readonly memberAnswers: (name: string, apiUrl: string, done: (answers: boolean) => void) => void;
  /** Ends the process. */
  readonly exit: (code: number, message: string) => void;
  readonly wake: () => void;
}

export class Joining {
  readonly #options: JoiningOptions;
  #underWay = false;
  /** The facts as text; empty: none of this start are applied. */
  #joinedFacts = "";
  #againMs = -Infinity;
  #failures = 0;
  /** Since when raft has had a leader; Infinity: it has none. */
  #leaderSinceMs = Infinity;
  /** When another machine was last heard to speak in this member's name. */
  #namesakeMs = -Infinity;
  #saidHeld = false;
  #saidLost = false;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  raftLeader(isKnown: boolean): void {
    if (!isKnown) this.#leaderSinceMs = Infinity;
    else {
      this.#againMs = -Infinity;
      if (this.#leaderSinceMs === Infinity) this.#leaderSinceMs = this.#options.clock.now();
    }
  }

  /** The obstacle that kept this member from joining may be gone. */
  lockChanged(): void {
    this.#againMs = -Infinity;
  }

  namesakeHeard(): void {
    this.#namesakeMs = this.#options.clock.now();
  }

  /** When it needs the next look. While a proposal is under way, its outcome wakes the loop. */
  dueMs(nowMs: number): number {
    return this.#options.tenancy.isJoined || this.#underWay ? Infinity : Math.max(nowMs, this.#againMs);
  }

  joinIfDue(): void {
    const { name, state, clock, tenancy } = this.#options;
    const { lock } = state();
    const facts = this.#options.facts();
    const text = JSON.stringify(facts);
    const known = knownMember(state(), name);
    const isOther = known?.life !== undefined && known.life.node !== facts.life.node;
    if (this.#joinedFacts !== "" && isOther) return this.#nameLost(known.life);
    // Also after they were dropped: a node that is still in the raft group is a member.
    const isKnown = known !== undefined && isSameLife(known.life, facts.life);
    if (this.#underWay || (this.#joinedFacts === text && isKnown) || clock.now() < this.#againMs) return;
    this.#underWay = true;
    const claim = claimOn(lock, name, facts.life);
    if (tenancy.isJoined || claim === "none" || mayRelease(lock, claim)) {
      return this.#propose(facts, text, false);
    }
    // Refused for certain, as the records say: nothing is proposed before they say otherwise.
    const later = () => this.#later("name-holds-lock");
    if (isOther) this.#askNamesake(later);
    else later();
  }

  #propose(facts: MemberFacts, text: string, replace: boolean): void {
    const { incarnation, proposer, tenancy, wake } = this.#options;
    proposer.propose({ op: "setMember", facts, incarnation, replace }, (outcome) => {
      if (outcome.kind === "refused" && outcome.code === "name-taken") {
        return this.#askNamesake(() =>
          this.#hasListened ? this.#propose(facts, text, true) : this.#later("name-taken")
        );
      }
      if (outcome.kind !== "done") return this.#later(outcome.kind === "refused" ? outcome.code : undefined);
      this.#underWay = false;
      this.#failures = 0;
      this.#joinedFacts = text;
      tenancy.joined();
      wake();
    });
  }

  /**
   * Ends this agent if the machine that has its name lives. `silent`: it does not answer, which proves
   * nothing: the name may be taken over then, but not what its machine may hold under it.
   */
  #askNamesake(silent: () => void): void {
    const { name, exit, clock, state, memberAnswers } = this.#options;
    if (clock.now() - this.#namesakeMs < NAMESAKE_MS) return exit(1, nameTaken(name));
    memberAnswers(name, knownMember(state(), name)?.apiUrl ?? "", (answers) => {
      if (answers) exit(1, nameTaken(name));
      else silent();
    });
  }

  /** Long enough that the status of every member in contact has come. */
  get #hasListened(): boolean {
    return this.#options.clock.now() - this.#leaderSinceMs > LISTEN_MS;
  }

  /** Later and later, and at once when the lock changes or raft has a leader again. */
  #later(why: RefusalCode | undefined): void {
    const { name, clock, log, wake } = this.#options;
    this.#underWay = false;
    this.#againMs = clock.now() + pauseAfter(++this.#failures, JOIN_AGAIN_MS, MAX_JOIN_AGAIN_MS);
    if (why === "name-holds-lock" && !this.#saidHeld) {
      this.#saidHeld = true;
      log.warning(
        "join",
        `another machine, or this one before it booted anew, holds the lock as '${name}': this one takes no part ` +
          "until that lease has ended (in pause it does not end: once that machine is certainly off, run agent ctl failover)",
      );
    }
    wake();
  }

  /**
   * Another machine has joined under this machine's name. This one was silent then, and is no member any
   * more.
   */
  #nameLost(life: Life): void {
    if (this.#saidLost) return;
    this.#saidLost = true;
    const { name, exit } = this.#options;
    exit(
      1,
      `another machine has taken the name '${name}' over (${
        describeLife(life)
      }): this one was not heard at that time. ` +
        "Give one of them another name, or stop the one that is not wanted",
    );
  }
}
