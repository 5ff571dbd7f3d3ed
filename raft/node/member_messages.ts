/**
 * Requests of members to the leader for membership changes, and its answers: JSON on a reserved channel.
 * Pure.
 */
import { MAX_NODE_ID } from "../core/configuration.ts";
import { type NodeId, NONE } from "../core/types.ts";
import { isCount, parseJson } from "./json_shape.ts";
import type { MemberRecord } from "./member_record.ts";

/** Channel that RaftNode reserves for these. */
export const MEMBERS_CHANNEL = 254;

const MAX_TEXT = 512;

/**
 * Requested change. Repeating one is harmless: the node that asks first draws the id, which is never used for
 * anything else.
 */
export type MemberOperation =
  | { readonly kind: "add"; readonly record: MemberRecord }
  | { readonly kind: "remove"; readonly id: NodeId };

/** "retry": nothing is decided; ask again, perhaps another member. */
export type OperationOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "rejected" | "unknown" | "retry"; readonly reason: string };

export type MemberMessage =
  | { readonly kind: "request"; readonly seq: number; readonly operation: MemberOperation }
  | { readonly kind: "answer"; readonly seq: number; readonly outcome: OperationOutcome };

export function encodeMemberMessage(message: MemberMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** Decodes a message; null for garbage. */
export function decodeMemberMessage(bytes: Uint8Array): MemberMessage | null {
  const value = parseJson(new TextDecoder().decode(bytes));
  const { kind, seq, operation, outcome } = fieldsOf(value);
  if (!isCount(seq)) return null;
  if (kind === "request") {
    const parsed = operationOf(operation);
    return parsed && { kind, seq, operation: parsed };
  }
  const parsed = kind === "answer" ? outcomeOf(outcome) : null;
  return parsed && { kind: "answer", seq, outcome: parsed };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

function isId(value: unknown): value is NodeId {
  return isCount(value) && value !== NONE && value <= MAX_NODE_ID;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function operationOf(value: unknown): MemberOperation | null {
  const { kind, id, record } = fieldsOf(value);
  if (kind === "remove") return isId(id) ? { kind, id } : null;
  const { id: added, name, addr, votes, replaces } = fieldsOf(record);
  if (kind !== "add" || !isId(added) || !isText(addr) || typeof votes !== "boolean") return null;
  if (!(name === null || isText(name)) || !(replaces === NONE || isId(replaces))) return null;
  return { kind, record: { id: added, name, addr, votes, replaces } };
}

function outcomeOf(value: unknown): OperationOutcome | null {
  const { kind, reason } = fieldsOf(value);
  if (kind === "done") return { kind };
  if (kind !== "rejected" && kind !== "unknown" && kind !== "retry") return null;
  return isText(reason) ? { kind, reason } : null;
}
