/** Path arithmetic without a current directory: a relative path stays so unless the caller names its base. */

export interface PathContext {
  /** Directory that relative paths start from; null: they stay as written. */
  readonly cwd: string | null;
  /** The directory that `~` stands for; null: unknown. */
  readonly home: string | null;
}

export function absolutePath(path: string, context: PathContext): string {
  const expanded = context.home !== null && (path === "~" || path.startsWith("~/"))
    ? context.home + path.slice(1)
    : path;
  return normalize(
    expanded.startsWith("/") || context.cwd === null ? expanded : `${context.cwd}/${expanded}`,
  );
}

/** The directory that holds `path`. */
export function parentDirectory(path: string): string {
  const clean = normalize(path);
  const slash = clean.lastIndexOf("/");
  if (slash < 0) return ".";
  return slash === 0 ? "/" : clean.slice(0, slash);
}

/** True when `inner` is `outer` or lies in it, by the names alone (links are not followed). */
export function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [normalize(inner), normalize(outer)];
  return a === b || a.startsWith(b === "/" ? b : `${b}/`);
}

function normalize(path: string): string {
  const rooted = path.startsWith("/");
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (part !== ".." || !rooted) kept.push(part);
  }
  return (rooted ? "/" : "") + kept.join("/") || ".";
}
