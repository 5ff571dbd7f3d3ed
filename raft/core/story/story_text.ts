/**
 * The text form of a story: blocks of commands, each followed by a line of dashes and what the commands
 * print.
 *
 *     # The third server is cut off.
 *     cut 3 1
 *     campaign 1
 *     ----
 *     what these commands print, up to the next empty line
 *
 * Text outside blocks (comments, empty lines) is kept as it is, so that a story can be rewritten with what it
 * prints now. Pure.
 */

export interface StoryCommand {
  /** Line in the file, from 1. */
  readonly line: number;
  readonly name: string;
  /** "1 2" */
  readonly words: readonly string[];
  /** "drop=(1,2)": one or several values. */
  readonly options: ReadonlyMap<string, readonly string[]>;
}

/** Part of a story: text that is kept, or a block. */
export type StoryPart =
  | { readonly kind: "text"; readonly line: string }
  | {
    readonly kind: "block";
    readonly source: readonly string[];
    readonly commands: readonly StoryCommand[];
  };

/** The text of the story has a mistake. */
export class StoryError extends Error {
  override readonly name = "StoryError";
}

const DASHES = "----";

/** Parses a story. The printed parts are left out: they are produced anew. */
export function parseStory(text: string): StoryPart[] {
  const parts: StoryPart[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (line.trim() === "" || line.startsWith("#")) {
      parts.push({ kind: "text", line });
      continue;
    }
    const source: string[] = [];
    const commands: StoryCommand[] = [];
    for (; lines[at] !== DASHES; at++) {
      const sourceLine = lines[at];
      if (sourceLine === undefined || sourceLine.trim() === "") {
        throw new StoryError(`line ${at + 1}: the commands before it do not end with ${DASHES}`);
      }
      source.push(sourceLine);
      if (!sourceLine.startsWith("#")) commands.push(parseCommand(sourceLine, at + 1));
    }
    parts.push({ kind: "block", source, commands });
    while (at + 1 < lines.length && lines[at + 1] !== "") at++;
  }
  return parts;
}

/** Returns the story with what its blocks print now; calls `print` for them in order. */
export function renderStory(
  parts: readonly StoryPart[],
  print: (commands: readonly StoryCommand[]) => string[],
): string {
  return parts.map((part) => {
    if (part.kind === "text") return part.line;
    return [...part.source, DASHES, ...print(part.commands)].join("\n");
  }).join("\n");
}

function parseCommand(source: string, line: number): StoryCommand {
  const [name, ...rest] = source.trim().split(/\s+/);
  const words: string[] = [];
  const options = new Map<string, string[]>();
  for (const word of rest) {
    const [key, value] = word.split("=", 2);
    if (value === undefined) words.push(word);
    else options.set(key!, value.replace(/^\(|\)$/g, "").split(",").filter((each) => each !== ""));
  }
  return { line, name: name!, words, options };
}
