/** Repeats the output of a command, for -w and -W, and for `agent ctl watch`. */
import type { Context } from "./command.ts";
import { MAX_TIMEOUT_S } from "../../src/model/limits.ts";
import { shownWord } from "./arguments.ts";
import { CtlError, UsageError } from "./errors.ts";
import type { Colour } from "./colour.ts";
import type { Io } from "./io.ts";
import { drawFrame, type Line } from "./screen.ts";
import { timestamp } from "./time.ts";

/**
 * Shows once, or again and again until the user ends it. `show` writes to the context that it gets. On a
 * terminal a picture takes the place of the one before when all of it is there.
 */
export async function watching(context: Context, show: (context: Context) => Promise<void>): Promise<number> {
  const seconds = secondsOf(context);
  if (seconds === null) {
    await show(context);
    return 0;
  }
  return await repeat(context, seconds, show);
}

/** null: not asked for. Throws UsageError. */
export function secondsOf({ arguments: given }: Context): number | null {
  const value = given.value("watch");
  const seconds = value !== null ? Number(value) : given.flag("W") ? 2 : null;
  if (seconds !== null && !(seconds > 0 && seconds <= MAX_TIMEOUT_S)) {
    throw new UsageError(
      `Invalid value for '-w' / '--watch': ${shownWord(value!)} is not a valid number of seconds.`,
    );
  }
  return seconds;
}

/** Until `isOver`; without it, for ever. A failure ends it only at the first time: later it is shown. */
export async function repeat(
  context: Context,
  seconds: number,
  show: (context: Context) => Promise<void>,
  over: { readonly isOver: () => boolean; readonly ended: Promise<void> } = NEVER,
): Promise<number> {
  const { io } = context;
  let before: readonly Line[] | null = null;
  let failedSince: string | null = null;
  while (!over.isOver()) {
    const startedMs = performance.now();
    const lines: Line[] = [];
    const kept = io.isTerminal ? keeping(io, lines) : io;
    context.cluster.speakTo(kept);
    try {
      await show({ ...context, io: kept });
      failedSince = null;
      if (io.isTerminal) drawFrame(io, lines, before === null);
      before = lines;
    } catch (error) {
      if (!(error instanceof CtlError) || before === null) throw error;
      failedSince ??= timestamp(0);
      const text = `Error: ${error.message} (since ${failedSince})`;
      if (io.isTerminal) drawFrame(io, [...text.split("\n").map(badLine), ...before], false);
      else io.err(text);
    }
    const restMs = Math.max(0, seconds * 1000 - (performance.now() - startedMs));
    await Promise.race([new Promise((resolve) => setTimeout(resolve, restMs)), over.ended]);
  }
  return 0;
}

const NEVER = { isOver: () => false, ended: new Promise<void>(() => {}) };

function badLine(text: string): Line {
  return { text, colour: "bad" };
}

/** An Io that keeps what is written, line by line. */
function keeping(io: Io, lines: Line[]): Io {
  const keep = (text: string, colour?: Colour) => {
    for (const line of text.split("\n")) {
      lines.push(colour === undefined ? { text: line } : { text: line, colour });
    }
  };
  return {
    out: keep,
    err: (line) => keep(line, "notice"),
    ask: (text) => io.ask(text),
    onKey: (handle) => io.onKey(handle),
    readLine: () => io.readLine(),
    readAll: () => io.readAll(),
    readSecret: () => io.readSecret(),
    isTerminal: io.isTerminal,
    size: () => io.size(),
    environment: io.environment,
  };
}
