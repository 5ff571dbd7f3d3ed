/**
 * YAML as patronictl writes and reads it: version 1.1, so that `on` is a boolean and a text "on" is quoted;
 * keys sorted; lists not indented.
 */
import { Document, type ToStringOptions } from "yaml";
import { parseYaml } from "../../src/config/yaml.ts";
import type { ConfigIssue } from "../../src/model/config.ts";
import type { Json } from "../../src/model/json.ts";
import { CtlError } from "./errors.ts";

const STYLE: ToStringOptions = {
  indentSeq: false,
  lineWidth: 200,
  singleQuote: true,
  flowCollectionPadding: false,
};

/** Ends with a newline. */
export function yamlText(value: unknown): string {
  return new Document(value, { version: "1.1", sortMapEntries: true }).toString({
    ...STYLE,
    directives: false,
  });
}

/** On one line: `{nofailover: true}`. */
export function yamlFlowText(value: unknown): string {
  const document = new Document(value, { version: "1.1", sortMapEntries: true });
  if (document.contents && "flow" in document.contents) document.contents.flow = true;
  return document.toString({ ...STYLE, lineWidth: 0, collectionStyle: "flow", directives: false }).trimEnd();
}

/** Any YAML value. `what`: named in the error. Throws CtlError. */
export function parseYamlValue(text: string, what: string): Json {
  const indented = text.split("\n").map((line) => `  ${line}`).join("\n");
  const { value, issues } = parseYaml(what, `value:\n${indented}\n`);
  const problem = issues.list.find(({ severity }) => severity === "error");
  if (value === null || problem) {
    const place = problem === undefined ? "" : placeIn(text, problem);
    throw new CtlError(`${what} is not valid YAML${place}: ${problem?.message ?? "no value"}`);
  }
  return value.value ?? null;
}

/** ` (line 2, column 5)` of the text as it was given, without the key that is put before it; "": one line. */
function placeIn(text: string, { line, column }: ConfigIssue): string {
  const last = text.trimEnd().split("\n").length;
  if (line === null || last === 1) return "";
  // What is missing at the end is found behind it.
  const own = Math.min(line - 1, last);
  return ` (line ${own}${
    column === undefined || own < line - 1 ? "" : `, column ${Math.max(1, column - 2)}`
  })`;
}
