/**
 * Identities that every member computes alike from the configuration, so that nothing has to hand them out:
 * 48 bits of a SHA-256. For the initial members only; ids of members that join later are random, and none is
 * used twice.
 */
import { createHash } from "node:crypto";
import type { NodeId } from "../core/types.ts";

function hash48(parts: readonly (string | number)[]): number {
  // JSON keeps the parts apart: ["ab","c"] is not ["a","bc"].
  const value = createHash("sha256").update(JSON.stringify(parts)).digest().readUIntBE(0, 6);
  return value === 0 ? 1 : value;
}

/**
 * Id of a cluster, from the initial members' addresses ("host:port") in any order. A positive integer below
 * 2^48.
 */
export function clusterIdOf(namespace: string, scope: string, addresses: readonly string[]): number {
  return hash48(["cluster", namespace, scope, ...[...addresses].sort()]);
}

/** Id of an initial member. A positive integer below 2^48. */
export function nodeIdOf(clusterId: number, address: string): NodeId {
  return hash48(["node", clusterId, address]);
}

/**
 * Id by which a node that looks for its cluster names it, before it knows the cluster's id. A positive
 * integer below 2^48.
 */
export function visitIdOf(namespace: string, scope: string): number {
  return hash48(["visit", namespace, scope]);
}

const NO_ADDRESS = "no-address/";

/** Stand-in for the address of a member without a vote that nobody can dial: it dials the others. */
export function withoutAddress(name: string): string {
  return NO_ADDRESS + name;
}

/** False for the stand-in of `withoutAddress`: such a member dials the others, and nobody dials it. */
export function canBeDialed(addr: string): boolean {
  return !addr.startsWith(NO_ADDRESS);
}

/** Name in the stand-in of `withoutAddress`. */
export function nameInAddress(addr: string): string {
  return addr.slice(NO_ADDRESS.length);
}
