/**
 * Files that import each other in a circle, imports of types included: none of them can be understood without
 * the others.
 */
import type { SourceFile } from "./source.ts";

/** One circle for each knot, as "a > b > a"; empty: there is none. */
export function circles(files: readonly Pick<SourceFile, "path" | "imports">[]): string[] {
  const targets = new Map(
    files.map((
      { path, imports },
    ) => [path, imports.filter(({ local }) => local).map(({ target }) => target)]),
  );
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, above: readonly string[]): void => {
    const at = above.indexOf(path);
    if (at !== -1) found.push([...above.slice(at), path].join(" > "));
    if (at !== -1 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...above, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return found;
}
