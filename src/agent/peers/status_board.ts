/**
 * The last status heard of each member, and when, on this member's own clock: statuses carry no times that
 * others could trust. A member is heard only from the raft id that the records give its name, because names
 * can come twice. One status is kept for each raft id, so that a member with ever new names does not fill the
 * memory.
 */
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import { nodeIn } from "../../dcs/state_machine.ts";
import type { Lsn } from "../../model/lsn.ts";
import { leaderLsn, type MemberStatus } from "../../model/member_status.ts";
import type { DcsState } from "../../model/records.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import { WalCourse } from "./wal_course.ts";

const WITNESS_FRESH_MS = 10_000;
/**
 * A peer that connects says at once what it has. Hosts that are started together take a moment more, or less.
 */
const ARRIVING_MS = 3000;

export class StatusBoard {
  readonly #records: () => DcsState;
  #entries = new Map<string, { status: MemberStatus; atMs: number; from: number }>();
  /** Notices of witnesses, by raft id. */
  #witnesses = new Map<number, { readonly notice: WitnessNotice; readonly atMs: number }>();
  #primaryLsn: Lsn | null = null;
  readonly #course = new WalCourse();
  /** When each connected peer has connected, by raft id. */
  readonly #arrivals = new Map<number, number>();
  /** When raft had its first leader in this life; null: it has had none. */
  #ledMs: number | null = null;
  /** What was last asked for: within one look it is asked for several times. */
  #seen: { readonly nowMs: number; readonly records: DcsState; readonly statuses: SeenStatus[] } | null =
    null;

  constructor(records: () => DcsState) {
    this.#records = records;
  }

  /** Raft id of the member of that name in the records; null: the records don't say. */
  #recordedNode(name: string): number | null {
    return nodeIn(this.#records(), name);
  }

  /**
   * False when it is older than the one kept, of a former start of that member, or of another machine of its
   * name.
   */
  hear(status: MemberStatus, from: number, nowMs: number): boolean {
    const recorded = this.#recordedNode(status.name);
    if (recorded !== null && recorded !== from) return false;
    const known = this.#entries.get(status.name);
    if (
      known !== undefined && known.status.incarnation === status.incarnation && status.seq <= known.status.seq
    ) return false;
    for (const [name, entry] of this.#entries) if (entry.from === from) this.#entries.delete(name);
    this.#entries.set(status.name, { status, atMs: nowMs, from });
    this.#seen = null;
    const position = leaderLsn(status);
    if (position !== null && this.#isHolder(status, from)) {
      this.#primaryLsn = position;
      this.#course.note(position, nowMs);
    }
    return true;
  }

  /**
   * The position that lags are measured by stays after its sender is gone: only the holder of the lock may
   * say it.
   */
  #isHolder({ name }: MemberStatus, from: number): boolean {
    const { holder, life } = this.#records().lock;
    return holder === name && (life === null || life.node === from);
  }

  /** All statuses with their age, sorted by name. */
  seen(nowMs: number): readonly SeenStatus[] {
    const records = this.#records();
    if (this.#seen?.nowMs !== nowMs || this.#seen.records !== records) {
      const statuses = [...this.#entries.values()]
        .filter(({ status, from }) => this.#isMembers(status.name, from))
        .map(({ status, atMs }) => ({ status, ageMs: nowMs - atMs }))
        .sort((a, b) => a.status.name < b.status.name ? -1 : 1);
      this.#seen = { nowMs, records, statuses };
    }
    return this.#seen.statuses;
  }

  /** The last status of the member of that name, whatever its age. */
  last(name: string): MemberStatus | undefined {
    const entry = this.#entries.get(name);
    return entry !== undefined && this.#isMembers(name, entry.from) ? entry.status : undefined;
  }

  #isMembers(name: string, from: number): boolean {
    return (this.#recordedNode(name) ?? from) === from;
  }

  /** A connection to a raft peer has come up, or is gone. */
  peer(id: number, connected: boolean, nowMs: number): void {
    if (connected) this.#arrivals.set(id, nowMs);
    else this.#arrivals.delete(id);
  }

  /** Raft has a leader. The first time counts: until then nobody could act, however long this node waited. */
  ledAt(nowMs: number): void {
    this.#ledMs ??= nowMs;
  }

  /**
   * Those of `peers`, raft ids, that have not said what they have: nothing since they connected, or that they
   * do not know it themselves yet. Each is waited for only a moment, from its connection or the first leader
   * on: one that is not there may be off.
   */
  unheard(peers: readonly number[], nowMs: number): readonly number[] {
    const ledMs = this.#ledMs;
    if (ledMs === null) return peers;
    const said = (id: number, sinceMs: number) =>
      [...this.#witnesses].some(([from, { atMs }]) => from === id && atMs >= sinceMs) ||
      [...this.#entries.values()].some(({ status, atMs, from }) =>
        from === id && atMs >= sinceMs && (status.directoryUsable || status.state !== "starting")
      );
    return peers.filter((id) => {
      const arrivalMs = this.#arrivals.get(id) ?? -Infinity;
      return nowMs - Math.max(arrivalMs, ledMs) < ARRIVING_MS && !said(id, arrivalMs);
    });
  }

  /** For how long each standby has lacked WAL that the primary had, by name; see WalCourse. */
  lagsMs(nowMs: number): { readonly [member: string]: number } {
    const { holder } = this.#records().lock;
    const lags = [...this.#entries.values()].flatMap(({ status: { name, replayedLsn } }) => {
      const lag = name === holder || replayedLsn === null ? null : this.#course.lagMs(replayedLsn, nowMs);
      return lag === null ? [] : [[name, lag] as const];
    });
    return Object.fromEntries(lags);
  }

  hearWitness(notice: WitnessNotice, from: number, nowMs: number): void {
    this.#witnesses.set(from, { notice, atMs: nowMs });
  }

  /** The witnesses heard of lately, sorted by name. */
  witnesses(nowMs: number): WitnessNotice[] {
    return [...this.#witnesses.values()]
      .filter(({ atMs }) => nowMs - atMs <= WITNESS_FRESH_MS)
      .map(({ notice }) => notice)
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** Raft id of the member of that name, as recorded, or as it last spoke; null: neither. */
  nodeOf(name: string): number | null {
    return this.#recordedNode(name) ?? this.#entries.get(name)?.from ?? null;
  }

  /**
   * WAL position of the last broadcast by a primary that held the lock; null: none heard since this agent's
   * start.
   */
  get primaryLsn(): Lsn | null {
    return this.#primaryLsn;
  }
}
