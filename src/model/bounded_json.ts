/**
 * Bounds of JSON that comes from outside, or enters the log of the cluster: its size, its depth, the number
 * of its values and the length of each text. Logged values are copied, compared, shown and kept by every
 * member for ever, by recursive code, and travel in frames of limited length. So the bounds are checked
 * before anything else looks at a value. Takes linear time and constant stack, whatever the value.
 */
import type { Json } from "./json.ts";

export interface JsonBounds {
  /** UTF-8 bytes of the text; of a value, characters of all its texts and keys together. */
  readonly maxBytes: number;
  /** Levels of maps and lists in each other; 1: a map of scalars. */
  readonly maxDepth: number;
  /** Maps, lists and scalars, all counted. */
  readonly maxValues: number;
  /** Characters of one text or key. */
  readonly maxText: number;
}

/**
 * Bounds of the body of a request, and of what one command may carry. A real configuration needs a hundredth
 * of it.
 */
export const JSON_BOUNDS: JsonBounds = {
  maxBytes: 256 * 1024,
  maxDepth: 16,
  maxValues: 10_000,
  maxText: 16 * 1024,
};

/** null: within the bounds. Otherwise names the excess and its limit. `value` may be anything. */
export function boundsProblem(value: unknown, bounds: JsonBounds = JSON_BOUNDS): string | null {
  const { maxBytes, maxDepth, maxValues, maxText } = bounds;
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  let values = 0;
  let characters = 0;
  const textProblem = (text: string): string | null => {
    characters += text.length;
    if (text.length > maxText) return `a text of ${text.length} characters: at most ${maxText} are taken`;
    return characters > maxBytes ? `texts of more than ${maxBytes} characters together` : null;
  };
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    // Values still to be visited count too: one huge list must not be copied onto the stack first.
    if (++values + waiting.length > maxValues) return `more than ${maxValues} values`;
    const { value: one, depth } = next;
    if (typeof one === "string") {
      const problem = textProblem(one);
      if (problem !== null) return problem;
    } else if (typeof one === "object" && one !== null) {
      if (depth >= maxDepth) return `more than ${maxDepth} levels of maps and lists in each other`;
      if (Array.isArray(one)) {
        if (one.length > maxValues) return `more than ${maxValues} values`;
        for (const item of one) waiting.push({ value: item, depth: depth + 1 });
        continue;
      }
      for (const key of Object.keys(one)) {
        const problem = textProblem(key);
        if (problem !== null) return problem;
        if (values + waiting.length > maxValues) return `more than ${maxValues} values`;
        waiting.push({ value: (one as { [key: string]: unknown })[key], depth: depth + 1 });
      }
    } else if (typeof one === "number") {
      if (!Number.isFinite(one)) return "a number that is too large to be represented";
    } else if (typeof one !== "boolean" && one !== null) return "a value that is no JSON";
  }
  return null;
}

export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly kind: "malformed" | "too-large"; readonly problem: string };

/** JSON text as a value within the bounds. Never throws. */
export function parseBounded(text: string, bounds: JsonBounds = JSON_BOUNDS): ParsedJson {
  if (text.length > bounds.maxBytes) {
    return { ok: false, kind: "too-large", problem: `more than ${bounds.maxBytes} bytes` };
  }
  // Before it is parsed: the parser itself would build every level first.
  if (deeperThan(text, bounds.maxDepth)) {
    const problem = `more than ${bounds.maxDepth} levels of maps and lists in each other`;
    return { ok: false, kind: "too-large", problem };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { ok: false, kind: "malformed", problem: "text that is no JSON" };
  }
  const problem = boundsProblem(value, bounds);
  return problem === null ? { ok: true, value: value as Json } : { ok: false, kind: "too-large", problem };
}

/** Depth by the brackets outside of texts. For a text that is no JSON the result means nothing. */
function deeperThan(text: string, maxDepth: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character === "\\") i++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "{" || character === "[") {
      if (++depth > maxDepth) return true;
    } else if (character === "}" || character === "]") depth--;
  }
  return false;
}
