/**
 * Questions as patronictl asks them. The end of the input aborts the command. They are asked with names that
 * members have said, and steer no terminal.
 */
import { shownText } from "../../src/model/plain_text.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";

/** `text [y/N]: `, asked again until the answer is yes or no. */
export async function confirm(io: Io, text: string): Promise<boolean> {
  for (;;) {
    io.ask(shownText(`${text} [y/N]: `));
    const answer = (await answerOf(io)).trim().toLowerCase();
    if (answer === "y" || answer === "yes") return true;
    if (answer === "" || answer === "n" || answer === "no") return false;
    io.out("Error: invalid input");
  }
}

/** `text [fallback]: `. Without a fallback it is asked again until something is typed. */
export async function prompt(io: Io, text: string, fallback: string | null): Promise<string> {
  for (;;) {
    io.ask(shownText(fallback === null ? `${text}: ` : `${text} [${fallback}]: `));
    const answer = (await answerOf(io)).trim();
    if (answer !== "") return answer;
    if (fallback !== null) return fallback;
  }
}

async function answerOf(io: Io): Promise<string> {
  const line = await io.readLine();
  if (line === null) {
    io.out("");
    throw new CtlError("Aborted: the input has ended");
  }
  return line;
}
