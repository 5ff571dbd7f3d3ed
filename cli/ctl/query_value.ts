/** Values of PostgreSQL in JSON and YAML, where programs expect numbers, booleans and maps as such. */
import type { Json } from "../../src/model/json.ts";

const BOOL = 16;
/** int8, int2, int4, oid, float4, float8. */
const NUMBERS: readonly number[] = [20, 21, 23, 26, 700, 701];
/** json, jsonb. */
const DOCUMENTS: readonly number[] = [114, 3802];

/**
 * `text`: as the server wrote it; null: NULL. What a number of JSON cannot hold exactly stays text, and so do
 * numeric, times, arrays and all other types.
 */
export function jsonValue(type: number, text: string | null): Json {
  if (text === null) return null;
  if (type === BOOL) return text === "t";
  if (NUMBERS.includes(type)) return numberOf(text);
  return DOCUMENTS.includes(type) ? documentOf(text) : text;
}

function numberOf(text: string): number | string {
  const value = Number(text);
  const isExact = Number.isFinite(value) && (Number.isSafeInteger(value) || !/^-?\d+$/.test(text));
  return isExact ? value : text;
}

/** With a number of more digits than one of JSON keeps, it stays text. */
function documentOf(text: string): Json {
  if (/\d{16}/.test(text)) return text;
  return JSON.parse(text) as Json;
}
