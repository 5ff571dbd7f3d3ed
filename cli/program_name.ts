/**
 * The program under the names of those that it takes the place of: a link called `patronictl` is `agent ctl`,
 * one called `patroni` is `agent run`. And the options of `patroni` that are commands here.
 */
import { basename } from "node:path";

/** What the program and its completion start themselves, by whatever name its file has. */
export const INTERNAL: readonly string[] = [
  "guard",
  "__postgres",
  "__probe",
  "__sync_probe",
  "__client",
  "__complete",
];

const PATRONI_OPTIONS = ["--generate-config", "--generate-sample-config", "--validate-config"];

/** `program`: as it was called. The words of `agent`. */
export function wordsOf(
  program: string,
  words: readonly string[],
  environment: { readonly [name: string]: string | undefined } = {},
): readonly string[] {
  if (INTERNAL.includes(words[0] ?? "")) return words;
  switch (basename(program)) {
    case "patronictl":
      return ["ctl", ...words];
    case "patroni":
      // Without a file `patroni` takes the whole configuration from there; without both it shows its usage.
      return words.length === 0 && environment.PATRONI_CONFIGURATION ? ["run"] : asPatroni(words);
    default:
      // `agent help ctl list`. Before all other words: behind `--` it would be no option, and the command run.
      if (words[0] === "help" && words.length > 1 && !INTERNAL.includes(words[1]!)) {
        return [words[1]!, "--help", ...words.slice(2)];
      }
      return words[0]?.startsWith("-") === true ? withoutOption(words) ?? words : words;
  }
}

/** `patroni` has options and a file, and no commands: a word that is neither may be one of `agent`. */
function asPatroni(words: readonly string[]): readonly string[] {
  const command = withoutOption(words);
  if (command !== null) return command;
  // What asks `patroni` compares the answer with versions of Patroni: this program's own is another count.
  if (words.includes("--version")) return ["version", "--patroni"];
  const [first] = words;
  const isOwn = first === undefined || first === "--help" || first === "-h";
  return isOwn || !/[/.]/.test(first) ? words : ["run", ...words];
}

/** `--validate-config` may stand anywhere, and `--generate-config` may have its file behind `=`. */
function withoutOption(words: readonly string[]): readonly string[] | null {
  const at = words.findIndex((word) => PATRONI_OPTIONS.includes(word.split("=")[0]!));
  if (at < 0) return null;
  const [option = "", ...file] = words[at]!.split("=");
  const value = file.join("=");
  return [option.slice(2), ...words.slice(0, at), ...(value === "" ? [] : [value]), ...words.slice(at + 1)];
}
