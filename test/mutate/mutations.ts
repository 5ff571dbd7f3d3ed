/** All mutations, and how one is applied. */
import { BRAIN_MUTATIONS } from "./brain_mutations.ts";
import { CORE_MUTATIONS } from "./core_mutations.ts";
import { EVENT_MUTATIONS } from "./event_mutations.ts";
import { GUARD_MUTATIONS } from "./guard_mutations.ts";
import { LEASE_MUTATIONS } from "./lease_mutations.ts";
import type { Mutation } from "./mutation.ts";
import { NODE_MUTATIONS } from "./node_mutations.ts";
import { STORAGE_MUTATIONS } from "./storage_mutations.ts";
import { TRANSPORT_MUTATIONS } from "./transport_mutations.ts";

export const MUTATIONS: readonly Mutation[] = [
  ...CORE_MUTATIONS,
  ...STORAGE_MUTATIONS,
  ...NODE_MUTATIONS,
  ...TRANSPORT_MUTATIONS,
  ...LEASE_MUTATIONS,
  ...BRAIN_MUTATIONS,
  ...GUARD_MUTATIONS,
  ...EVENT_MUTATIONS,
];

/** The source after the mutation; null when it does not apply any more: the text is gone, or there twice. */
export function mutate(source: string, { search, replace }: Mutation): string | null {
  const at = source.indexOf(search);
  if (at === -1 || source.indexOf(search, at + 1) !== -1) return null;
  return source.slice(0, at) + replace + source.slice(at + search.length);
}
