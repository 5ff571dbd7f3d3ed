/**
 * Reads the words of one command by its description: those of `agent ctl` and of every other command. The
 * runtime splits the words; what is refused, and how that is said, is decided here.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { oneLine } from "../../src/lib/plain_text.ts";
import type { Arguments, OptionSpec } from "./command.ts";
import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";

/** true: a flag was there. */
type Value = string | true;

/** Characters of a word that a message shows. */
const MAX_SHOWN = 60;

/** Throws UsageError. */
export function parseArguments(words: readonly string[], specs: readonly OptionSpec[]): Arguments {
  const { options, byName } = spellings(specs);
  const { tokens, positionals } = parseArgs({
    args: [...words],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, Value[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const spec = byName.get(token.name);
    if (spec === undefined) throw unknownOption(token.rawName, words[token.index]!, specs);
    const value = valueOf(spec, token);
    checkChoice(spec, value);
    given.set(spec.names[0]!, [...given.get(spec.names[0]!) ?? [], value]);
  }
  return {
    positionals,
    flag: (name) => given.has(name),
    value: (name) => (given.get(name)?.at(-1) as string | undefined) ?? null,
    values: (name) => (given.get(name) ?? []) as string[],
  };
}

/** A word of the command line, to be quoted in a message. */
export function shownWord(word: string): string {
  return `'${oneLine(word, MAX_SHOWN)}'`;
}

/** `words`: behind the last one that the command takes. */
export function extraArguments(words: readonly string[]): UsageError {
  return new UsageError(`Got unexpected extra argument (${oneLine(words.join(" "), MAX_SHOWN)})`);
}

/** Throws UsageError, unless it is written in digits alone, and within the bounds. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  const upTo = most === Infinity ? "" : ` to ${most}`;
  throw new UsageError(
    `Invalid value for '${option}': ${shownWord(text)} is not a whole number from ${least}${upTo}.`,
  );
}

function spellings(specs: readonly OptionSpec[]) {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  const byName = new Map<string, OptionSpec>();
  const shorts = new Set<string>();
  for (const spec of specs) {
    for (const [index, name] of spec.names.entries()) {
      // A command's own name or letter wins over one that all commands share.
      if (byName.has(name)) continue;
      const letter = index === 0 && spec.short !== undefined && !shorts.has(spec.short) ? spec.short : null;
      if (letter !== null) shorts.add(letter);
      byName.set(name, spec);
      options[name] = {
        type: spec.value === undefined ? "boolean" : "string",
        ...(letter !== null && { short: letter }),
      };
    }
  }
  return { options, byName };
}

interface OptionToken {
  /** As it was written. */
  readonly rawName: string;
  readonly value?: string | undefined;
  /** Behind `=`, or behind the letter itself. */
  readonly inlineValue?: boolean | undefined;
}

function valueOf({ value: placeholder }: OptionSpec, { rawName, value, inlineValue }: OptionToken): Value {
  if (placeholder === undefined) {
    if (value !== undefined) throw new UsageError(`Option '${rawName}' takes no value`);
    return true;
  }
  // `-` alone is a value: standard input.
  const isOption = inlineValue === false && /^-./s.test(value ?? "");
  if (value === undefined || isOption) {
    // Behind a letter the value stands without `=`, which would be a part of it.
    const inline = `${rawName}${rawName.startsWith("--") ? "=" : ""}VALUE`;
    const instead = isOption ? ` Before ${shownWord(value!)} is one missing, or write ${inline}.` : "";
    throw new UsageError(`Option '${rawName}' needs a value (${placeholder}).${instead}`);
  }
  return value;
}

/** `word`: the one that holds it, maybe in a group of letters. */
function unknownOption(rawName: string, word: string, specs: readonly OptionSpec[]): UsageError {
  // The runtime splits a group at half characters, too.
  if (!/^--|^-[!-~]$/.test(rawName)) return new UsageError(`Unknown option ${shownWord(word)}`);
  const name = rawName.replace(/^--?/, "");
  const known = specs.filter(({ hidden }) => hidden !== true).flatMap(({ names }) => names);
  const guess = nearest(name, known.filter((one) => one.length > 1));
  const hint = guess === null ? "" : `. Did you mean '--${guess}'?`;
  return new UsageError(`Unknown option ${shownWord(rawName)}${hint}`);
}

function checkChoice({ names, short, choices }: OptionSpec, given: Value): void {
  if (choices === undefined || choices.includes(String(given))) return;
  const name = short === undefined ? `'--${names[0]}'` : `'--${names[0]}' / '-${short}'`;
  const list = choices.map((choice) => `'${choice}'`).join(", ");
  throw new UsageError(`Invalid value for ${name}: ${shownWord(String(given))} is not one of ${list}.`);
}
