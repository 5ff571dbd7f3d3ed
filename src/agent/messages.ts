/**
 * Messages between members on raft's opaque channels: lease renewals and their acknowledgements, and status
 * broadcasts. Senders are authenticated peers, but a message may come from another version: what does not have the
 * expected shape is dropped.
 */
import type { Renewal, RenewalAck } from "../dcs/lease.ts";
import { isLife } from "../model/life.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { WitnessNotice } from "../model/witness_notice.ts";

export const LEASE_CHANNEL = 1;
export const STATUS_CHANNEL = 2;
export const WITNESS_CHANNEL = 3;
/** The status of one that the receiver has no connection with, from the raft leader. */
export const RELAY_CHANNEL = 4;

export type LeaseMessage = { readonly kind: "renew"; readonly renewal: Renewal } | {
  readonly kind: "ack";
  readonly ack: RenewalAck;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeMessage(message: LeaseMessage | MemberStatus | WitnessNotice): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

function parse(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export function decodeLeaseMessage(bytes: Uint8Array): LeaseMessage | null {
  const value = parse(bytes);
  const body = (value?.kind === "renew" ? value.renewal : value?.kind === "ack" ? value.ack : null) as
    | Record<string, unknown>
    | null;
  if (!body || !isCount(body.epoch) || !isCount(body.incarnation) || !isCount(body.seq)) return null;
  if (value!.kind === "renew") {
    const promised = [body.countsOnMs, body.revision].every((each) => each === undefined || isCount(each));
    return typeof body.holder === "string" && isLife(body.life) && promised
      ? value as unknown as LeaseMessage
      : null;
  }
  return isCount(body.grantTtlMs) ? value as unknown as LeaseMessage : null;
}

export function decodeStatus(bytes: Uint8Array): MemberStatus | null {
  const value = parse(bytes);
  if (
    value === null || typeof value.name !== "string" || !isCount(value.incarnation) || !isCount(value.seq)
  ) return null;
  if (
    !isCount(value.epochSeen) || typeof value.running !== "boolean" || typeof value.writable !== "boolean"
  ) return null;
  if (typeof value.tags !== "object" || value.tags === null) return null;
  if (value.life !== undefined && !isLife(value.life)) return null;
  return value as unknown as MemberStatus;
}

export function decodeWitness(bytes: Uint8Array): WitnessNotice | null {
  const value = parse(bytes);
  if (value === null) return null;
  const texts = [value.name, value.raftAddr, value.apiUrl].every((text) => typeof text === "string");
  const numbers = [value.canLose, value.holderSeenEpoch ?? null, value.holderLsn ?? null];
  return texts && numbers.every((number) => number === null || isCount(number))
    ? value as unknown as WitnessNotice
    : null;
}

export interface RelayedStatus {
  /** Raft id of the member that has sent it. */
  readonly from: number;
  /** As it was sent. */
  readonly status: Uint8Array;
}

export function encodeRelayed({ from, status }: RelayedStatus): Uint8Array {
  return encoder.encode(JSON.stringify({ from, status: decoder.decode(status) }));
}

export function decodeRelayed(bytes: Uint8Array): RelayedStatus | null {
  const value = parse(bytes);
  if (value === null || !isCount(value.from) || typeof value.status !== "string") return null;
  return { from: value.from, status: encoder.encode(value.status) };
}
