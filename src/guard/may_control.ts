import { isUndeclared } from "../model/guard_view.ts";
import type { WireView } from "./protocol.ts";

/**
 * Whether a process of the user `uid` may control a guard of the user `own`: the same user may, and so may
 * root, which could do all of that anyway.
 */
export function mayControl(uid: number, own: number): boolean {
  return uid === own || uid === 0;
}

/**
 * Whether the guard fences nothing, and never will for this agent: a server was found running, its role was
 * not declared, and no epoch is armed. Its agent has refused it, and may end the guard, which holds the
 * directory's lock.
 */
export function fencesNothing({ postmaster, armed }: Pick<WireView, "postmaster" | "armed">): boolean {
  return postmaster !== null && isUndeclared(postmaster) && armed === null;
}
