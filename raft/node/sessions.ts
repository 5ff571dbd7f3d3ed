/**
 * RaftNode's part of the replicated state: the commands that were applied, so that one that arrives twice is
 * applied once (thesis 6.3), the members that have ever taken part, and the version of commands that all
 * know. Pure; identical on all members.
 */
import type { CommandEnvelope, JoinedEnvelope } from "./envelope.ts";
import type { NodeId } from "../core/types.ts";
import { hasFields, isCount, isJsonText, isList, isPair, readJson } from "./json_shape.ts";

/**
 * Number of a member's processes that are remembered: commands of earlier ones may still be on their way when
 * a new one has begun. More restarts than that within a message's life do not happen.
 */
const KEPT_INCARNATIONS = 4;
const MAX_RESULT_CHARACTERS = 1024;
/**
 * Limit of the table. A proposer has no more than 1,024 pending commands; one that skips numbers must not
 * make the table grow.
 */
const MAX_APPLIED = 8192;

interface Session {
  readonly incarnation: number;
  /** Commands below this number are settled. Invariant: all keys of `applied` are at or above it. */
  floor: number;
  /** Results as JSON; null: too large to be kept, or not JSON. */
  readonly applied: Map<number, string | null>;
}

/** The result as text; null when it cannot be kept. Equal results give equal text, on every member. */
function resultJson(result: unknown): string | null {
  let json: string | undefined;
  try {
    json = JSON.stringify(result);
  } catch (error) {
    // The result has a cycle or a bigint. The proposer still gets it, but not after a restart from a
    // snapshot.
    if (!(error instanceof TypeError)) throw error;
  }
  return json !== undefined && json.length <= MAX_RESULT_CHARACTERS ? json : null;
}

interface SessionsJson {
  /** Missing in snapshots from before there was a second version. */
  readonly version?: number;
  readonly joined: [NodeId, number][];
  readonly sessions: [NodeId, { incarnation: number; floor: number; applied: [number, string | null][] }[]][];
}

function isSessions(value: unknown): value is SessionsJson {
  return hasFields(value) && (value.version === undefined || isCount(value.version)) &&
    isList(value.joined, isPair(isCount, isCount)) &&
    isList(value.sessions, isPair(isCount, (list) => isList(list, isSession)));
}

function isSession(value: unknown): boolean {
  return hasFields(value) && isCount(value.incarnation) && isCount(value.floor) &&
    isList(value.applied, isPair(isCount, (result) => result === null || isJsonText(result)));
}

export class Sessions {
  /** Sessions of each member, oldest incarnation first. */
  #sessions = new Map<NodeId, Session[]>();
  #joined = new Map<NodeId, number>();
  #agreedVersion = 1;

  /** True when this command has not been applied and may be applied now. `applied` must follow then. */
  admit({ origin, incarnation, seq, floor }: CommandEnvelope): boolean {
    const session = this.#session(origin, incarnation);
    if (floor > session.floor) {
      session.floor = floor;
      for (const old of session.applied.keys()) if (old < floor) session.applied.delete(old);
    }
    return seq >= session.floor && !session.applied.has(seq);
  }

  applied({ origin, incarnation, seq }: CommandEnvelope, result: unknown): void {
    const session = this.#session(origin, incarnation);
    session.applied.set(seq, resultJson(result));
    if (session.applied.size <= MAX_APPLIED) return;
    // Commands below the floor are never applied again, so this does not let a repeated command be done
    // twice.
    const lowest = Math.min(...session.applied.keys());
    session.applied.delete(lowest);
    session.floor = Math.max(session.floor, lowest + 1);
  }

  /** Kept result of an applied command; null when it is not known to have been applied. */
  resultOf(origin: NodeId, incarnation: number, seq: number): { readonly result: unknown } | null {
    const json = this.#find(origin, incarnation)?.applied.get(seq);
    if (json === undefined) return null;
    return { result: json === null ? undefined : JSON.parse(json) };
  }

  join({ member, instance }: JoinedEnvelope): void {
    if (!this.#joined.has(member)) this.#joined.set(member, instance);
  }

  /** Directory with which the member took part; 0: an unknown one; null: it never did. */
  joined(member: NodeId): number | null {
    return this.#joined.get(member) ?? null;
  }

  /** Latest version of commands that all members know. */
  get agreedVersion(): number {
    return this.#agreedVersion;
  }

  /** Raises the agreed version. It never goes down: commands of that version may be in the log. */
  agree(version: number): void {
    this.#agreedVersion = Math.max(this.#agreedVersion, version);
  }

  encode(): Uint8Array {
    // The lists are sorted: a member that restored a snapshot must write the same bytes as one that applied
    // every entry.
    const json: SessionsJson = {
      version: this.#agreedVersion,
      joined: [...this.#joined].sort(([a], [b]) => a - b),
      sessions: [...this.#sessions].sort(([a], [b]) => a - b).map(([origin, list]) => [
        origin,
        list.map(({ incarnation, floor, applied }) => ({
          incarnation,
          floor,
          applied: [...applied].sort(([a], [b]) => a - b),
        })),
      ]),
    };
    return new TextEncoder().encode(JSON.stringify(json));
  }

  /** Restores the sessions of a snapshot. Throws DecodeError; then nothing has changed. */
  restore(bytes: Uint8Array): void {
    const json = readJson(bytes, isSessions, "sessions");
    this.#agreedVersion = json.version ?? 1;
    this.#joined = new Map(json.joined);
    this.#sessions = new Map(json.sessions.map(([origin, list]) => [
      origin,
      list.map(({ incarnation, floor, applied }) => ({ incarnation, floor, applied: new Map(applied) })),
    ]));
  }

  #find(origin: NodeId, incarnation: number): Session | undefined {
    return this.#sessions.get(origin)?.find((session) => session.incarnation === incarnation);
  }

  #session(origin: NodeId, incarnation: number): Session {
    const found = this.#find(origin, incarnation);
    if (found) return found;
    const session: Session = { incarnation, floor: 0, applied: new Map() };
    const list = this.#sessions.get(origin) ?? [];
    list.push(session);
    if (list.length > KEPT_INCARNATIONS) list.shift();
    this.#sessions.set(origin, list);
    return session;
  }
}
