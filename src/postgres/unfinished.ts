/**
 * Marks a data directory as half-written while a bootstrap, clone or rewind works in it, so that PostgreSQL
 * is never started on half a copy, whatever ends the agent (a power cut included). Written, and on disk,
 * before the first change; removed after the last.
 *
 * pg_rewind removes from its target files that the source does not have, the marker too, before it has
 * finished. So there are two: one inside, and one in a directory of the agent that names the data directory.
 *
 * A command of the user's own that restores a backup wants an empty directory, and may replace the directory
 * itself. While it works there is the marker outside alone, and it names the place. An operator may have
 * restored by hand while the agent was away: data under such a marker is moved aside and never removed.
 */
import { markNewData } from "./data_id.ts";
import type { DataMark } from "./data_mark.ts";
import {
  exists,
  inode,
  join,
  makeDirectory,
  modeIn,
  readText,
  removeFile,
  syncPath,
  writeDurably,
} from "./disk.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { errorText } from "./error_text.ts";
import { identify, type ProcessIdentity } from "./run_program.ts";

export type Unfinished = "bootstrap" | "clone" | "rewind";

/**
 * What lies in a marked directory. "own": made by PostgreSQL's programs, which the agent has run. "command":
 * left by a command of the user's own, or by somebody since. "kept": data that such a command is to go on
 * from.
 */
export type UnfinishedContent = "own" | "command" | "kept";

export interface Marker {
  readonly what: Unfinished;
  readonly content: UnfinishedContent;
  /** The program at work, should it outlive the agent that started it. */
  readonly program: ProcessIdentity | null;
  /** Directories outside that were empty when it began, and are filled by it. */
  readonly parts: readonly string[];
  /** When the command began whose content it is, by the wall clock in ms; null: no command, or not known. */
  readonly beganMs: number | null;
  /** The incarnation of the agent that wrote it; null: not known. */
  readonly by: number | null;
}

const FILE = "agent.unfinished";

export class UnfinishedMarker {
  readonly #inside: string;
  readonly #outside: string;
  readonly #dataDir: string;
  readonly #ownDir: string;
  readonly #mark: DataMark;
  readonly #by: number | null;

  /**
   * `ownDir`: a directory of the agent, outside of the data directory; made when missing. `by`: the agent's
   * incarnation, by which the records know a bootstrap, too.
   */
  constructor(dataDir: string, ownDir: string, mark: DataMark, by: number | null = null) {
    this.#dataDir = dataDir;
    this.#ownDir = ownDir;
    this.#mark = mark;
    this.#by = by;
    this.#inside = join(dataDir, FILE);
    this.#outside = join(ownDir, FILE);
  }

  /** null: nothing unfinished here. */
  read(): Marker | null {
    const text = readText(this.#outside);
    const outside = text === null ? null : parseMarker(text, this.#place);
    // A backup may hold the mark that its server had inside.
    if (outside !== null && outside.content !== "own") return outside;
    const inside = readText(this.#inside);
    return inside === null ? outside : parseMarker(inside, null);
  }

  get #place(): MarkedPlace {
    return { path: this.#dataDir, identity: identityOf(this.#dataDir) };
  }

  async write(what: Unfinished, programPid: number | null, parts: readonly string[] = []): Promise<void> {
    const program = programPid === null ? null : identify(programPid);
    const mark: Marker = { what, content: "own", program, parts, beganMs: null, by: this.#by };
    await this.#writeBoth(formatMarker(mark, identityOf(this.#dataDir)));
  }

  /** The command has succeeded, and more is to be done before the directory is whole. */
  async keepForCommand(what: Unfinished): Promise<void> {
    const beganMs = this.read()?.beganMs ?? null;
    const mark: Marker = { what, content: "command", program: null, parts: [], beganMs, by: this.#by };
    await this.#writeBoth(formatMarker(mark, this.#dataDir));
  }

  async #writeBoth(text: string): Promise<void> {
    makeDirectory(this.#ownDir, 0o700);
    await writeDurably(this.#outside, text, 0o600);
    await writeDurably(this.#inside, text, modeIn(this.#dataDir, 0o600));
  }

  /** Marks the place, whatever directory is there, from outside alone. */
  async writeForCommand(
    what: Unfinished,
    programPid: number | null,
    parts: readonly string[],
    content: "command" | "kept",
    beganMs: number | null = null,
  ): Promise<void> {
    const program = programPid === null ? null : identify(programPid);
    makeDirectory(this.#ownDir, 0o700);
    await writeDurably(
      this.#outside,
      formatMarker({ what, content, program, parts, beganMs, by: this.#by }, this.#dataDir),
      0o600,
    );
    removeFile(this.#inside);
  }

  /**
   * Marks it from outside alone. The mark names this very directory, and ends when another one is in its
   * place: it does not go along where the directory is moved.
   */
  async writeOutside(what: Unfinished): Promise<void> {
    const mark = { what, content: "own", program: null, parts: [], beganMs: null, by: this.#by } as const;
    const text = formatMarker(mark, identityOf(this.#dataDir));
    makeDirectory(this.#ownDir, 0o700);
    await writeDurably(this.#outside, text, 0o600);
  }

  /** The work is complete: everything that it wrote must be on disk before. */
  async remove(): Promise<void> {
    // A copy and a rewind bring along the id of the data that they were made of.
    if (exists(join(this.#dataDir, "PG_VERSION"))) await markNewData(this.#dataDir, this.#mark);
    removeFile(this.#inside);
    await syncPath(this.#dataDir);
    removeFile(this.#outside);
    await syncPath(this.#ownDir);
  }

  /** The data directory itself is gone (moved aside), and the unfinished work with it. */
  forget(): void {
    removeFile(this.#outside);
  }
}

/** Another directory in the same place (restored by an operator, say) is no concern of the agent. */
function identityOf(dataDir: string): string {
  return `${dataDir} ${inode(dataDir)} ${inode(join(dataDir, "global"))}`;
}

export function formatMarker(marker: Marker, directory: string): string {
  const { what, content, program, parts, beganMs, by } = marker;
  return `${what}\n${JSON.stringify({ directory, program, parts, content, beganMs, by })}\n`;
}

/** A data directory as a marker names it: by its path alone, or as this very directory. */
export interface MarkedPlace {
  readonly path: string;
  readonly identity: string;
}

/**
 * null when it is about another directory. An unreadable one counts as a rewind: nothing may be started
 * there, and the data may be worth keeping.
 */
export function parseMarker(text: string, place: MarkedPlace | null): Marker | null {
  const [word, json] = text.split("\n");
  const what = word === "bootstrap" || word === "clone" ? word : "rewind";
  const fields = fieldsOf(json ?? "{}");
  if (fields === null) return { what, content: "own", program: null, parts: [], beganMs: null, by: null };
  const { program, parts, content: found, beganMs, by } = fields;
  const content = found === "command" || found === "kept" ? found : "own";
  const named = content === "own" ? place?.identity : place?.path;
  if (named !== undefined && fields.directory !== named) return null;
  return {
    what,
    content,
    program: isProgram(program) ? program : null,
    parts: Array.isArray(parts) ? parts.filter((part) => typeof part === "string") : [],
    beganMs: typeof beganMs === "number" ? beganMs : null,
    by: typeof by === "number" ? by : null,
  };
}

/** null: half written, or not the agent's. */
function fieldsOf(json: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(json);
    return isJsonObject(value) ? value : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw new Error(errorText(error));
    return null;
  }
}

function isProgram(value: unknown): value is ProcessIdentity {
  const { pid, startTicks } = (value ?? {}) as Partial<ProcessIdentity>;
  return Number.isSafeInteger(pid) && Number.isSafeInteger(startTicks);
}
