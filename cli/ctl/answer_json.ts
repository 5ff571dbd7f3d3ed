/** A member's answer. Any program may listen at its address. */
import { type AnswerForm, parseAnswer } from "../../src/api/client.ts";
import { CtlError } from "./errors.ts";

const SHOWN_CHARACTERS = 100;

/** Throws CtlError when the member did not answer 200, or not in that form. */
export function okJson<T>(reply: { readonly status: number; readonly text: string }, form: AnswerForm<T>): T {
  if (reply.status !== 200) throw new CtlError(`the member answered ${reply.status}: ${reply.text}`);
  return answerJson(reply.text, form);
}

/** Throws CtlError when the answer does not have that form. */
export function answerJson<T>(text: string, form: AnswerForm<T>): T {
  const parsed = parseAnswer(text, form);
  if (parsed.ok) return parsed.value;
  throw new CtlError(
    `this is no answer of an agent (${parsed.problem}): ${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}`,
  );
}
