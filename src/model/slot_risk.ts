/** Replication slots that hold much WAL: max_slot_wal_keep_size takes it from them soon, or has done so. */
import type { SlotView } from "./postgres_view.ts";

export interface SlotAtRisk {
  readonly name: string;
  readonly heldBytes: number;
  /** WAL that may still be written until the slot is of no use any more; null: it is of none already. */
  readonly safeBytes: number | null;
}

/** More are not told, and it is the first ones that count. */
const MOST = 10;

/** Those that hold more than they may still take, and those whose WAL is gone; the worst ones first. */
export function slotsAtRisk(slots: readonly SlotView[]): readonly SlotAtRisk[] {
  const isGone = ({ walStatus }: SlotView) => walStatus === "lost" || walStatus === "unreserved";
  return slots.filter((slot) => isGone(slot) || (slot.safeBytes !== null && slot.safeBytes < slot.heldBytes))
    .map(({ name, heldBytes, safeBytes }) => ({ name, heldBytes, safeBytes }))
    .sort((a, b) => (a.safeBytes ?? -Infinity) - (b.safeBytes ?? -Infinity) || (a.name < b.name ? -1 : 1))
    .slice(0, MOST);
}
