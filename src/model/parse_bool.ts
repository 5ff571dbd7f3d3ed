/** Booleans in every spelling that configurations use: on/off, true/false, yes/no, 1/0, in any case. */

/** null when it is none of them. */
export function parseBool(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string" && typeof value !== "number") return null;
  switch (String(value).trim().toLowerCase()) {
    case "on":
    case "true":
    case "yes":
    case "1":
      return true;
    case "off":
    case "false":
    case "no":
    case "0":
      return false;
    default:
      return null;
  }
}

/** A tag's value as a flag: a text that is no boolean counts as set, as in Patroni. */
export function isSet(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  return parseBool(value) ?? Boolean(value);
}
