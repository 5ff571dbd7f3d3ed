/**
 * Keeps the physical slots of the other members on this server, for as long as it runs: a primary makes
 * missing slots at once, and lost ones again; a standby keeps none, as nothing would move them on there, and
 * they would keep WAL until the disk is full. The wanted slots are compared with the present ones, for every
 * server and every set of members anew.
 */
import { isDeepStrictEqual } from "node:util";
import { pauseAfter } from "../../model/pause_after.ts";
import type { Connection } from "../../postgres/connection.ts";
import { errorText } from "../../postgres/error_text.ts";
import { slotName } from "../../model/slot_name.ts";
import {
  createSlot,
  dropSlot,
  isIgnored,
  planSlots,
  readMadeSlots,
  readSlots,
  type SlotPlanInput,
  type SlotState,
  writeMadeSlots,
} from "../../postgres/slots.ts";
import type { PostgresContext } from "./context.ts";
import type { WantedSlots } from "./port.ts";
import { WorkQueue } from "./wait.ts";

/** A slot that somebody drops by hand comes back within this time. */
const EVERY_MS = 10_000;
const FIRST_PAUSE_MS = 1_000;
/** pg_receivewal and its like are back after 5 s. */
const STRANGER_TTL_MS = 10_000;

export class PostgresSlots {
  /** Members that need a slot here; null: not told yet. */
  #members: WantedSlots | null = null;
  readonly #wantedAtMs = new Map<string, number>();
  readonly #idleSinceMs = new Map<string, number>();
  readonly #turns = new WorkQueue();
  #lastFailure = "";
  #failures = 0;
  /** The server and what it should have, as it was last looked at. */
  #doneFor = "";
  #dueMs = 0;

  readonly #context: PostgresContext;

  constructor(context: PostgresContext) {
    this.#context = context;
  }

  /**
   * Told by the holder of the lock with each look, also shortly before it is promoted: the others are about
   * to connect.
   */
  ensure(members: WantedSlots): void {
    if (isDeepStrictEqual(members, this.#members)) return;
    this.#members = members;
    this.reconcile();
  }

  /** From now on this member follows: what others needed of it as a primary is forgotten. */
  becameStandby(): void {
    this.#members = null;
  }

  /**
   * Looks when the server, its role or the members are others than at the last look, and every now and then.
   */
  tick(): void {
    if (!this.#isReady()) return;
    const nowMs = this.#context.parts.clock.now();
    if (nowMs >= this.#dueMs || (this.#failures === 0 && this.#subject() !== this.#doneFor)) this.reconcile();
  }

  reconcile(): void {
    this.#turns.take(() => this.#once()).then(
      () => {
        this.#lastFailure = "";
        this.#failures = 0;
      },
      (error: unknown) => {
        const text = errorText(error);
        if (text !== this.#lastFailure) this.#context.warn(`replication slots: ${text}`);
        this.#lastFailure = text;
        this.#failures++;
        this.#dueMs = this.#context.parts.clock.now() + pauseAfter(this.#failures, FIRST_PAUSE_MS, EVERY_MS);
      },
    );
  }

  #isReady(): boolean {
    const { guard, memory } = this.#context.parts;
    return guard.view().postmaster?.phase === "running" && memory.server?.ready === true;
  }

  /** The server, what it is, and what it should have. */
  #subject(): string {
    const { postmaster } = this.#context.parts.guard.view();
    const { postgresql, pause, ignoreSlots } = this.#context.dynamic;
    const wanted = [this.#members, postgresql.useSlots, pause, ignoreSlots];
    return JSON.stringify([postmaster?.pid, postmaster?.writable, wanted]);
  }

  async #once(): Promise<void> {
    const context = this.#context;
    const { server, guard, clock } = context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null || !this.#isReady()) return;
    const subject = this.#subject();
    this.#dueMs = clock.now() + EVERY_MS;
    this.#doneFor = subject;
    // A primary that has just been adopted or restarted has not been told yet: nothing is known to be
    // superfluous.
    if (this.#members === null && postmaster.writable) return;
    await server.with(
      { applicationName: "agent slots" },
      (connection) => this.#compare(connection, postmaster.writable),
    );
  }

  async #compare(connection: Connection, asPrimary: boolean): Promise<void> {
    const context = this.#context;
    const { dynamic } = context;
    const { useSlots } = dynamic.postgresql;
    const nowMs = context.parts.clock.now();
    const made = readMadeSlots(context.dataDir);
    const wanted = useSlots ? (this.#members?.members ?? []).map(slotName) : [];
    const existing = await readSlots(connection);
    this.#noteUse(existing, wanted, made, nowMs);
    // Their time is over, whenever this server has begun to count it.
    for (const member of this.#members?.gone ?? []) this.#wantedAtMs.set(slotName(member), -Infinity);
    const kept = (slot: SlotState) =>
      Object.hasOwn(dynamic.slots, slot.name) || isIgnored(slot, dynamic.ignoreSlots);
    await this.#carryOut(connection, existing, {
      existing,
      wanted,
      made,
      kept,
      wantedAtMs: this.#wantedAtMs,
      nowMs,
      ttlMs: asPrimary && useSlots ? dynamic.memberSlotsTtlS * 1000 : 0,
      idleSinceMs: this.#idleSinceMs,
      strangerTtlMs: asPrimary || dynamic.pause ? null : STRANGER_TTL_MS,
    });
  }

  #noteUse(
    existing: readonly SlotState[],
    wanted: readonly string[],
    made: readonly string[],
    nowMs: number,
  ): void {
    for (const name of wanted) this.#wantedAtMs.set(name, nowMs);
    for (const name of made) if (!this.#wantedAtMs.has(name)) this.#wantedAtMs.set(name, nowMs);
    const idle = new Set(existing.filter((slot) => !slot.active).map((slot) => slot.name));
    for (const name of this.#idleSinceMs.keys()) if (!idle.has(name)) this.#idleSinceMs.delete(name);
    for (const name of idle) if (!this.#idleSinceMs.has(name)) this.#idleSinceMs.set(name, nowMs);
  }

  async #carryOut(
    connection: Connection,
    existing: readonly SlotState[],
    input: SlotPlanInput,
  ): Promise<void> {
    const context = this.#context;
    const { wanted, made } = input;
    const plan = planSlots(input);
    const permanent = new Set(existing.filter(input.kept).map((slot) => slot.name));
    // A member's own copying may have made its slot first: by its name it is one of the agent's.
    const ours = new Set([...made, ...wanted.filter((name) => !permanent.has(name))]);
    // Written before they are made: one that the agent does not know as its own would be kept, with its WAL,
    // for ever.
    if (plan.create.length > 0) writeMadeSlots(context.dataDir, [...ours].sort());
    for (const name of plan.drop) {
      await dropSlot(connection, name);
      context.info(this.#dropped(existing.find((slot) => slot.name === name)!, input));
      if (!wanted.includes(name)) ours.delete(name);
    }
    for (const name of plan.create) {
      if (await createSlot(connection, name)) context.info(`created replication slot ${name}`);
    }
    if (made.length > 0 || ours.size > 0) writeMadeSlots(context.dataDir, [...ours].sort());
  }

  #dropped({ name, heldBytes }: SlotState, { wanted, made }: SlotPlanInput): string {
    if (wanted.includes(name)) return `dropped replication slot ${name}: the WAL that it needs is gone`;
    if (made.includes(name)) return `dropped replication slot ${name}, which no member needs`;
    const mib = Math.ceil(heldBytes / 2 ** 20);
    return `dropped replication slot ${name}, which nobody uses on this standby, and which kept ${mib} MiB of WAL ` +
      "(ignore_slots keeps a slot)";
  }
}
