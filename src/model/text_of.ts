/**
 * Any value of JSON as one text. `String` is not for values from outside: it throws for a map with a key
 * `toString` that is no function, and for a list that holds such a map.
 */
export function textOf(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
