/**
 * The part of the replicated state that says who the members are beside their ids: name and address, who is
 * to vote, and who was removed. Pure; identical on all members.
 *
 * Who votes is the core's configuration alone. A record is made before its member enters the configuration,
 * and goes when a configuration without it is applied; so nobody is in a configuration whose address is not
 * known, and whoever was a member once is known as removed.
 */
import type { Configuration, NodeId } from "../core/types.ts";
import { hasFields, isCount, isList, isPair, readJson } from "./json_shape.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";

/** Removed members that are remembered, so that they can be told; the oldest are forgotten. */
const KEPT_REMOVED = 64;

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
  /** Of the configuration that was applied last; empty before the first one. */
  #members: readonly NodeId[] = [];
  #records = new Map<NodeId, MemberRecord>();
  /** With their names, oldest first. */
  #removed = new Map<NodeId, string | null>();
  /** Counts changes. */
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

  /** Ids are never used again: a record of a removed member is ignored. */
  put(record: MemberRecord): void {
    if (this.#removed.has(record.id)) return;
    this.#records.set(record.id, record);
    this.version++;
  }

  /** A member that was recorded and did not enter the configuration. */
  forget(id: NodeId): void {
    if (!this.#members.includes(id) && this.#records.delete(id)) this.version++;
  }

  /** A configuration was applied. */
  applied({ voters, learners }: Configuration): void {
    this.#members = [...voters, ...learners];
    for (const { id, name } of this.all) {
      if (this.#members.includes(id)) continue;
      this.#records.delete(id);
      this.#removed.set(id, name);
    }
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

  /** Throws DecodeError; then nothing has changed. */
  restore(bytes: Uint8Array): void {
    const json = readJson(bytes, isRecords, "member records");
    this.#members = json.members;
    // An older program took records that no member can be reached by; applied today, they would be none.
    const records = json.records.filter((record) => memberFlaw(record) === null);
    this.#records = new Map(records.map((record) => [record.id, record]));
    this.#removed = new Map(json.removed);
    this.version++;
  }
}
