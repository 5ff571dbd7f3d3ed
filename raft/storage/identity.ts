/**
 * `identity.json`: whose log a directory holds. Written once, after the log's first segment is durable, so that its
 * presence also says that a log must be there.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { syncDirectory } from "./real_disk.ts";
import type { LogIdentity } from "./replay.ts";
import { StorageError } from "./storage_error.ts";

const VERSION = 1;

export interface DirectoryIdentity extends LogIdentity {
  /** Random, made with the directory: tells it from one that was put in its place. */
  readonly instance: string;
  /** Directory of the log within this one. */
  readonly log: string;
  /** Id with which the cluster was founded, when it was recovered from a lost majority since; else null. */
  readonly founded: number | null;
}

/** Where the log lies unless the identity says otherwise. */
export const LOG_DIRECTORY = "wal";

function pathOf(directory: string): string {
  return join(directory, "identity.json");
}

/** Null when the directory has none yet. Throws StorageError for another cluster, member or version. */
export function readIdentity(directory: string, expected: LogIdentity): DirectoryIdentity | null {
  const path = pathOf(directory);
  if (!fs.existsSync(path)) return null;
  const found = parse(path);
  if (found.version !== VERSION) {
    throw new StorageError("identity", `${path} has version ${found.version}, this program knows ${VERSION}`);
  }
  if (found.clusterId !== expected.clusterId) {
    throw new StorageError(
      "identity",
      `${directory} holds the raft log of another cluster (${found.clusterId}, ours is ${expected.clusterId}). ` +
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
 * Whose log a directory holds, for a member that was added later or whose cluster was recovered; null when it holds
 * none. Throws StorageError.
 */
export function directoryIdentity(directory: string): DirectoryIdentity | null {
  const path = pathOf(directory);
  if (!fs.existsSync(path)) return null;
  const { version: _, ...identity } = parse(path);
  return identity;
}

function parse(path: string): DirectoryIdentity & { readonly version: number } {
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
  const { version, clusterId, nodeId, instance, log = LOG_DIRECTORY, founded = null } =
    (value ?? {}) as Record<
      string,
      unknown
    >;
  const numbers = typeof version === "number" && typeof clusterId === "number" && typeof nodeId === "number";
  if (!numbers || typeof instance !== "string") throw refuse("fields are missing");
  if (typeof log !== "string" || log.includes("/")) throw refuse("the log's directory is none");
  if (founded !== null && typeof founded !== "number") throw refuse("the founding id is no number");
  return { version, clusterId, nodeId, instance, log, founded };
}

/** Records the identity durably. */
export function writeIdentity(
  directory: string,
  { clusterId, nodeId }: LogIdentity,
  { log = LOG_DIRECTORY, founded = null }: { log?: string; founded?: number | null } = {},
): DirectoryIdentity {
  const recorded = { clusterId, nodeId, instance: randomBytes(8).toString("hex"), log, founded };
  const path = pathOf(directory);
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
