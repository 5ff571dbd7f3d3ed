/**
 * JSON as text in the spelling that programs written for Patroni have always seen: a space after each colon
 * and comma, and everything outside ASCII escaped. Scripts that grep for `"role": "primary"` depend on it.
 */

/** `value` as JSON; undefined members are left out, as JSON.stringify does. */
export function jsonText(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return asciiString(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (Array.isArray(value)) return `[${value.map(jsonText).join(", ")}]`;
  if (typeof value !== "object") return "null";
  const members: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${asciiString(key)}: ${jsonText(member)}`);
  }
  return `{${members.join(", ")}}`;
}

function asciiString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
