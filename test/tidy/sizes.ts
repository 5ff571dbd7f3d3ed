/**
 * How long files and functions are. A function is found by its braces in code whose comments and strings are
 * blanked out.
 */
import type { SourceFile } from "./source.ts";

/** Not functions, though braces follow their parentheses. */
const STATEMENTS = ["if", "for", "while", "switch", "catch"];

export interface Sized {
  /** "path" or "path function". */
  readonly name: string;
  readonly lines: number;
}

export function fileSize({ path, code }: Pick<SourceFile, "path" | "code">): Sized {
  return { name: path, lines: code.trimEnd().split("\n").length };
}

/** Functions and methods with a name; what is in a callback counts for the function that it stands in. */
export function functionSizes({ path, code }: Pick<SourceFile, "path" | "code">): Sized[] {
  const found: Sized[] = [];
  const open: { readonly at: number; readonly name: string | null }[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === "{") open.push({ at, name: nameBefore(code, at) });
    if (code[at] !== "}") continue;
    const begun = open.pop();
    if (begun === undefined || begun.name === null) continue;
    found.push({ name: `${path} ${begun.name}`, lines: code.slice(begun.at, at).split("\n").length });
  }
  return found;
}

/** The name of the function whose body begins at `at`; null: it is the body of none. */
function nameBefore(code: string, at: number): string | null {
  const before = code.slice(Math.max(0, at - 2000), at);
  const close = /\)\s*(?::[^;{}=]*[\w>\])]|:\s*\{[^{}]*\})?\s*(=>\s*)?$/.exec(before);
  if (close === null) return null;
  let depth = 0;
  for (let i = close.index; i >= 0; i--) {
    if (before[i] === ")") depth++;
    if (before[i] === "(" && --depth === 0) {
      const head = before.slice(0, i);
      const arrow = close[1] !== undefined;
      const name = arrow
        ? /(?:const|let)\s+([\w$]+)[^;{}]*=\s*(?:async\s*)?$/.exec(head)?.[1]
        : /(#?[\w$]+)\s*(?:<[^<>]*>)?\s*$/.exec(head)?.[1];
      return name === undefined || STATEMENTS.includes(name) ? null : name;
    }
  }
  return null;
}
