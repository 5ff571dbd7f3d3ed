/**
 * Runs one probe of the disks at a time, in a process of its own (probe_process.ts), and knows for how long
 * it has been at which place. Touches no disk itself: the loop that renews the lease never waits for one.
 * How long the process takes to start says nothing of the disks: a host may be out of memory.
 */
import { parseBounded } from "../../model/bounded_json.ts";
import { PLACE_KINDS, type PlaceKind, type PlaceReading } from "../../model/place_reading.ts";
import { finite, oneOf, openFields, orNull, text, wholeNumber } from "../../model/shape.ts";
import { runProgram } from "../../postgres/run_program.ts";
import { PROBE_COMMAND } from "./probe_process.ts";

const LINE_BOUNDS = { maxBytes: 16 * 1024, maxDepth: 4, maxValues: 50, maxText: 8 * 1024 };

/**
 * The process ends before compiled code could gain anything: without the compiler and its threads a look
 * takes a sixth less processor time (docs/benchmark.md).
 */
const INTERPRETED = { BUN_JSC_useJIT: "0" };

export interface ProbeEnd {
  readonly places: readonly PlaceReading[];
  /** Why nothing is known; null: the probe has come to its end. */
  readonly failed: string | null;
}

/** Where a probe under way is. */
export interface ProbeAt {
  readonly kind: PlaceKind;
  readonly path: string;
  readonly sinceMs: number;
}

export class DiskProbe {
  readonly #command: readonly string[];
  readonly #nowMs: () => number;
  #running = false;
  #at: ProbeAt | null = null;

  /** `command`: this executable. */
  constructor(command: readonly string[], nowMs: () => number) {
    this.#command = command;
    this.#nowMs = nowMs;
  }

  get running(): boolean {
    return this.#running;
  }

  /** The place that the probe under way is at; null: none is under way, or it has not begun with any. */
  get at(): ProbeAt | null {
    return this.#at;
  }

  /**
   * Never rejects. Not to be called while one is under way. After `giveUpMs` a probe that is stopped or
   * starved is ended, and one that waits for a network file system; one that hangs in the kernel cannot be.
   */
  async run(dataDir: string, giveUpMs: number): Promise<ProbeEnd> {
    this.#running = true;
    let lines = "";
    const [program, ...args] = this.#command;
    const end = await runProgram(program!, [...args, PROBE_COMMAND, dataDir], {
      timeoutMs: giveUpMs,
      env: INTERPRETED,
      onOutput: (stream, piece) => {
        if (stream !== "stdout") return;
        lines = (lines + piece).slice(-LINE_BOUNDS.maxBytes);
        const place = placeBegun(lines);
        if (place !== null && place.path !== this.#at?.path) this.#at = { ...place, sinceMs: this.#nowMs() };
      },
    });
    this.#running = false;
    this.#at = null;
    const places = end.stdout.split("\n").flatMap((line) => readingIn(line) ?? []);
    if (end.code === 0) return { places, failed: null };
    return {
      places: [],
      failed: end.failure ?? end.stderr.trim().split("\n").at(-1) ?? `exit code ${end.code}`,
    };
  }
}

/** The last place that a probe has said to begin with; null: none. */
function placeBegun(lines: string): Pick<ProbeAt, "kind" | "path"> | null {
  return lines.split("\n").flatMap((line) => {
    const path = fieldOf(line, "at");
    const kind = PLACE_KINDS.find((each) => each === fieldOf(line, "kind"));
    return typeof path === "string" && kind !== undefined ? { kind, path } : [];
  }).at(-1) ?? null;
}

const READING = openFields({
  kind: oneOf(...PLACE_KINDS),
  path: text(8 * 1024),
  device: wholeNumber(),
  totalBytes: finite(0, 2 ** 80),
  freeBytes: finite(0, 2 ** 80),
  writeMs: orNull(finite(0, 2 ** 53)),
  failure: orNull(openFields({ call: text(64), code: text(64) })),
});

function readingIn(line: string): PlaceReading | null {
  const reading = fieldOf(line, "reading");
  return READING(reading, true) === null ? reading as PlaceReading : null;
}

function fieldOf(line: string, field: string): unknown {
  const parsed = parseBounded(line, LINE_BOUNDS);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  return (parsed.value as { readonly [name: string]: unknown })[field];
}
