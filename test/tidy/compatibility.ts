/**
 * Reads docs/compatibility.md: tables of `| what | **state**... |`, and a summary that says how many rows
 * each state has.
 */

const STATES = ["yes", "differs", "refused", "warned", "not yet"];

export interface CompatibilityPage {
  /** As the summary says. */
  readonly summary: { readonly [state: string]: number };
  /** As the tables say. */
  readonly counted: { readonly [state: string]: number };
  /** Rows without a state. */
  readonly unclear: readonly string[];
  /** "3.1", as the headings and the rows with a number of their own say. */
  readonly sections: readonly string[];
  /** Files that are named as tests. */
  readonly tests: readonly string[];
}

export function readCompatibility(text: string): CompatibilityPage {
  const summary: { [state: string]: number } = {};
  const counted: { [state: string]: number } = Object.fromEntries(STATES.map((state) => [state, 0]));
  const unclear: string[] = [];
  for (const line of text.split("\n").filter((each) => each.startsWith("| "))) {
    const said = /^\| \*\*([a-z ]+)\*\* \| (\d+) \|/.exec(line);
    const state = / \| \*\*([a-z ]+)\*\*[^|]* \|$/.exec(line)?.[1];
    if (said) summary[said[1]!] = Number(said[2]);
    else if (state !== undefined && STATES.includes(state)) counted[state]!++;
    else if (!/^\| (what|state) \|/.test(line)) unclear.push(line);
  }
  return {
    summary,
    counted,
    unclear,
    sections: [...text.matchAll(/^(?:##|\|) (\d+(?:\.\d+)?) /gm)].map((match) => match[1]!),
    tests: [...text.matchAll(/`([\w/.]+\.test\.ts)`/g)].map((match) => match[1]!),
  };
}

/** Sections of the page that a source names: "docs/compatibility.md section 3.1 and 14". */
export function sectionsNamed(source: string): string[] {
  const plain = source.replace(/\n\s*\* ?/g, " ");
  return [...plain.matchAll(/compatibility\.md\s+section ([\d., ]*(?:and [\d.]+)?)/g)].flatMap((match) =>
    [...match[1]!.matchAll(/\d+(?:\.\d+)?/g)].map(([section]) => section)
  );
}
