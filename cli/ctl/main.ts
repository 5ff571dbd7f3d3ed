/**
 * `agent ctl`: finds the command, reads its arguments, and turns what goes wrong into a message and an exit
 * code.
 */
import { ClusterAccess } from "./access.ts";
import { extraArguments, parseArguments, shownWord } from "./arguments.ts";
import type { Arguments, Command } from "./command.ts";
import { CtlError, UsageError } from "./errors.ts";
import { commandHelp, GROUP_OPTIONS, groupHelp, usageLine } from "./help.ts";
import type { Io } from "./io.ts";
import { nearest } from "./nearest.ts";
import { COMMANDS } from "./registry.ts";
import { findSettings } from "./settings.ts";

/** `words`: what follows "ctl". Returns the exit code: 0, 1 after an error, 2 after a wrong command line. */
export async function ctlCommand(words: readonly string[], io: Io): Promise<number> {
  let name: string | null = null;
  let command: Command | null = null;
  try {
    const split = splitAtCommand(words);
    const group = parseArguments(split.before, GROUP_OPTIONS);
    name = split.name;
    if (name === null) {
      if (!group.flag("help") && words.length > 0) throw new UsageError("Missing command.");
      io.out(groupHelp());
      return 0;
    }
    command = await commandNamed(name);
    const own = parseArguments(split.after, [...command.options, ...GROUP_OPTIONS]);
    if (group.flag("help") || own.flag("help")) {
      io.out(commandHelp(name, command));
      return 0;
    }
    const max = command.maxPositionals ?? Infinity;
    if (own.positionals.length > max) throw extraArguments(own.positionals.slice(max));
    checkVerb(own, command);
    const settings = findSettings(groupOptions(group, own, command), io);
    const cluster = new ClusterAccess(settings, io);
    return await command.run({ io, arguments: own, cluster });
  } catch (error) {
    if (error instanceof UsageError) return usageError(io, name, command, error);
    if (!(error instanceof CtlError)) throw error;
    io.err(`Error: ${error.message}`);
    return 1;
  }
}

/** An option that does nothing with this verb is refused: somebody counts on it. */
function checkVerb(own: Arguments, { options }: Command): void {
  const verb = own.positionals[0];
  // Without a verb the command says which there are.
  if (verb === undefined) return;
  for (const { names, of } of options) {
    if (of === undefined || of.includes(verb) || !own.flag(names[0]!)) continue;
    throw new UsageError(`--${names[0]} has no effect with ${verb}, only with ${of.join(", ")}.`);
  }
}

interface Split {
  readonly before: readonly string[];
  readonly name: string | null;
  readonly after: readonly string[];
}

/** The first word that is neither an option of the group nor its value. */
function splitAtCommand(words: readonly string[]): Split {
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith("-")) return { before: words.slice(0, at), name: word, after: words.slice(at + 1) };
    if (takesNext(word)) at++;
  }
  return { before: words, name: null, after: [] };
}

/** `--config-file`, `-c`, or a group of letters that ends with such a one: `-kc`. */
function takesNext(word: string): boolean {
  const of = (letter: string) => GROUP_OPTIONS.find(({ short }) => short === letter);
  if (word.startsWith("--")) {
    return GROUP_OPTIONS.some(({ names, value }) => value !== undefined && names.includes(word.slice(2)));
  }
  const letters = [...word.slice(1)];
  // What follows a letter that has a value is that value.
  const first = letters.findIndex((letter) => of(letter)?.value !== undefined);
  return first >= 0 && first === letters.length - 1;
}

async function commandNamed(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry) return await entry.load();
  const guess = nearest(name, Object.keys(COMMANDS));
  throw new UsageError(
    `No such command ${shownWord(name)}.${guess === null ? "" : ` Did you mean '${guess}'?`}`,
  );
}

/** The group's options may stand on either side of the command, unless it has one of the same name. */
function groupOptions(group: Arguments, own: Arguments, command: Command) {
  const isOwn = (name: string) => command.options.some(({ names }) => names.includes(name));
  const value = (name: string) => (isOwn(name) ? null : own.value(name)) ?? group.value(name);
  return {
    configFile: value("config-file"),
    dcsUrl: value("dcs-url"),
    insecure: group.flag("insecure") || own.flag("insecure"),
  };
}

function usageError(io: Io, name: string | null, command: Command | null, { message }: UsageError): number {
  const shown = command === null ? null : name;
  io.err(usageLine(shown, command));
  io.err(`Try 'agent ctl${shown === null ? "" : ` ${shown}`} --help' for help.`);
  io.err("");
  io.err(`Error: ${message}`);
  return 2;
}
