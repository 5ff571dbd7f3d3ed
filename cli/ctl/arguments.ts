/** Reads the command line of one command by its description. */
import { parseArgs } from "node:util";
import type { Arguments, OptionSpec } from "./command.ts";
import { UsageError } from "./errors.ts";

type Value = string | boolean | (string | boolean)[] | undefined;

/** Throws UsageError. */
export function parseArguments(words: readonly string[], specs: readonly OptionSpec[]): Arguments {
  const options: { [name: string]: { type: "string" | "boolean"; multiple: boolean; short?: string } } = {};
  const shorts = new Set<string>();
  for (const { names, short, value } of specs) {
    for (const [index, name] of names.entries()) {
      // A command's own letter wins over one that all commands share.
      const letter = index === 0 && short !== undefined && !shorts.has(short) ? short : undefined;
      if (letter !== undefined) shorts.add(letter);
      options[name] ??= {
        type: value === undefined ? "boolean" : "string",
        multiple: true,
        ...(letter && { short: letter }),
      };
    }
  }
  const parsed = parse(words, options);
  const given = (name: string): Value[] => {
    const spec = specs.find(({ names }) => names[0] === name);
    return (spec?.names ?? [name]).flatMap((alias) => [parsed.values[alias] ?? []].flat());
  };
  for (const spec of specs) checkChoice(spec, given(spec.names[0]!));
  return {
    positionals: parsed.positionals,
    flag: (name) => given(name).length > 0,
    value: (name) => (given(name).at(-1) as string | undefined) ?? null,
    values: (name) => given(name) as string[],
  };
}

function parse(words: readonly string[], options: NonNullable<Parameters<typeof parseArgs>[0]>["options"]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { values: values as { [name: string]: Value }, positionals };
  } catch (error) {
    if (error instanceof TypeError && "code" in error) throw new UsageError(firstSentence(error.message));
    throw error;
  }
}

function firstSentence(message: string): string {
  return message.split(/\. |\n/)[0]!;
}

function checkChoice({ names, short, choices }: OptionSpec, given: readonly Value[]): void {
  const wrong = choices && given.find((value) => !choices.includes(String(value)));
  if (choices === undefined || wrong === undefined) return;
  const name = short === undefined ? `'--${names[0]}'` : `'--${names[0]}' / '-${short}'`;
  const list = choices.map((choice) => `'${choice}'`).join(", ");
  throw new UsageError(`Invalid value for ${name}: '${String(wrong)}' is not one of ${list}.`);
}
