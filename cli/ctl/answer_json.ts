/** A member's answer. Anybody may listen at its address. */
import { type AnswerForm, parseAnswer } from "../../src/api/client.ts";
import { CtlError } from "./errors.ts";

const SHOWN_CHARACTERS = 100;

/** Throws CtlError for what has not that form. */
export function answerJson<T>(text: string, form: AnswerForm<T>): T {
  const parsed = parseAnswer(text, form);
  if (parsed.ok) return parsed.value;
  throw new CtlError(
    `this is no answer of an agent (${parsed.problem}): ${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}`,
  );
}
