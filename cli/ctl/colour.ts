/** Colours of whole lines, on terminals only. */

/** What a line means; the last three are for the difference of two texts. */
export type Colour = "title" | "bad" | "notice" | "added" | "removed" | "place";

const CODES: { readonly [colour in Colour]: string } = {
  title: "1",
  bad: "31",
  notice: "33",
  added: "32",
  removed: "31",
  place: "36",
};

/** Not into pipes and files, not where NO_COLOR is set (no-color.org), and not on a terminal without them. */
export function showsColours({ isTerminal, environment }: {
  readonly isTerminal: boolean;
  readonly environment: { readonly [name: string]: string | undefined };
}): boolean {
  return isTerminal && !environment.NO_COLOR && environment.TERM !== "dumb";
}

/** `line` must hold nothing that steers a terminal. */
export function coloured(line: string, colour: Colour): string {
  return line === "" ? "" : `\x1b[${CODES[colour]}m${line}\x1b[0m`;
}
