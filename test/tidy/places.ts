/** The places in the repository that a page names: paths in backticks, and words of the files among them. */

export interface Places {
  readonly paths: readonly string[];
  /** Words in parentheses right after a file: a path, and (`decide`, `Rule.name`). */
  readonly names: readonly { readonly path: string; readonly name: string }[];
}

const PLACE = /`((?:src|raft|cli|test|docs)\/[\w/.]*)`(?:\s*\(([^)]*)\))?/g;
/** The last part of a qualified name; an order of the shell or a text is none. */
const NAME = /`#?(?:\w+\.)?([\w-]+)`/g;

export function placesNamed(page: string): Places {
  const found = [...page.matchAll(PLACE)];
  const inner = found.flatMap(([, , words = ""]) => [...words.matchAll(PLACE)].map(([, path]) => path!));
  return {
    paths: [...found.map(([, path]) => path!), ...inner],
    names: found.filter(([, path]) => path!.endsWith(".ts")).flatMap(([, path, words = ""]) =>
      [...words.matchAll(NAME)].map(([, name]) => ({ path: path!, name: name! }))
    ),
  };
}
