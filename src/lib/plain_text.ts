/**
 * Text for one line of a log. Every line is made here: a text that came from outside can neither begin a line
 * of its own, nor steer a terminal, nor grow without bound.
 */

/**
 * Characters that would end a line, steer a terminal, or be shown as nothing: controls, separators, formats,
 * lone surrogates.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * `text` on one line: unprintable characters as `\n`, `\u001b` ..., and at most `maxLength` characters of it.
 */
export function oneLine(text: string, maxLength: number): string {
  const kept = text.length <= maxLength
    ? text
    : `${text.slice(0, maxLength)}... (${text.length - maxLength} more characters)`;
  return kept.replace(UNPRINTABLE, escaped);
}

/**
 * A text from outside, to be quoted in a sentence: as oneLine; a backslash is doubled, so that no escape can
 * be feigned.
 */
export function quotedOutside(text: string, maxLength = 100): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}...` : text;
  return `"${oneLine(cut.replace(/[\\"]/g, "\\$&"), 2 * maxLength + 3)}"`;
}

const SHORT: { readonly [character: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character: string): string {
  return SHORT[character] ??
    Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
      .map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}
