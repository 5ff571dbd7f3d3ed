/**
 * A status in a few bytes. At rest, and under any steady load, nothing but positions and counters differs
 * from one status to the next. Then the sender names the last full status that it has sent (the base) and
 * says what moved, and the receiver puts the two together. A receiver that cannot, because it has another
 * base or none, asks for a full status, so nothing rests on what the network delivers.
 *
 * Only a member that has asked is sent short statuses: an older version never asks, and gets full ones.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import { readShort } from "./message_schema.ts";

/** What moves. The order is that of the message. */
const MOVING = [
  "walLsn",
  "receivedLsn",
  "replayedLsn",
  "holderLsn",
  "lookAgeMs",
  "lateMs",
  "wallMs",
] as const satisfies readonly (keyof MemberStatus)[];
/** What may differ from one short status to the next: no news for anybody. */
export const MOVES: ReadonlySet<string> = new Set<keyof MemberStatus>(["seq", ...MOVING]);

/** The empty message: send me a full status next, and short ones after it. */
export const ASKS_FOR_ALL: Uint8Array = new Uint8Array(0);

/** `base` and `incarnation` name the full status that it goes by. */
export interface ShortStatus {
  readonly incarnation: number;
  readonly base: number;
  readonly seq: number;
  /** In the order of MOVING. */
  readonly moved: readonly (number | null)[];
}

const encoder = new TextEncoder();

/** Whether `status` can be told by `base` and what moves. */
export function isShort(base: MemberStatus, status: MemberStatus): boolean {
  return MOVING.every((field) => base[field] !== undefined && status[field] !== undefined) &&
    !differBeyond(MOVES, base, status);
}

/** Whether any field that is not in `passedOver` differs. */
export function differBeyond(
  passedOver: ReadonlySet<string>,
  before: MemberStatus,
  status: MemberStatus,
): boolean {
  const [old, now] = [before, status] as unknown as { readonly [field: string]: unknown }[];
  for (const field in now) if (!passedOver.has(field) && isOther(old![field], now[field])) return true;
  for (const field in old) if (!passedOver.has(field) && isOther(old[field], now![field])) return true;
  return false;
}

export function isOther(a: unknown, b: unknown): boolean {
  if (a === b) return false;
  return typeof a !== "object" || typeof b !== "object" || JSON.stringify(a) !== JSON.stringify(b);
}

/** To be sent where `base` was: isShort. */
export function encodeShort(base: MemberStatus, status: MemberStatus): Uint8Array {
  const moved = MOVING.map((field) => status[field]);
  return encoder.encode(JSON.stringify([status.incarnation, base.seq, status.seq, ...moved]));
}

/** null: it is no short status. */
export function decodeShort(bytes: Uint8Array): ShortStatus | null {
  const numbers = readShort(bytes);
  if (numbers === null) return null;
  const [incarnation, base, seq, ...moved] = numbers;
  return { incarnation: incarnation!, base: base!, seq: seq!, moved };
}

/** The full status; null: it is told by another base. */
export function lengthen(base: MemberStatus, short: ShortStatus): MemberStatus | null {
  if (base.incarnation !== short.incarnation || base.seq !== short.base) return null;
  const status: Record<string, unknown> = { ...base, seq: short.seq };
  for (const [at, field] of MOVING.entries()) status[field] = short.moved[at];
  return status as unknown as MemberStatus;
}
