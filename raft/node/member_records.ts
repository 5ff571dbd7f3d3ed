/**
 * The part of the replicated state that describes the members: names and addresses, which of them are to
 * vote, and which were removed. Pure; identical on all members.
 *
 * The core's configuration alone decides which members vote. A record is made before its member enters the
 * configuration, and goes when one without it follows one with it. So the address of every member of a
 * configuration is known, and every former member is known as removed. A node that is recorded and not a
 * member yet keeps its record when another member's change comes in between: taken for removed, it would be
 * told so for good, and would enter the configuration all the same.
 */
import type { Configuration, NodeId } from "../core/types.ts";
import { hasFields, isCount, isList, isPair, readJson } from "./json_shape.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";

/** Number of removed members that are remembered, so that they can be told; the oldest are forgotten. */
const KEPT_REMOVED = 64;
/** Number of nodes with a record that never became members, as far as they are kept. */
const KEPT_WAITING = 16;

interface RecordsJson {
  readonly members: readonly NodeId[];
  readonly records: readonly MemberRecord[];
  readonly removed: readonly (readonly [NodeId, string | null])[];
}

function isRecords(value: unknown): value is RecordsJson {
  return hasFields(value) && isList(value.members, isCount) && isList(value.records, hasFields) &&
    isList(value.removed, isPair(isCount, (name) => name === null || typeof name === "string"));
}

export class MemberRecords {
  /** Members of the configuration that was applied last; empty before the first one. */
  #members: readonly NodeId[] = [];
  #records = new Map<NodeId, MemberRecord>();
  /** Removed members with their names, oldest first. */
  #removed = new Map<NodeId, string | null>();
  /** Number of changes so far. */
  version = 0;

  get all(): readonly MemberRecord[] {
    return [...this.#records.values()].sort((a, b) => a.id - b.id);
  }

  get removed(): readonly NodeId[] {
    return [...this.#removed.keys()];
  }

  record(id: NodeId): MemberRecord | null {
    return this.#records.get(id) ?? null;
  }

  isRemoved(id: NodeId): boolean {
    return this.#removed.has(id);
  }

  /** Applies a record. Ids are never used again: the record of a removed member is ignored. */
  put(record: MemberRecord): void {
    if (this.#removed.has(record.id)) return;
    this.#records.set(record.id, record);
    this.version++;
  }

  /** Forgets a node that was recorded and did not enter the configuration. */
  forget(id: NodeId): void {
    if (!this.#members.includes(id) && this.#records.delete(id)) this.version++;
  }

  /** Follows a configuration that was applied. */
  applied({ voters, learners }: Configuration): void {
    const before = this.#members;
    this.#members = [...voters, ...learners];
    // The founders are in no entry. The first change either adds a learner or removes one of them.
    const wasMember = (id: NodeId) => before.length > 0 ? before.includes(id) : learners.length === 0;
    const waiting: NodeId[] = [];
    for (const { id, name } of this.all) {
      if (this.#members.includes(id)) continue;
      if (wasMember(id)) {
        this.#records.delete(id);
        this.#removed.set(id, name);
      } else waiting.push(id);
    }
    for (const id of waiting.slice(KEPT_WAITING)) this.#records.delete(id);
    for (const id of this.#removed.keys()) {
      if (this.#removed.size <= KEPT_REMOVED) break;
      this.#removed.delete(id);
    }
    this.version++;
  }

  encode(): Uint8Array {
    const json: RecordsJson = { members: this.#members, records: this.all, removed: [...this.#removed] };
    return new TextEncoder().encode(JSON.stringify(json));
  }

  /** Restores the records of a snapshot. Throws DecodeError; then nothing has changed. */
  restore(bytes: Uint8Array): void {
    const json = readJson(bytes, isRecords, "member records");
    this.#members = json.members;
    // An older program took records by which no member can be reached; this program would not apply them.
    const records = json.records.filter((record) => memberFlaw(record) === null);
    this.#records = new Map(records.map((record) => [record.id, record]));
    this.#removed = new Map(json.removed);
    this.version++;
  }
}
