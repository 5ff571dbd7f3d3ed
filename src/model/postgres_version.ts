/** Versions of PostgreSQL as requests spell them. */

/** "15.2" as PostgreSQL's integer 150002, "9.6.24" as 90624; null when it is no version. */
export function parsePostgresVersion(text: string): number | null {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(text.trim());
  if (!match) return null;
  const [first, second, third] = [Number(match[1]), Number(match[2] ?? 0), match[3]];
  if (first >= 10) return third === undefined ? first * 10000 + second : null;
  return match[2] === undefined ? null : first * 10000 + second * 100 + Number(third ?? 0);
}
