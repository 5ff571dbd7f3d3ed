/**
 * Warnings beside an answer whose body is fixed: the header `Warning` of RFC 7234, which clients that do not
 * know it pass over.
 */
const CODE = "299 agent";
const MAX_WARNINGS = 20;
const MAX_CHARACTERS = 300;

export function warningHeader(warnings: readonly string[]): { readonly Warning?: string } {
  if (warnings.length === 0) return {};
  const more = warnings.length - MAX_WARNINGS;
  const shown = [...warnings.slice(0, MAX_WARNINGS), ...(more > 0 ? [`${more} more warnings`] : [])];
  return { Warning: shown.map((text) => `${CODE} "${quotable(text)}"`).join(", ") };
}

/** Header values are ASCII, and a quote or backslash in a quoted text is escaped. */
function quotable(text: string): string {
  const plain = text.replace(/[^\u0020-\u007e]/g, "?");
  const short = plain.length <= MAX_CHARACTERS ? plain : `${plain.slice(0, MAX_CHARACTERS - 4)} ...`;
  return short.replace(/["\\]/g, "\\$&");
}

export function readWarnings(headers: Headers): string[] {
  const value = headers.get("Warning") ?? "";
  return [...value.matchAll(/299 agent "((?:[^"\\]|\\.)*)"/g)].map(([, text]) =>
    text!.replace(/\\(.)/g, "$1")
  );
}
