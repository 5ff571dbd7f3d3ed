/**
 * Messages between members on raft's opaque channels: lease renewals and their acknowledgements, and status
 * broadcasts. A message that does not have the expected form (message_schema.ts) is dropped.
 */
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import { readLease, readMessage, readRelayed, STATUS, WITNESS } from "./message_schema.ts";

export const LEASE_CHANNEL = 1;
export const STATUS_CHANNEL = 2;
export const WITNESS_CHANNEL = 3;
/** The status of one that the receiver has no connection with, from the raft leader. */
export const RELAY_CHANNEL = 4;
/** A status in a few bytes, or the wish for a full one: see short_status.ts. */
export const SHORT_CHANNEL = 5;

export type LeaseMessage = { readonly kind: "renew"; readonly renewal: Renewal } | {
  readonly kind: "ack";
  readonly ack: RenewalAck;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeMessage(message: LeaseMessage | MemberStatus | WitnessNotice): Uint8Array {
  return encoder.encode(JSON.stringify(message));
}

export function decodeLeaseMessage(bytes: Uint8Array): LeaseMessage | null {
  return readLease(bytes) as LeaseMessage | null;
}

export function decodeStatus(bytes: Uint8Array): MemberStatus | null {
  return readMessage(bytes, STATUS) as MemberStatus | null;
}

export function decodeWitness(bytes: Uint8Array): WitnessNotice | null {
  return readMessage(bytes, WITNESS) as WitnessNotice | null;
}

export interface RelayedStatus {
  /** Raft id of the member that has sent it. */
  readonly from: number;
  /** The status as it was sent. */
  readonly status: Uint8Array;
}

export function encodeRelayed({ from, status }: RelayedStatus): Uint8Array {
  return encoder.encode(JSON.stringify({ from, status: decoder.decode(status) }));
}

export function decodeRelayed(bytes: Uint8Array): RelayedStatus | null {
  const relayed = readRelayed(bytes);
  return relayed && { from: relayed.from, status: encoder.encode(relayed.status) };
}
