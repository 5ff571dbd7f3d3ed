/**
 * Reads the project's sources for tidy.test.ts: the files, their imports, and their code with comments and
 * strings blanked out, so that a rule about code is not broken by a sentence about it. It knows no rule.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";

export interface Import {
  /** A path from the top of the project ("raft/mod.ts"), or the bare name of a package or built-in module. */
  readonly target: string;
  readonly local: boolean;
  /** `import type`, `export type ... from`: nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  readonly path: string;
  /** The text with comments, strings and regular expressions replaced by blanks; same length, same lines. */
  readonly code: string;
  /** What comments say, a comment a line. */
  readonly comments: readonly string[];
  /** What strings and the parts of templates hold. */
  readonly texts: readonly string[];
  readonly imports: readonly Import[];
}

export function readSources(root: string, folders: readonly string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of folders.filter((one) => existsSync(join(root, one)))) {
    for (const name of readdirSync(join(root, folder), { recursive: true }) as string[]) {
      if (!name.endsWith(".ts") || name.includes("node_modules")) continue;
      const path = relative(root, join(root, folder, name));
      files.push(parseSource(path, readFileSync(join(root, path), "utf8")));
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function parseSource(path: string, text: string): SourceFile {
  const { code, strings, comments, templates } = blank(text);
  const texts = [...strings.values(), ...templates];
  return { path, code, comments, texts, imports: findImports(path, code, strings) };
}

function findImports(path: string, code: string, strings: ReadonlyMap<number, string>): Import[] {
  const found: Import[] = [];
  const add = (at: number, typeOnly: boolean) => {
    const specifier = strings.get(at);
    if (specifier === undefined) return;
    const local = specifier.startsWith(".");
    found.push({ target: local ? normalize(join(dirname(path), specifier)) : specifier, local, typeOnly });
  };
  // A string's place is its opening quote, which blank() leaves in the code.
  const statement = /(?:^|[;}\n])\s*(?:import|export)\s+(type\s+)?(?:[\w$*{},\s]*?\bfrom\s*)?(["'])/g;
  for (const match of code.matchAll(statement)) {
    const before = code.slice(match.index, match.index + match[0].length);
    if (/\bexport\b/.test(before) && !/\bfrom\b/.test(before)) continue;
    const names = /\{([^}]*)\}/.exec(before)?.[1];
    const onlyTypes = names !== undefined && !/\}\s*,|,\s*\{/.test(before) &&
      names.split(",").every((name) => name.trim() === "" || /^type\s/.test(name.trim()));
    add(match.index + match[0].length - 1, match[1] !== undefined || (onlyTypes && names.trim() !== ""));
  }
  for (const match of code.matchAll(/\bimport\s*\(\s*(["'])/g)) {
    add(match.index + match[0].length - 1, false);
  }
  return found;
}

/**
 * Blanks what is not code. Quotes stay, the text between them does not; `strings` holds it by the quote's
 * place.
 */
function blank(
  text: string,
): { code: string; strings: Map<number, string>; comments: string[]; templates: string[] } {
  const out = text.split("");
  const strings = new Map<number, string>();
  const comments: string[] = [];
  const templates: string[] = [];
  const open: number[] = [];
  let depth = 0;
  let at = 0;
  const wipe = (from: number, to: number) => {
    for (let i = from; i < to && i < out.length; i++) if (out[i] !== "\n") out[i] = " ";
  };
  const template = (from: number) => {
    let end = from;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) {
      end += text[end] === "\\" ? 2 : 1;
    }
    templates.push(text.slice(from, end));
    wipe(from, end);
    if (text[end] === "`") return end + 1;
    open.push(depth++);
    return end + 2;
  };
  while (at < text.length) {
    const char = text[at]!;
    if (text.startsWith("//", at)) {
      const newline = text.indexOf("\n", at);
      const end = newline < 0 ? text.length : newline;
      comments.push(text.slice(at, end));
      wipe(at, end);
      at = end;
    } else if (text.startsWith("/*", at)) {
      const close = text.indexOf("*/", at + 2);
      const end = close < 0 ? text.length : close + 2;
      comments.push(text.slice(at, end));
      wipe(at, end);
      at = end;
    } else if (char === '"' || char === "'") {
      let end = at + 1;
      while (end < text.length && text[end] !== char) end += text[end] === "\\" ? 2 : 1;
      strings.set(at, text.slice(at + 1, end));
      wipe(at + 1, end);
      at = end + 1;
    } else if (char === "`") {
      at = template(at + 1);
    } else if (char === "/" && regexMayStart(out, at)) {
      let end = at + 1;
      for (let inClass = false; end < text.length && (inClass || text[end] !== "/"); end++) {
        if (text[end] === "\\") end++;
        else if (text[end] === "[") inClass = true;
        else if (text[end] === "]") inClass = false;
      }
      wipe(at + 1, end);
      at = end + 1;
    } else {
      if (char === "{") depth++;
      if (char === "}") {
        depth--;
        if (open.at(-1) === depth) {
          open.pop();
          at = template(at + 1);
          continue;
        }
      }
      at++;
    }
  }
  return { code: out.join(""), strings, comments, templates };
}

/** A slash begins a regular expression where an operand may stand. */
function regexMayStart(out: readonly string[], at: number): boolean {
  let i = at - 1;
  while (i >= 0 && /\s/.test(out[i]!)) i--;
  if (i < 0 || "(,=:[!&|?{};+-*%<>~^".includes(out[i]!)) return true;
  const word = /(\w+)$/.exec(out.slice(Math.max(0, i - 10), i + 1).join(""))?.[1];
  return word === "return" || word === "typeof" || word === "case" || word === "in" || word === "of";
}
