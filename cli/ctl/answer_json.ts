/** What a member has answered, as JSON. Whoever listens at its address may be anybody. */
import { parseAnswer } from "../../src/api/client.ts";
import { isJsonObject } from "../../src/model/merge.ts";
import { CtlError } from "./errors.ts";

/** `lists`: keys that hold lists of maps. Throws CtlError for what is no JSON, or not of that form. */
export function answerJson<T>(text: string, lists: readonly string[] = []): T {
  const value = readAnswer<T>(text, lists);
  if (value !== null) return value;
  throw new CtlError(`this is no answer of an agent: ${JSON.stringify(text.slice(0, 100))}`);
}

/** null: it is none. */
export function readAnswer<T>(text: string, lists: readonly string[] = []): T | null {
  const value = parseAnswer<{ readonly [key: string]: unknown }>(text);
  const whole = value !== null && lists.every((key) => {
    const list = value[key];
    return Array.isArray(list) && list.every(isJsonObject);
  });
  return whole ? value as T : null;
}
