/**
 * Names, users, passwords and paths, checked for every place where they go. A value that does not work in one
 * of them is refused here, with the reason, before a standby cannot connect.
 */
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { byteLength, hasControl, isWhole, secretProblem } from "../model/plain_text.ts";
import { isSlotNameCut, slotName } from "../model/slot_name.ts";
import { RESERVED_STANDBY } from "../model/sync_setting.ts";

/** PostgreSQL cuts longer names of roles and longer application names. */
export const MAX_NAME_BYTES = 63;
/** The longest path for PostgreSQL's programs: MAXPGPATH, less the longest name of a file below. */
const MAX_PATH_BYTES = 900;
/** Size of the address of a Unix socket, with the NUL at its end. */
const SOCKET_PATH_BYTES = 108;
const GUARD_SOCKET = "run/guard.sock";

/** The name of a member: application_name, slot, file name, URL, key of the REST interface. */
export function checkMemberName(name: string, issues: Issues): void {
  const path = ["name"];
  if (!/^[\x20-\x7e]*$/.test(name) || name.length > MAX_NAME_BYTES) {
    issues.error(
      path,
      `expected at most ${MAX_NAME_BYTES} printable ASCII characters: PostgreSQL shows no others of a standby that streams ` +
        "(application_name), by which its primary knows it",
    );
  } else if (name.includes("/") || name.trim() !== name) {
    issues.error(path, "expected a name without slashes, and without spaces at its ends");
  } else if (name === "__proto__") {
    issues.error(
      path,
      "this name means something else to programs that read maps of members: choose another",
    );
  } else if (name === "*") {
    issues.error(path, "this name stands for every standby in synchronous_standby_names: choose another");
  } else if (name === RESERVED_STANDBY) {
    issues.error(path, "this name stands for a missing standby: choose another");
  } else if (isSlotNameCut(name)) {
    issues.warning(
      path,
      `its replication slot is ${
        slotName(name)
      }, cut off at ${MAX_NAME_BYTES} characters: a name that begins alike would ` +
        "have the same one, and be refused. Use letters, digits, _, - and .",
    );
  }
}

/** The scope, or a part of the namespace. */
export function checkClusterName(name: string, key: "scope" | "namespace", issues: Issues): void {
  const slash = key === "scope" && name.includes("/");
  if (!hasControl(name) && !slash && name.length <= 200 && name.trim() === name) return;
  issues.error(
    [key],
    "expected a name of at most 200 characters without line breaks and spaces at its ends" +
      (key === "scope" ? ", and without slashes" : ""),
  );
}

/** Words that pg_hba.conf or CREATE ROLE take for something else. */
const RESERVED_ROLES = ["public", "none"];

export function checkRole(name: string, path: Path, issues: Issues): void {
  if (hasControl(name)) {
    issues.error(
      path,
      "holds a control character or line break, which pg_hba.conf and password files cannot",
    );
  } else if (byteLength(name) > MAX_NAME_BYTES) {
    issues.error(path, `is longer than ${MAX_NAME_BYTES} bytes, where PostgreSQL cuts names off`);
  } else if (RESERVED_ROLES.includes(name) || name.startsWith("pg_")) {
    issues.error(path, "is a name that PostgreSQL keeps for itself (pg_..., public, none): choose another");
  }
}

export function checkPassword(password: string, path: Path, issues: Issues): void {
  const problem = secretProblem(password);
  if (problem !== null) issues.error(path, problem);
}

export function checkPath(file: string | null, path: Path, issues: Issues): void {
  if (file === null) return;
  if (hasControl(file)) {
    issues.error(
      path,
      "holds a control character or line break, which PostgreSQL's own files (postmaster.pid) cannot",
    );
  } else if (byteLength(file) > MAX_PATH_BYTES) {
    issues.error(path, `is longer than ${MAX_PATH_BYTES} bytes, which PostgreSQL's programs cannot open`);
  }
}

/** raft.data_dir: the guard listens on a Unix socket in it. */
export function checkRaftDirectory(directory: string, path: Path, issues: Issues): void {
  checkPath(directory, path, issues);
  const over = byteLength(`${directory}/${GUARD_SOCKET}`) + 1 - SOCKET_PATH_BYTES;
  if (over > 0) {
    issues.error(
      path,
      `is ${over} bytes too long: the guard's socket in it (${GUARD_SOCKET}) may have ${
        SOCKET_PATH_BYTES - 1
      } bytes in all`,
    );
  }
}

/**
 * Text that PostgreSQL, a file and a command line can hold: no NUL, no half character. False after an error.
 */
export function checkText(value: unknown, maxBytes: number, path: Path, issues: Issues): value is string {
  const problem = typeof value !== "string"
    ? `expected text, got ${describeValue(path, value)}`
    : !isWhole(value)
    ? "holds a NUL or half a character, which no text for PostgreSQL can"
    : byteLength(value) > maxBytes
    ? `is longer than ${maxBytes} bytes`
    : null;
  if (problem !== null) issues.error(path, problem);
  return problem === null;
}

/** The same on one line: names, and what stands in a line of a file. False after an error. */
export function checkOneLine(value: unknown, maxBytes: number, path: Path, issues: Issues): value is string {
  if (!checkText(value, maxBytes, path, issues)) return false;
  if (!hasControl(value) && value !== "") return true;
  issues.error(path, value === "" ? "is empty" : "holds a control character or line break");
  return false;
}
