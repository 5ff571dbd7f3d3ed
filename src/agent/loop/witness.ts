/**
 * A voter without PostgreSQL. It keeps the cluster's records, votes, and leads the raft group like any voter.
 * It never holds the lock: it publishes no status, so it cannot be chosen.
 */
import type { MemberInfo, Raft } from "../../../raft/mod.ts";
import type { CertificateEnd } from "../../model/certificate.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import { encodeMessage, WITNESS_CHANNEL } from "../peers/messages.ts";
import { BEAT_MS, type NextLook } from "./look_timer.ts";
import { Voter, type VoterOptions } from "./voter.ts";

const NOTICE_PERIOD_MS = 1000;
/** While the lock is free, the deciding statuses may come at any time. */
const FREE_LOCK_LOOK_MS = 50;
const LOOK_PERIOD_MS = 500;

export interface WitnessOptions extends Omit<VoterOptions, "who"> {
  readonly raftAddr: string;
  readonly apiUrl: () => string;
  readonly raft: Raft;
  /** Its certificates that end within 30 days, or have. */
  readonly certificatesEnding?: () => readonly CertificateEnd[];
}

export class Witness {
  readonly voter: Voter;
  readonly #options: WitnessOptions;
  #noticeAtMs = -Infinity;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.voter = new Voter({ ...options, who: "witness" }, {
      look: (nowMs) => this.#look(nowMs),
      heard: () => this.voter.changes.changed(),
      askedForStatus: () => false,
      peer: (_, connected) => {
        if (connected) this.#noticeAtMs = -Infinity;
      },
      namesake: () => {},
      // It has no lease of its own.
      acknowledged: () => {},
      raftLeader: () => {},
      lockChanged: () => {},
      isNews: () => false,
    });
  }

  objectionToJoining(visitor: Omit<MemberInfo, "id">): string | null {
    return this.voter.objectionToJoining(visitor);
  }

  objectionTo(member: MemberInfo): string | null {
    return this.voter.objectionTo(member);
  }

  start(): void {
    this.voter.start();
  }

  end(): void {
    this.voter.end();
  }

  factsChanged(): void {
    this.voter.factsChanged();
  }

  #look(nowMs: number): NextLook {
    this.voter.applyConfig();
    this.#announce(nowMs);
    this.voter.lead();
    if (this.#options.dcs.state.lock.holder === null) {
      return { atMs: Math.min(nowMs + FREE_LOCK_LOOK_MS, this.voter.leadAtMs()), earlyMs: 0 };
    }
    const leadAtMs = this.voter.leadAtMs();
    if (leadAtMs < nowMs + LOOK_PERIOD_MS) return { atMs: leadAtMs, earlyMs: 0 };
    return { atMs: nowMs + LOOK_PERIOD_MS, earlyMs: BEAT_MS };
  }

  /** Tells the others this witness's name, and, when it leads, how many voters may fail. */
  #announce(nowMs: number): void {
    if (nowMs - this.#noticeAtMs < NOTICE_PERIOD_MS) return;
    this.#noticeAtMs = nowMs;
    const { name, raftAddr, apiUrl, raft, certificatesEnding } = this.#options;
    const { sightings, board, changes } = this.voter;
    const status = raft.status();
    const ending = certificatesEnding?.() ?? [];
    const notice: WitnessNotice = {
      name,
      raftAddr,
      apiUrl: apiUrl(),
      canLose: status.canLose,
      holderSeenEpoch: sightings.last.epoch,
      holderLsn: sightings.last.lsn,
      ...(ending.length === 0 ? {} : { certificatesEnding: ending }),
    };
    board.hearWitness(notice, status.id, nowMs);
    const bytes = encodeMessage(notice);
    for (const { id } of status.members) if (id !== status.id) raft.send(id, WITNESS_CHANNEL, bytes);
    changes.changed();
  }
}
