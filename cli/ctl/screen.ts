/** Pictures on a terminal that follow each other without flicker: each line is written over the last. */
import { shownText } from "../../src/model/plain_text.ts";
import { type Colour, coloured, showsColours } from "./colour.ts";
import type { Io, ScreenSize } from "./io.ts";

export interface Line {
  readonly text: string;
  readonly colour?: Colour;
}

const HOME = "\x1b[H";
const CLEAR = "\x1b[2J";
const TO_END_OF_LINE = "\x1b[K";
const BELOW = "\x1b[J";
/** A terminal that knows these shows nothing in between; others pass over them. */
const BEGIN = "\x1b[?2026h";
const END = "\x1b[?2026l";

/** Writes the whole picture at once. `first`: what stood on the screen before goes. */
export function drawFrame(io: Io, lines: readonly Line[], first: boolean): void {
  const colours = showsColours(io);
  const fitting = fit(lines.map(({ text, ...rest }) => ({ ...rest, text: shownText(text) })), io.size());
  const drawn = fitting.map(({ text, colour }) =>
    `${colours && colour !== undefined ? coloured(text, colour) : text}${TO_END_OF_LINE}\n`
  );
  io.ask(`${BEGIN}${first ? CLEAR : ""}${HOME}${drawn.join("")}${BELOW}${END}`);
}

/** The lines that have room, and how many have not: a picture that is too high would make the screen roll. */
export function fit(lines: readonly Line[], size: ScreenSize | null): readonly Line[] {
  if (size === null) return lines;
  // The cursor stands below the last line.
  const room = size.rows - 1;
  const heights = lines.map(({ text }) => Math.max(1, Math.ceil([...text].length / size.columns)));
  if (heights.reduce((sum, height) => sum + height, 0) <= room) return lines;
  let used = 1;
  let count = 0;
  while (count < lines.length && used + heights[count]! <= room) used += heights[count++]!;
  return [...lines.slice(0, count), { text: `... ${lines.length - count} more lines`, colour: "notice" }];
}
