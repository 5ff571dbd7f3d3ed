/**
 * Whether a text that is about to be shown may hold a secret. Takes linear time: texts come from files and
 * requests, and one without an end must not hold up the agent.
 */

const SECRET_WORD = /pass|pwd|secret|token/i;
/** A whole word, so that no place inside of one is a beginning of its own. */
const NAMED_VALUE = /(?<!\w)(\w+)["']?\s*[=:]/g;
const NAME = /(?<!\w)(\w+)[:=\s]/g;

/** `password=...` and the like, `user:secret@host`, and lines that lost the space behind a colon. */
export function textHoldsSecret(text: string): boolean {
  return hasSecretWord(text, NAMED_VALUE) || text.includes("@") && text.split(/\s+/).some(isCredential);
}

/** A key of which a missing space made a secret a part. */
export function keyHoldsSecret(key: string): boolean {
  return hasSecretWord(key, NAME);
}

function hasSecretWord(text: string, pattern: RegExp): boolean {
  // Most texts have none at all.
  if (!SECRET_WORD.test(text)) return false;
  for (const [, word] of text.matchAll(pattern)) if (SECRET_WORD.test(word!)) return true;
  return false;
}

/** `user:secret@host`, also as a part of a URL. */
function isCredential(word: string): boolean {
  const colon = word.indexOf(":", 1);
  return colon > 0 && word.indexOf("@", colon) > 0;
}
