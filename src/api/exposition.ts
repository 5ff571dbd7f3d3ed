/** The text format of Prometheus, 0.0.4: heads and labels. */
export type Labels = { readonly [label: string]: string };

const fixedTexts = new WeakMap<Labels, string>();

/** Labels that are the same in every scrape: their text is made once. */
export function fixedLabels(labels: Labels): Labels {
  fixedTexts.set(labels, labelText(labels));
  return labels;
}

/** `# HELP` and `# TYPE`. `comment`: a line of its own behind the help, without the #. */
export function head(name: string, type: string, help: string, comment?: string): string {
  const more = comment === undefined ? "" : `# ${comment}\n`;
  return `# HELP ${name} ${helpText(help)}\n${more}# TYPE ${name} ${type}\n`;
}

/** `scope="demo",name="node1"`. */
export function labelText(labels: Labels): string {
  const fixed = fixedTexts.get(labels);
  if (fixed !== undefined) return fixed;
  let text = "";
  for (const label in labels) text += `${text === "" ? "" : ","}${label}="${escaped(labels[label]!)}"`;
  return text;
}

function helpText(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

function escaped(value: string): string {
  return /[\\\n"]/.test(value)
    ? value.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"')
    : value;
}
