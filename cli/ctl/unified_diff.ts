/** Differences of two texts as `diff -u` shows them, without names of files. */
import { structuredPatch } from "diff";

/** Lines without their ends; none when the texts are equal. */
export function unifiedDiff(before: string, after: string): string[] {
  const { hunks } = structuredPatch("", "", before, after, "", "", { context: 3 });
  if (hunks.length === 0) return [];
  return [
    "--- ",
    "+++ ",
    ...hunks.flatMap((hunk) => [
      `@@ -${range(hunk.oldStart, hunk.oldLines)} +${range(hunk.newStart, hunk.newLines)} @@`,
      ...hunk.lines,
    ]),
  ];
}

function range(start: number, lines: number): string {
  return lines === 1 ? String(start) : `${start},${lines}`;
}
