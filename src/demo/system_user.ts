/**
 * Users of this system, from /etc/passwd: PostgreSQL refuses to run as root, so root must name another user.
 */
import { readFileSync } from "node:fs";

export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Throws when there is no such user. */
export function lookupUser(name: string): SystemUser {
  const user = findUser(name);
  if (user === null) throw new Error(`there is no user ${name} on this system`);
  return user;
}

export function findUser(name: string): SystemUser | null {
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const fields = line.split(":");
    if (fields[0] === name) return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return null;
}
