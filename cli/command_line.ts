/**
 * Reads the words of a command that is not of `agent ctl`. Its arguments and options are described once, for
 * the help (by cac), completion, man pages and the reading of words; `cac` itself reads no words.
 */
import type { CAC, Command as CacCommand } from "cac";
import { extraArguments, parseArguments } from "./ctl/arguments.ts";
import type { Arguments, OptionSpec } from "./ctl/command.ts";
import { UsageError } from "./ctl/errors.ts";
import type { Io } from "./ctl/io.ts";

/** What a command does. The exit code; null: the process goes on, and ends itself. */
export type Action = (given: Arguments, io: Io) => number | null | Promise<number | null>;

export type Command = CAC["commands"][number];

const HELP: OptionSpec = { names: ["help"], short: "h", help: "Show this message and exit." };

/** `-p, --print` or `--user <name>` as a row of a table. */
export function optionSpec(rawName: string, help: string): OptionSpec {
  const value = /<(\w+)>/.exec(rawName)?.[1]?.toUpperCase();
  const spelled = rawName.replace(/<.*$/, "").split(",").map((name) => name.trim());
  const short = spelled.find((name) => /^-\w$/.test(name))?.slice(1);
  return {
    names: spelled.filter((name) => name.startsWith("--")).map((name) => name.slice(2)),
    ...(short !== undefined && { short }),
    ...(value !== undefined && { value }),
    help,
  };
}

export function optionsOf({ options }: Pick<CacCommand, "options">): readonly OptionSpec[] {
  return options.map(({ rawName, description, config }) => ({
    ...optionSpec(rawName, description),
    ...(Array.isArray(config.type) && { multiple: true }),
  }));
}

/** null: its help is asked for. Throws UsageError. */
export function readWords(command: Command, words: readonly string[]): Arguments | null {
  const specs = optionsOf(command);
  const given = parseArguments(words, [...specs, HELP]);
  if (given.flag("help")) return null;
  for (const { names: [name = ""], value, multiple } of specs) {
    const values = given.values(name);
    // Nobody can tell which of two was meant. An empty one is a variable that was not set.
    if (values.length > 1 && multiple !== true) {
      throw new UsageError(`Option '--${name}' is given more than once`);
    }
    if (values.includes("")) {
      throw new UsageError(`Option '--${name}' needs a value (${value}), and it is empty`);
    }
  }
  const { args } = command;
  const missing = args.find(({ required }, index) => required && index >= given.positionals.length);
  if (missing !== undefined) throw new UsageError(`Missing argument ${missing.value.toUpperCase()}`);
  const most = args.some(({ variadic }) => variadic) ? Infinity : args.length;
  if (given.positionals.length > most) throw extraArguments(given.positionals.slice(most));
  if (given.positionals.includes("")) throw new UsageError("An argument is empty");
  return given;
}
