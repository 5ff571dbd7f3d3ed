/**
 * Keeps the physical slots of the other members on this server. A primary makes what is missing at once; a standby keeps
 * none: nothing would move them on there, and they would keep WAL until the disk is full.
 */
import { errorText } from "../postgres/error_text.ts";
import { slotName } from "../postgres/slot_name.ts";
import {
  createSlot,
  dropSlot,
  planSlots,
  readMadeSlots,
  readSlots,
  writeMadeSlots,
} from "../postgres/slots.ts";
import type { PostgresContext } from "./postgres_context.ts";
import { Turns } from "./postgres_wait.ts";

export class PostgresSlots {
  /** Members that need a slot here; null: not told yet. */
  private members: readonly string[] | null = null;
  private readonly wantedAtMs = new Map<string, number>();
  private readonly turns = new Turns();
  private lastFailure = "";

  constructor(private readonly context: PostgresContext) {}

  /** Told by who holds the lock, also shortly before it is promoted: the others are about to connect. */
  ensure(members: readonly string[]): void {
    this.members = [...members];
    this.reconcile();
  }

  /** From now on we follow: what others needed of us as a primary is forgotten. */
  becameStandby(): void {
    this.members = null;
  }

  reconcile(): void {
    this.turns.take(() => this.once()).then(
      () => {
        this.lastFailure = "";
      },
      (error: unknown) => {
        const text = errorText(error);
        if (text !== this.lastFailure) this.context.warn(`replication slots: ${text}`);
        this.lastFailure = text;
      },
    );
  }

  private async once(): Promise<void> {
    const { context } = this;
    const { server, guard, memory, clock } = context.parts;
    const { postmaster } = guard.view();
    if (postmaster === null || postmaster.phase !== "running" || !memory.server?.ready) return;
    const made = readMadeSlots(context.dataDir);
    const asPrimary = postmaster.writable;
    // A primary that has just been adopted or restarted has not been told yet: nothing is known to be superfluous.
    if (this.members === null && (asPrimary || made.length === 0)) return;
    const useSlots = context.dynamic.postgresql.useSlots;
    const wanted = useSlots ? (this.members ?? []).map(slotName) : [];
    const nowMs = clock.now();
    for (const name of wanted) this.wantedAtMs.set(name, nowMs);
    for (const name of made) if (!this.wantedAtMs.has(name)) this.wantedAtMs.set(name, nowMs);
    if (wanted.length === 0 && made.length === 0) return;
    const kept = Object.keys(context.dynamic.slots);
    await server.with({ applicationName: "agent slots" }, async (connection) => {
      const plan = planSlots({
        existing: await readSlots(connection),
        wanted,
        made,
        kept,
        wantedAtMs: this.wantedAtMs,
        nowMs,
        ttlMs: asPrimary && useSlots ? context.dynamic.memberSlotsTtlS * 1000 : 0,
      });
      // A member's own copying may have made its slot before us: by its name it is one of ours.
      const ours = new Set([...made, ...wanted.filter((name) => !kept.includes(name))]);
      // Written before they are made: one that we do not know as ours would be kept, with its WAL, for ever.
      if (plan.create.length > 0) writeMadeSlots(context.dataDir, [...ours].sort());
      for (const name of plan.create) {
        if (await createSlot(connection, name)) context.info(`created replication slot ${name}`);
      }
      for (const name of plan.drop) {
        await dropSlot(connection, name);
        ours.delete(name);
        context.info(`dropped replication slot ${name}, which no member needs`);
      }
      writeMadeSlots(context.dataDir, [...ours].sort());
    });
  }
}
