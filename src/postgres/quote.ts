/**
 * Quoting for each language that PostgreSQL reads: SQL, its configuration files, connection strings, pgpass.
 */

export function quoteIdentifier(name: string): string {
  return `"${withoutNul(name).replaceAll('"', '""')}"`;
}

/** A literal that means the same whatever standard_conforming_strings says. */
export function quoteLiteral(value: string): string {
  const quoted = `'${withoutNul(value).replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return value.includes("\\") ? ` E${quoted}` : quoted;
}

/** A value in postgresql.conf: backslashes are escapes there, and no line break may stand inside. */
export function quoteConf(value: string): string {
  const escaped = withoutNul(value).replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
  return `'${escaped}'`;
}

/** Reads what quoteConf wrote, or a bare word. */
export function unquoteConf(text: string): string {
  if (!text.startsWith("'")) return text;
  return text.slice(1, text.lastIndexOf("'")).replace(/''|\\(.)/g, (all, escaped: string | undefined) => {
    if (escaped === undefined) return "'";
    if (escaped === "n") return "\n";
    return escaped === "r" ? "\r" : all.slice(1);
  });
}

/** `key=value` pairs as libpq reads them; empty values are left out. */
export function conninfo(
  settings: { readonly [keyword: string]: string | number | null | undefined },
): string {
  return Object.entries(settings).filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([keyword, value]) => `${keyword}=${quoteConninfo(String(value))}`).join(" ");
}

function quoteConninfo(value: string): string {
  if (/^[A-Za-z0-9_.,:/@%+-]+$/.test(value)) return value;
  return `'${withoutNul(value).replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** A field of a password file. */
export function quotePgpass(field: string): string {
  return field.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
}

/** No text that PostgreSQL reads can hold one; nothing may be cut off silently either. */
function withoutNul(text: string): string {
  if (text.includes("\0")) throw new Error("a value for PostgreSQL contains a NUL character");
  return text;
}
