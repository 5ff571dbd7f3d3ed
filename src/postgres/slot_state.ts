/** A replication slot as it is on a server, and as it should be there. */
import type { Lsn } from "../model/lsn.ts";
import type { Maker } from "./made_slots.ts";

export interface SlotState {
  readonly name: string;
  readonly active: boolean;
  readonly temporary: boolean;
  /** Plugin and database of a logical slot; null: physical. */
  readonly plugin: string | null;
  readonly database: string | null;
  /** It can serve nobody any more: the WAL that it needs is gone, or it was never told what it needs. */
  readonly useless: boolean;
  /** PostgreSQL keeps it alike on all members (17 and later), and this is a copy. */
  readonly synced: boolean;
  /** Where the WAL begins that it holds; null: it holds none. */
  readonly restartLsn: Lsn | null;
  /** What the user of a logical slot has confirmed. */
  readonly confirmedLsn: Lsn | null;
  /** Where the user that streams from a logical slot now asked to begin; null: nobody streams. */
  readonly readFrom: Lsn | null;
  /** It holds back VACUUM for a transaction that its user had seen. */
  readonly holdsXmin: boolean;
  /** WAL that is kept because of it, up to what this server has written or replayed. */
  readonly heldBytes: number;
  readonly walStatus: string | null;
  readonly safeBytes: number | null;
}

export interface WantedSlot {
  readonly name: string;
  readonly maker: Maker;
  /** It cannot be made here, only be brought from the primary. */
  readonly copied: boolean;
  /** Plugin and database of a logical slot; both null: a physical one. */
  readonly plugin: string | null;
  readonly database: string | null;
}
