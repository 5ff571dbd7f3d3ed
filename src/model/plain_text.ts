/**
 * Checks texts for characters that not every place can hold: files with lines, terminals, PostgreSQL,
 * programs.
 */

/** The most bytes of any secret. PostgreSQL's own client cuts longer ones. */
export const MAX_SECRET_BYTES = 500;

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** No NUL, at which programs end a text, and no half of a character, which is written as something else. */
export function isWhole(text: string): boolean {
  return !text.includes("\u0000") && text.isWellFormed();
}

export function hasControl(text: string): boolean {
  return /[\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed();
}

/** Ends a line, steers a terminal (its 8-bit controls, too), or shows text in another order than it has. */
const STEERS = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** Text from outside on one line of a terminal or a file of rows. */
export function plainLine(text: string): string {
  return text.replace(new RegExp(`(?:${STEERS.source})+`, "gu"), " ");
}

/** Text for a terminal: line breaks and tabs stay, all else that steers it is shown as a code. */
export function shownText(text: string): string {
  return text.replace(
    STEERS,
    (character) =>
      character === "\n" || character === "\t"
        ? character
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Why this cannot be a secret: a password file has one line for each, and PostgreSQL's texts end at a NUL.
 * null: it can.
 */
export function secretProblem(secret: string): string | null {
  if (/[\r\n]/.test(secret) || !isWhole(secret)) {
    return "holds a line break or NUL (in YAML, | adds a line break: use single quotes), which password files cannot";
  }
  return byteLength(secret) > MAX_SECRET_BYTES ? `is longer than ${MAX_SECRET_BYTES} bytes` : null;
}
