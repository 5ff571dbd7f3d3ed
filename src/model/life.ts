/**
 * Which machine a member runs on, and since which boot: names, addresses and raft ids can come twice, a life
 * cannot. A host is replaced while its predecessor lives on, a file is copied with its name, a virtual
 * machine is cloned. So the lock is granted to a life, and every claim to it is judged by `claimOn`, here and
 * nowhere else (docs/adr/0008-lives.md).
 */
import type { Life, LockRecord } from "./records.ts";

export type { Life } from "./records.ts";

/** A machine id or a boot as it may stand in a record: short, and without anything that needs quoting. */
const TOKEN = /^[0-9a-zA-Z._-]{1,64}$/;

/** Whether a value from outside is a life. */
export function isLife(value: unknown): value is Life {
  if (typeof value !== "object" || value === null) return false;
  const { node, machine, boot } = value as { [key: string]: unknown };
  return typeof node === "number" && Number.isSafeInteger(node) && node > 0 &&
    typeof machine === "string" && TOKEN.test(machine) && typeof boot === "string" && TOKEN.test(boot);
}

/** The same member on the same machine, perhaps since another boot. */
export function isSameMachine(a: Life | null | undefined, b: Life | null | undefined): boolean {
  if (!a || !b) return false;
  return a.node === b.node && a.machine === b.machine;
}

/**
 * The same member on the same machine since the same boot: processes that one of them started, the other can
 * find.
 */
export function isSameLife(a: Life | null | undefined, b: Life | null | undefined): boolean {
  return isSameMachine(a, b) && a?.boot === b?.boot;
}

/**
 * The claim of the member `name` in the life `life` to the epoch on record:
 * - "none": another member's, or free.
 * - "own": granted to this very life. It alone may renew, unfence, log a failsafe set, and release.
 * - "former": granted to this machine before it booted anew. All its processes are gone, but only if no copy
 *   of the machine runs elsewhere, which nothing here can prove: it ends by expiry. An unfenced epoch (pause)
 *   never expires, and may be released.
 * - "other": another machine's under the same name, or one that is not known. It ends by expiry, or by an
 *   operator.
 *
 * An epoch that a version without lives has granted is judged by name, until the member of that name joins
 * (state_machine.ts).
 */
export type Claim = "none" | "own" | "former" | "other";

export function claimOn(lock: Pick<LockRecord, "holder" | "life">, name: string, life: Life | null): Claim {
  if (lock.holder !== name) return "none";
  if (lock.life === null) return "own";
  if (isSameLife(lock.life, life)) return "own";
  return isSameMachine(lock.life, life) ? "former" : "other";
}

/** Whether a member with this claim may give the epoch up, once its PostgreSQL is proven stopped. */
export function mayRelease(lock: Pick<LockRecord, "unfenced">, claim: Claim): boolean {
  return claim === "own" || (claim === "former" && lock.unfenced);
}

/**
 * Whether this life's PostgreSQL needs no lease, as its epoch is unfenced (pause): it must not be ended
 * because a guard is silent.
 */
export function isUnfenced(
  lock: Pick<LockRecord, "holder" | "life" | "unfenced">,
  name: string,
  life: Life,
): boolean {
  return lock.unfenced && claimOn(lock, name, life) === "own";
}

/** For people: which machine this is. */
export function describeLife({ node, machine, boot }: Life): string {
  return `raft id ${node}, machine ${machine.slice(0, 8)}, boot ${boot.slice(0, 8)}`;
}
