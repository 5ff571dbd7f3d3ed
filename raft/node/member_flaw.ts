/**
 * The rule for names and addresses of members: one judge for every node that asks for a member, for the
 * leader, and for every member that applies the record. Pure.
 *
 * Records are in the log for ever, and each member dials the addresses in them. So the rule may only ever be
 * loosened together with a version of commands (versions.ts), and never tightened: members that judge a
 * record differently would have different members.
 */
import { MAX_NODE_ID } from "../core/configuration.ts";
import { NONE } from "../core/types.ts";
import { readHostPort } from "../transport/host_port.ts";
import { canBeDialed } from "./ids.ts";
import type { MemberRecord } from "./member_record.ts";

const MAX_NAME_CHARACTERS = 256;
const MAX_ADDRESS_CHARACTERS = 512;
/** Matches a host name, an IPv4 address, or an IPv6 address in brackets, with its zone. */
const HOST = /^(?:[^\u0000-\u0020:[\]%]{1,255}|\[[0-9a-fA-F:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?\])$/;

/** Says, for people, why a record cannot be that of a member; null: it can. */
export function memberFlaw({ id, name, addr, votes, replaces }: MemberRecord): string | null {
  if (!isId(id) || !(replaces === NONE || isId(replaces)) || id === replaces) {
    return `"${id}" and "${replaces}" are not valid ids of a member and of the one that it replaces`;
  }
  if (typeof votes !== "boolean") return "the request does not say whether the member votes";
  return nameFlaw(name) ?? addressFlaw(addr, votes);
}

function isId(id: unknown): boolean {
  return Number.isSafeInteger(id) && (id as number) > NONE && (id as number) <= MAX_NODE_ID;
}

function nameFlaw(name: unknown): string | null {
  if (name === null) return null;
  if (typeof name !== "string" || name === "" || name.length > MAX_NAME_CHARACTERS) {
    return `a member's name has 1 to ${MAX_NAME_CHARACTERS} characters`;
  }
  return hasControls(name) ? "a member's name has no control characters" : null;
}

/** An empty address is not known: the member dials the others. */
function addressFlaw(addr: unknown, votes: boolean): string | null {
  if (addr === "") return null;
  if (typeof addr !== "string" || addr.length > MAX_ADDRESS_CHARACTERS) {
    return `a member's address has at most ${MAX_ADDRESS_CHARACTERS} characters`;
  }
  if (hasControls(addr)) return "a member's address has no control characters";
  if (!canBeDialed(addr)) return votes ? `${addr}: a member that cannot be dialed has no vote` : null;
  const { port } = readHostPort(addr) ?? { port: 0 };
  const host = addr.slice(0, addr.lastIndexOf(":"));
  return port > 0 && HOST.test(host) && host !== "*"
    ? null
    : `"${addr}" is no address: "host:port" is expected, with a port from 1 to 65535`;
}

function hasControls(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed();
}
