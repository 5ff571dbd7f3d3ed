/** The places in the repository that a page names: paths in backticks, and words of the files among them. */

/** A test that a page names by a part of its title, and rules that the simulator can leave out. */
export interface Proofs {
  readonly titles: readonly { readonly path: string; readonly title: string }[];
  readonly rules: readonly string[];
}

export function proofsNamed(page: string): Proofs {
  return {
    titles: [...page.matchAll(/`([\w/.]+\.ts)` "([^"]+)"/g)].map(([, path, title]) => ({
      path: path!,
      title: title!,
    })),
    rules: [...page.matchAll(/`--break ([a-z-]+)`/g)].map(([, rule]) => rule!),
  };
}

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
