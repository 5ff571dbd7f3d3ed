/** A word that a shell of POSIX, and zsh, take as it stands. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
