/**
 * `identity.json` names the owner of a directory's log. It is written once, after the log's first segment is
 * durable, so its presence also says that a log must be there.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { syncDirectory } from "./real_disk.ts";
import type { LogIdentity } from "./replay.ts";
import { laterVersion, StorageError } from "./storage_error.ts";
import type { MemberInfo } from "../node/raft_options.ts";

const VERSION = 1;

/** The member's knowledge of its cluster when its directory was made; the log holds everything since. */
export interface DirectoryOrigin {
  /** The operator's name for the cluster; null: not recorded. */
  readonly cluster: string | null;
  /** Address at which the others reach this member; null: not recorded. */
  readonly addr: string | null;
  /** Whether the member was added to a running cluster. */
  readonly joined: boolean;
  /** Members at that time, this one included. */
  readonly members: readonly MemberInfo[];
  /** Id with which the cluster was founded, when it has another one now; else null. */
  readonly founded: number | null;
}

const NO_ORIGIN: DirectoryOrigin = { cluster: null, addr: null, joined: false, members: [], founded: null };

/** Owner of a directory, from its identity.json. */
export interface DirectoryIdentity extends LogIdentity, DirectoryOrigin {
  /** Random id made with the directory: distinguishes it from one that was put in its place. */
  readonly instance: string;
  /** Directory of the log within this one. */
  readonly log: string;
}

/** Directory of the log unless the identity names another one. */
export const LOG_DIRECTORY = "wal";

/** Path of a directory's identity file. */
export function identityFile(directory: string): string {
  return join(directory, "identity.json");
}

/**
 * Reads the identity; null when the directory has none yet. Throws StorageError for another cluster, member
 * or version.
 */
export function readIdentity(directory: string, expected: LogIdentity): DirectoryIdentity | null {
  const found = directoryIdentity(directory);
  if (found === null) return null;
  if (found.clusterId !== expected.clusterId) {
    throw new StorageError(
      "identity",
      `${directory} holds the raft log of another cluster (${found.clusterId}, this one is ${expected.clusterId}). ` +
        "The cluster's id comes from its namespace, scope and initial member addresses: " +
        "restore those, or point raft.data_dir elsewhere",
    );
  }
  if (found.nodeId !== expected.nodeId) {
    throw new StorageError(
      "identity",
      `${directory} holds the raft log of another member (${found.nodeId}, this one is ${expected.nodeId}). ` +
        "Two members must never share a directory: point raft.data_dir elsewhere",
    );
  }
  return found;
}

/**
 * Owner of a directory's log, for a member that was added later or whose cluster was recovered; null when
 * there is no log. Throws StorageError.
 */
export function directoryIdentity(directory: string): DirectoryIdentity | null {
  const path = identityFile(directory);
  if (!fs.existsSync(path)) return null;
  return parse(path);
}

function parse(path: string): DirectoryIdentity {
  const refuse = (cause: unknown) => {
    const error = new StorageError("damaged", `${path} is damaged: ${String(cause)}`);
    error.cause = cause;
    return error;
  };
  let value: unknown;
  try {
    value = JSON.parse(fs.readFileSync(path, "utf8"));
  } catch (cause) {
    throw refuse(cause);
  }
  const { version, clusterId, nodeId, instance, log = LOG_DIRECTORY, ...rest } = (value ?? {}) as Record<
    string,
    unknown
  >;
  const { cluster, addr, joined, members, founded } = { ...NO_ORIGIN, ...rest } as Record<string, unknown>;
  const numbers = typeof version === "number" && typeof clusterId === "number" && typeof nodeId === "number";
  if (numbers && version !== VERSION) {
    throw laterVersion(`${path}: format ${version}, and this program knows ${VERSION}`);
  }
  if (!numbers || typeof instance !== "string") throw refuse("fields are missing");
  if (typeof log !== "string" || log.includes("/")) {
    throw refuse("the name of the log's directory is not valid");
  }
  if (founded !== null && typeof founded !== "number") throw refuse("the founding id is not a number");
  const texts = [cluster, addr].every((text) => text === null || typeof text === "string");
  if (!texts || typeof joined !== "boolean" || !Array.isArray(members) || !members.every(isMember)) {
    throw refuse("the list of members is not valid");
  }
  const origin = { cluster, addr, joined, members, founded } as DirectoryOrigin;
  return { clusterId, nodeId, instance, log, ...origin };
}

function isMember(value: unknown): value is MemberInfo {
  const { id, name, addr } = (value ?? {}) as Record<string, unknown>;
  return typeof id === "number" && (name === null || typeof name === "string") && typeof addr === "string";
}

/** Records the identity durably. */
export function writeIdentity(
  directory: string,
  { clusterId, nodeId }: LogIdentity,
  origin: DirectoryOrigin = NO_ORIGIN,
  log = LOG_DIRECTORY,
): DirectoryIdentity {
  const instance = randomBytes(8).toString("hex");
  const { cluster, addr, joined, members, founded } = origin;
  const recorded = { clusterId, nodeId, instance, log, cluster, addr, joined, members, founded };
  const path = identityFile(directory);
  const fd = fs.openSync(`${path}.tmp`, "w", 0o600);
  try {
    fs.writeSync(fd, `${JSON.stringify({ version: VERSION, ...recorded })}\n`);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(`${path}.tmp`, path);
  syncDirectory(directory);
  return recorded;
}
