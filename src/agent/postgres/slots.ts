/**
 * Keeps the replication slots of this server, for as long as it runs: missing ones are made at once, lost
 * ones again, and those that nobody uses move on with the member or the primary that they are for. The wanted
 * slots are compared with the present ones, for every server and every set of slots anew.
 */
import { isDeepStrictEqual } from "node:util";
import { pauseAfter } from "../../model/pause_after.ts";
import type { Connection } from "../../postgres/connection.ts";
import { errorText } from "../../postgres/error_text.ts";
import { type Maker, readMadeSlots, writeMadeSlots } from "../../postgres/made_slots.ts";
import { quoteLiteral } from "../../postgres/quote.ts";
import {
  isIgnored,
  isOfAnotherKind,
  planSlots,
  type SlotPlan,
  type SlotPlanInput,
} from "../../postgres/slot_plan.ts";
import {
  advanceSlot,
  createSlot,
  dropSlot,
  isInRecovery,
  keepsLogicalSlots,
  readSlots,
  slotView,
} from "../../postgres/slots.ts";
import type { SlotState, WantedSlot } from "../../postgres/slot_state.ts";
import { slotName } from "../../model/slot_name.ts";
import type { PostgresContext } from "./context.ts";
import type { PostgresMonitor } from "./monitor.ts";
import { HeldWal } from "./held_wal.ts";
import type { WantedSlots } from "./port.ts";
import { SlotCopies } from "./slot_copies.ts";
import { SlotReaders } from "./slot_readers.ts";
import { WorkQueue } from "../../lib/work_queue.ts";

/** A slot that was dropped by hand comes back within this time. */
const EVERY_MS = 10_000;
/** Where the first reader after a promotion begins is seen only while it is connected. */
const AFTER_PROMOTION_MS = 1_000;
const FIRST_READERS_MS = 60_000;
const UNTIL_PROMOTED_MS = 100;
const FIRST_PAUSE_MS = 1_000;
/** pg_receivewal and its like are back after 5 s. */
const STRANGER_TTL_MS = 10_000;
/** PostgreSQL makes a logical slot once every transaction that is under way has ended. */
const CREATE_LIMIT_MS = 10_000;

export class PostgresSlots {
  /** null: not told yet. */
  #desired: WantedSlots | null = null;
  readonly #wantedAtMs = new Map<string, number>();
  readonly #idleSinceMs = new Map<string, number>();
  readonly #turns = new WorkQueue();
  readonly #held = new HeldWal();
  readonly #readers = new SlotReaders();
  #primarySinceMs: number | null = null;
  #lastFailure = "";
  #failures = 0;
  /** The server and its wanted slots at the last look. */
  #doneFor = "";
  #dueMs = 0;

  readonly copies: SlotCopies;
  readonly #context: PostgresContext;
  readonly #monitor: Pick<PostgresMonitor, "ask">;
  readonly #syncedChanged: () => void;

  constructor(
    context: PostgresContext,
    monitor: Pick<PostgresMonitor, "ask">,
    syncedChanged: () => void,
  ) {
    this.#context = context;
    this.#monitor = monitor;
    this.#syncedChanged = syncedChanged;
    this.copies = new SlotCopies(context);
  }

  /**
   * Said with each look, also shortly before a promotion: the others are about to connect. Positions alone
   * wait for the next comparison.
   */
  ensure(desired: WantedSlots): void {
    const before = this.#desired;
    this.#desired = desired;
    const same = before !== null && isDeepStrictEqual(withoutPositions(before), withoutPositions(desired));
    if (!same) this.reconcile();
  }

  /**
   * Looks when the server, its role or the slots are others than at the last look, and every now and then.
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

  /** The server, its role, and its wanted slots. */
  #subject(): string {
    const { postmaster } = this.#context.parts.guard.view();
    const { postgresql, pause, ignoreSlots } = this.#context.dynamic;
    const wanted = [
      this.#desired && withoutPositions(this.#desired),
      postgresql.useSlots,
      pause,
      ignoreSlots,
    ];
    return JSON.stringify([postmaster?.pid, postmaster?.writable, wanted]);
  }

  async #once(): Promise<void> {
    const context = this.#context;
    const { guard, clock, memory } = context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null || !this.#isReady()) return;
    const subject = this.#subject();
    const nowMs = clock.now();
    this.#primarySinceMs = postmaster.writable ? this.#primarySinceMs ?? nowMs : null;
    const isFresh = this.#primarySinceMs !== null && nowMs - this.#primarySinceMs < FIRST_READERS_MS;
    this.#dueMs = nowMs + (isFresh && this.#readers.waiting ? AFTER_PROMOTION_MS : EVERY_MS);
    this.#doneFor = subject;
    const desired = this.#desired;
    // As long as nothing was said, nothing is known to be superfluous.
    if (desired === null) return;
    const { slots, failures } = await this.#compare(postmaster.pid, desired, postmaster.writable);
    if (memory.server?.pid !== postmaster.pid) return;
    const permanent = desired.permanent.map(({ name }) => name);
    memory.server.slots = slots.map((slot) => slotView(slot, permanent.includes(slot.name)));
    const synced = slots.some((slot) => slot.synced);
    if (synced !== memory.syncedSlots) {
      memory.syncedSlots = synced;
      this.#syncedChanged();
    }
    for (const line of this.#held.note(slots)) context.warn(line);
    context.parts.changed();
    if (failures.length > 0) throw new Error(failures.join("; "));
  }

  /** Over a connection of its own: what is done may take longer than a look of the monitor. */
  #alone<Result>(use: (connection: Connection) => Promise<Result>): Promise<Result> {
    const options = { applicationName: "agent slots", statementTimeoutMs: CREATE_LIMIT_MS };
    return this.#context.parts.server.with(options, use);
  }

  /** The slots as they are in the end, and what could not be done, for people. */
  async #compare(
    pid: number,
    desired: WantedSlots,
    asPrimary: boolean,
  ): Promise<{ readonly slots: readonly SlotState[]; readonly failures: readonly string[] }> {
    const context = this.#context;
    const { dynamic } = context;
    const { useSlots } = dynamic.postgresql;
    const nowMs = context.parts.clock.now();
    const made = readMadeSlots(context.dataDir);
    const wanted = this.#wanted(desired, asPrimary);
    const read = async (connection: Connection) => ({
      existing: await readSlots(connection),
      // Told to become a primary, and none yet: PostgreSQL makes no logical slot before.
      promoting: asPrimary && await isInRecovery(connection),
    });
    // At rest nothing is to be done, and nobody connects.
    const { existing, promoting } = await this.#monitor.ask(pid, read) ?? await this.#alone(read);
    if (promoting) this.#dueMs = nowMs + UNTIL_PROMOTED_MS;
    else this.#noteReaders(desired, existing, asPrimary);
    this.#noteUse(existing, wanted, made, nowMs);
    // Their time is over, whenever this server has begun to count it.
    for (const member of desired.gone) this.#wantedAtMs.set(slotName(member), -Infinity);
    const standbys = asPrimary ? [] : desired.permanent.map(({ name }) => name);
    const clashes = desired.permanent.filter(({ name, type }) =>
      type === "logical" && wanted.some((slot) => slot.name === name && slot.maker === "member")
    ).map(({ name }) => `${name}: a logical slot cannot have the name of a member's slot`);
    const input: SlotPlanInput = {
      existing,
      wanted,
      elsewhere: [...desired.elsewhere.map(slotName), ...standbys],
      positions: new Map(Object.entries(desired.positions)),
      made,
      kept: (slot) => isIgnored(slot, dynamic.ignoreSlots),
      wantedAtMs: this.#wantedAtMs,
      nowMs,
      ttlMs: useSlots ? dynamic.memberSlotsTtlS * 1000 : 0,
      idleSinceMs: this.#idleSinceMs,
      strangerTtlMs: asPrimary || dynamic.pause ? null : STRANGER_TTL_MS,
    };
    const all = planSlots(input);
    const plan = promoting ? { ...all, create: all.create.filter(({ plugin }) => plugin === null) } : all;
    // A member's own copying may have made its slot first: by its name it is one of the agent's.
    const ours = new Map(made);
    const ignored = existing.filter(input.kept).map(({ name }) => name);
    for (const { name, maker } of wanted) if (!ignored.includes(name)) ours.set(name, maker);
    const isAsPlanned = plan.drop.length + plan.create.length + plan.advance.length === 0;
    const end = isAsPlanned ? { slots: existing, failures: [] } : await this.#alone(async (connection) => {
      const failures = await this.#carryOut(connection, plan, input, ours);
      return { slots: await readSlots(connection), failures };
    });
    const uncopied = await this.copies.stage(plan.copy).then(
      () => [],
      (error: unknown) => [`logical slots of the primary: ${errorText(error)}`],
    );
    if (made.size > 0 || ours.size > 0) writeMadeSlots(context.dataDir, ours);
    return { slots: end.slots, failures: [...clashes, ...end.failures, ...uncopied] };
  }

  /**
   * A logical slot is made on the primary only. A standby has the copies that PostgreSQL itself keeps (17 and
   * later), or those that are brought to it.
   */
  #wanted({ members, permanent }: WantedSlots, asPrimary: boolean): WantedSlot[] {
    const { dynamic: { postgresql: { useSlots } }, parts: { programs } } = this.#context;
    const ofMembers = useSlots ? members.map(slotName) : [];
    const others = permanent.filter(({ name, type }) =>
      !ofMembers.includes(name) && (type === "physical" || asPrimary || !keepsLogicalSlots(programs.major))
    );
    return [
      ...ofMembers.map((name): WantedSlot => ({
        name,
        maker: "member",
        copied: false,
        plugin: null,
        database: null,
      })),
      ...others.map(({ name, type, plugin, database }): WantedSlot => {
        return { name, maker: "permanent", copied: type === "logical" && !asPrimary, plugin, database };
      }),
    ];
  }

  #noteReaders(
    { permanent, positions }: WantedSlots,
    existing: readonly SlotState[],
    asPrimary: boolean,
  ): void {
    const logical = permanent.filter(({ type }) => type === "logical").map(({ name }) => name);
    if (!asPrimary) return this.#readers.asStandby(logical, positions);
    const { server, timelineHistory } = this.#context.parts.memory;
    const timeline = server?.status?.timeline ?? null;
    const last = timelineHistory.at(-1);
    const beganLsn = last !== undefined && last[0] + 1 === timeline ? last[1] : null;
    for (const line of this.#readers.asPrimary(existing, beganLsn)) this.#context.warn(line);
  }

  #noteUse(
    existing: readonly SlotState[],
    wanted: readonly WantedSlot[],
    made: ReadonlyMap<string, Maker>,
    nowMs: number,
  ): void {
    for (const { name } of wanted) this.#wantedAtMs.set(name, nowMs);
    for (const name of made.keys()) if (!this.#wantedAtMs.has(name)) this.#wantedAtMs.set(name, nowMs);
    const idle = new Set(existing.filter((slot) => !slot.active).map((slot) => slot.name));
    for (const name of this.#idleSinceMs.keys()) if (!idle.has(name)) this.#idleSinceMs.delete(name);
    for (const name of idle) if (!this.#idleSinceMs.has(name)) this.#idleSinceMs.set(name, nowMs);
  }

  /** What could not be made, and why. Slots that are dropped leave the map. */
  async #carryOut(
    connection: Connection,
    plan: SlotPlan,
    { existing, wanted, made }: SlotPlanInput,
    ours: Map<string, Maker>,
  ): Promise<readonly string[]> {
    const context = this.#context;
    // Written before they are made: one that the agent does not know as its own would be kept, with its WAL,
    // for ever.
    if (plan.create.length > 0) writeMadeSlots(context.dataDir, ours);
    for (const name of plan.drop) {
      const slot = existing.find((one) => one.name === name)!;
      const asked = wanted.find((one) => one.name === name);
      await dropSlot(connection, name);
      context.info(`dropped replication slot ${name}, ${whyDropped(slot, asked, made.get(name))}`);
      if (asked === undefined) ours.delete(name);
    }
    const failures: string[] = [];
    for (const slot of plan.create) {
      try {
        if (await this.#create(connection, slot)) context.info(`created replication slot ${slot.name}`);
      } catch (error) {
        // One that cannot be made must not cost the others theirs.
        failures.push(`${slot.name}: ${errorText(error)}`);
      }
    }
    failures.push(...await this.#advance(connection, plan.advance));
    return failures;
  }

  async #advance(connection: Connection, advance: SlotPlan["advance"]): Promise<string[]> {
    const failures: string[] = [];
    for (const { name, to, database } of advance) {
      try {
        if (database === null) await advanceSlot(connection, name, to);
        else await this.#in(database, (one) => advanceSlot(one, name, to));
      } catch (error) {
        failures.push(`${name}: ${errorText(error)}`);
      }
    }
    return failures;
  }

  /** PostgreSQL works on a logical slot only for a session of its database. */
  #in<Result>(database: string, use: (connection: Connection) => Promise<Result>): Promise<Result> {
    const options = { applicationName: "agent slots", statementTimeoutMs: CREATE_LIMIT_MS, database };
    return this.#context.parts.server.with(options, use);
  }

  async #create(connection: Connection, slot: WantedSlot): Promise<boolean> {
    const { programs } = this.#context.parts;
    const { database } = slot;
    if (database === null) return await createSlot(connection, slot, programs.major);
    const known = await connection.query(
      `SELECT FROM pg_database WHERE datname = ${quoteLiteral(database)} AND datallowconn`,
    );
    if (known.length === 0) throw new Error(`there is no database ${database}`);
    return await this.#in(database, (one) => createSlot(one, slot, programs.major));
  }
}

function whyDropped(slot: SlotState, asked: WantedSlot | undefined, maker: Maker | undefined): string {
  const mib = Math.ceil(slot.heldBytes / 2 ** 20);
  if (asked !== undefined) {
    if (isOfAnotherKind(slot, asked)) return "to make it anew: it is not the one that is configured";
    return slot.useless
      ? "to make it anew: the WAL that it needs is gone"
      : "to make it anew: it held back VACUUM for a client that streams elsewhere";
  }
  if (maker === "member") return "which no member needs";
  return maker === "permanent"
    ? "which the configuration does not name any more"
    : `which is unused on this standby, and which kept ${mib} MiB of WAL (ignore_slots keeps a slot)`;
}

function withoutPositions({ positions: _, ...rest }: WantedSlots): Omit<WantedSlots, "positions"> {
  return rest;
}
