/**
 * Marks a data directory as half-written while a bootstrap, clone or rewind works in it, so that nobody
 * starts PostgreSQL on half a copy, whatever ends the agent (a power cut included). Written, and on disk,
 * before the first change; removed after the last.
 *
 * pg_rewind removes from its target what the source does not have, the marker too, before it has finished. So
 * there are two: one inside, and one in a directory of the agent that names the data directory.
 */
import { inode, join, makeDirectory, readText, removeFile, syncPath, writeDurably } from "./disk.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { errorText } from "./error_text.ts";
import { identify, type ProcessIdentity } from "./run_program.ts";

export type Unfinished = "bootstrap" | "clone" | "rewind";

export interface Marker {
  readonly what: Unfinished;
  /** The program at work, should it outlive the agent that started it. */
  readonly program: ProcessIdentity | null;
  /** Directories outside that were empty when it began, and are filled by it. */
  readonly parts: readonly string[];
}

const FILE = "agent.unfinished";

export class UnfinishedMarker {
  readonly #inside: string;
  readonly #outside: string;
  readonly #dataDir: string;
  readonly #ownDir: string;

  /** `ownDir`: a directory of the agent, outside of the data directory; made when missing. */
  constructor(dataDir: string, ownDir: string) {
    this.#dataDir = dataDir;
    this.#ownDir = ownDir;
    this.#inside = join(dataDir, FILE);
    this.#outside = join(ownDir, FILE);
  }

  /** null: nothing unfinished here. */
  read(): Marker | null {
    const inside = readText(this.#inside);
    if (inside !== null) return parseMarker(inside, null);
    const outside = readText(this.#outside);
    return outside === null ? null : parseMarker(outside, identityOf(this.#dataDir));
  }

  async write(what: Unfinished, programPid: number | null, parts: readonly string[] = []): Promise<void> {
    const program = programPid === null ? null : identify(programPid);
    const text = formatMarker({ what, program, parts }, identityOf(this.#dataDir));
    makeDirectory(this.#ownDir, 0o700);
    await writeDurably(this.#outside, text, 0o600);
    await writeDurably(this.#inside, text, 0o600);
  }

  /** The work is complete: everything that it wrote must be on disk before. */
  async remove(): Promise<void> {
    removeFile(this.#inside);
    await syncPath(this.#dataDir);
    removeFile(this.#outside);
    await syncPath(this.#ownDir);
  }

  /** The data directory itself is gone (moved aside): what was unfinished went with it. */
  forget(): void {
    removeFile(this.#outside);
  }
}

/** Another directory in the same place (restored by an operator, say) is no concern of the agent. */
function identityOf(dataDir: string): string {
  return `${dataDir} ${inode(dataDir)} ${inode(join(dataDir, "global"))}`;
}

export function formatMarker(marker: Marker, directory: string): string {
  return `${marker.what}\n${JSON.stringify({ directory, program: marker.program, parts: marker.parts })}\n`;
}

/**
 * null when it is about another directory. An unreadable one counts as a rewind: nothing may be started
 * there, and what lies there may be worth keeping.
 */
export function parseMarker(text: string, directory: string | null): Marker | null {
  const [word, json] = text.split("\n");
  const what = word === "bootstrap" || word === "clone" ? word : "rewind";
  const fields = fieldsOf(json ?? "{}");
  if (fields === null) return { what, program: null, parts: [] };
  if (directory !== null && fields.directory !== directory) return null;
  const { program, parts } = fields;
  return {
    what,
    program: isProgram(program) ? program : null,
    parts: Array.isArray(parts) ? parts.filter((part) => typeof part === "string") : [],
  };
}

/** null: half written, or by somebody else. */
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
