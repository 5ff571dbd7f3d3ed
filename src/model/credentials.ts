/**
 * Takes out of a program's words what looks like a credential. A failure of a hook is told by the REST
 * interface to everybody, and kept in the records; what PostgreSQL's own tools print holds none.
 */

/** `scheme://user:password@`; the password may hold a slash that should have been encoded. */
const IN_URL = /([a-z][a-z\d+.-]{0,30}:\/\/[^\s:@/]{0,256}):[^\s@]{1,500}@/gi;

/** Bounded, as each letter of a long word may begin one. */
const NAME =
  "[\\w-]{0,40}(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:access|api|private)[-_]?key)[\\w-]{0,40}";
const VALUE = `'(?:[^'\\\\]|\\\\.)*'?|"(?:[^"\\\\]|\\\\.)*"?|[^\\s;,&]+`;
/** `password=...`, `PGPASSWORD=...`, `"token": ...`, `--secret ...`. */
const NAMED = new RegExp(`((?:\\b|--)${NAME}["']?(?:\\s*=\\s*|["']\\s*:\\s*))(?:${VALUE})`, "gi");
const OPTION = new RegExp(`(--${NAME}\\s+)(?!-)(?:${VALUE})`, "gi");

export function withoutCredentials(text: string): string {
  return text.replace(IN_URL, "$1:***@").replace(NAMED, "$1***").replace(OPTION, "$1***");
}
