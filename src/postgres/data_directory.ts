/** Finds out the state of a data directory: absent, empty, valid, half-written or foreign. */
import { OWNER_FILE } from "../model/owner_file.ts";
import type { DataDirectory } from "../model/postgres_view.ts";
import { type ControlFile, readControlFile } from "./control_file.ts";
import { readDataId } from "./data_id.ts";
import { exists, join, list, readText } from "./disk.ts";
import { errorText } from "./error_text.ts";
import { historyFileName, parseHistory, type TimelineHistory } from "./history.ts";
import type { Programs } from "./programs.ts";
import type { UnfinishedMarker } from "./unfinished.ts";

/**
 * Copies are made in here and moved up when complete: initdb and pg_basebackup insist on an empty directory.
 */
export const STAGING = "agent.staging";
/**
 * Marks a directory in which a former primary runs as a standby without an upstream: its WAL may not be the
 * cluster's.
 */
export const FORMER_PRIMARY = "agent.former_primary";
/**
 * Names the founding of the cluster whose history the directory is a part of. A copy has it from its source.
 */
export const JOINED = "agent.joined";
/**
 * Marks a directory whose server wrote without the lock, and holds the lowest timeline on which it did: by
 * positions and timelines alone, its writes would look like a part of the primary's history.
 */
export const WROTE_ALONE = "agent.wrote_alone";
/**
 * Names that do not count: a file system puts its own into its root, and a data directory may be a mount
 * point.
 */
const IGNORED = new Set(["lost+found", STAGING, OWNER_FILE]);

export interface FoundDirectory {
  readonly directory: DataDirectory;
  /** As in `directory`, with fields that the view does not show; null when not valid. */
  readonly control: ControlFile | null;
}

/** `managed`: its postgresql.conf, which may lie elsewhere, is an agent's. */
export async function readDataDirectory(
  programs: Programs,
  dataDir: string,
  marker: UnfinishedMarker,
  managed: boolean,
): Promise<FoundDirectory> {
  const found = (directory: DataDirectory, control: ControlFile | null = null) => ({ directory, control });
  const foreign = (reason: string) => found({ kind: "foreign", reason });
  try {
    const names = list(dataDir);
    if (names === null) return found({ kind: "absent" });
    const unfinished = marker.read();
    const content = names.filter((name) => !IGNORED.has(name) && name !== "agent.unfinished");
    // What a command of the user's own is to go on from is nothing that anybody else would use.
    if (unfinished?.content === "kept") return found({ kind: "empty" });
    if (unfinished !== null) {
      const { what, by } = unfinished;
      return found({ kind: "half-written", what, ...(what === "bootstrap" && by !== null ? { by } : {}) });
    }
    if (content.length === 0) return found({ kind: "empty" });
    const version = readText(join(dataDir, "PG_VERSION"))?.trim();
    if (version === undefined || !exists(join(dataDir, "global", "pg_control"))) {
      return foreign(`${dataDir} is not empty and not a PostgreSQL data directory`);
    }
    if (version !== String(programs.major)) {
      return foreign(
        `${dataDir} belongs to PostgreSQL ${version}, the programs in ${programs.directory} to ${programs.major}: ` +
          "set postgresql.bin_dir",
      );
    }
    const result = await readControlFile(programs, dataDir);
    if (!result.ok) return foreign(`${dataDir}: ${result.error}`);
    const { redoLsn: _redo, segmentBytes: _segment, settings: _settings, ...control } = result.control;
    // Its data may not be the cluster's: it is compared before it is started, like a former primary's.
    const hasWritten = wroteAlone(dataDir) !== null;
    const standbySignal = exists(join(dataDir, "standby.signal")) && !hasWritten;
    const formerPrimary = exists(join(dataDir, FORMER_PRIMARY));
    const founding = readText(join(dataDir, JOINED))?.trim() ?? null;
    const dataId = readDataId(dataDir);
    const id = dataId === null ? {} : { dataId };
    const marks = { formerPrimary, wroteAlone: hasWritten, founding, unmanaged: !managed, ...id };
    return found({ kind: "valid", control, standbySignal, ...marks }, result.control);
  } catch (error) {
    return foreign(`${dataDir} cannot be read: ${errorText(error)}`);
  }
}

/** The history file of a timeline; empty: it has none. */
export function historyOnDisk(dataDir: string, timeline: number): TimelineHistory {
  return parseHistory(readText(join(dataDir, "pg_wal", historyFileName(timeline))) ?? "");
}

/** The timeline that WROTE_ALONE names; 0 when it cannot be read; null: there is no such mark. */
export function wroteAlone(dataDir: string): number | null {
  const text = readText(join(dataDir, WROTE_ALONE));
  if (text === null) return null;
  const timeline = Number(text);
  return Number.isSafeInteger(timeline) && timeline > 0 ? timeline : 0;
}
