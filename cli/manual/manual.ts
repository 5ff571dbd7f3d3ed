/**
 * The commands of the program as one tree of data, from the tables that parse them. Completion and man pages
 * are printed from it, so that they cannot say anything else.
 */
import type { CAC } from "cac";
import { optionsOf } from "../command_line.ts";
import type { Command, OptionSpec } from "../ctl/command.ts";
import { GROUP_OPTIONS } from "../ctl/help.ts";
import { COMMANDS } from "../ctl/registry.ts";

export interface ManualOption {
  /** With their dashes: `-f`, `--format`. */
  readonly names: readonly string[];
  /** Placeholder of the value; null: a flag. */
  readonly value: string | null;
  /** Everything that may be given; empty: not known. */
  readonly choices: readonly string[];
  readonly help: string;
}

export interface ManualCommand {
  readonly name: string;
  /** Arguments as the usage line shows them. */
  readonly usage: string;
  readonly summary: string;
  readonly description: string;
  readonly options: readonly ManualOption[];
  readonly examples: readonly string[];
  /** What may follow its name. */
  readonly commands: readonly ManualCommand[];
}

const HELP: ManualOption = {
  names: ["-h", "--help"],
  value: null,
  choices: [],
  help: "Show this message and exit.",
};

/** `descriptions`: by name, of the commands of `cli`. */
export async function readManual(
  cli: CAC,
  descriptions: { readonly [command: string]: string },
): Promise<ManualCommand> {
  const own = cli.commands.map((command): ManualCommand => ({
    name: command.name,
    usage: argumentsText(command.rawName.slice(command.name.length).trim()),
    summary: command.description,
    description: descriptions[command.name] ?? "",
    options: [...optionsOf(command).map(ofSpec), HELP],
    examples: command.examples.map((example) => typeof example === "string" ? example : example("agent")),
    commands: [],
  }));
  const names = Object.keys(COMMANDS);
  const ctl: ManualCommand = {
    name: "ctl",
    usage: "COMMAND [ARGS]...",
    summary: "Show and change a running cluster",
    description: "Shows and changes the cluster, through the REST API of any member that answers.",
    options: GROUP_OPTIONS.filter(({ hidden }) => hidden !== true).map(ofSpec),
    examples: ["agent ctl list", "agent ctl -c /etc/agent.yml switchover --candidate node2 --force"],
    commands: await Promise.all(names.map(async (name) => ofCommand(name, await COMMANDS[name]!.load()))),
  };
  return {
    name: "agent",
    usage: "COMMAND [ARGS]...",
    summary: "PostgreSQL high availability in one file",
    description: "Each host runs an agent, and the agents agree among themselves who may write.",
    options: [HELP],
    examples: ["agent demo", "agent run /etc/agent.yml", "agent ctl list"],
    commands: [...own, ctl],
  };
}

/** `[file]`, `<...files>`. */
function argumentsText(of: string): string {
  return of.replace(
    /([<[])(\.\.\.)?(\w+)[>\]]/g,
    (_, open: string, many: string | undefined, name: string) => {
      const shown = open === "<" ? name.toUpperCase() : `[${name.toUpperCase()}]`;
      return many === undefined ? shown : `${shown}...`;
    },
  );
}

function ofSpec({ names, short, value, choices, help }: OptionSpec): ManualOption {
  const long = names.filter((name) => name.length > 1).map((name) => `--${name}`);
  return {
    names: [...(short === undefined ? [] : [`-${short}`]), ...long],
    value: value ?? null,
    choices: choices ?? [],
    help,
  };
}

function ofCommand(name: string, { usage, description, options, examples }: Command): ManualCommand {
  // A command's own letter wins over one that all commands share.
  const letters = options.map(({ short }) => short);
  const shared = GROUP_OPTIONS.filter(({ names, hidden }) =>
    hidden !== true && !options.some((own) => own.names.includes(names[0]!))
  ).map((option) => letters.includes(option.short) ? { ...option, short: undefined } : option);
  const shown = [...options, ...shared];
  return {
    name,
    usage,
    summary: COMMANDS[name]!.summary,
    description,
    options: shown.map(ofSpec),
    examples,
    commands: verbsOf(usage).map(([verb, rest]) => ({
      name: verb,
      usage: rest,
      summary: "",
      description: "",
      options: shown.filter(({ of }) => of === undefined || of.includes(verb)).map(ofSpec),
      examples: [],
      commands: [],
    })),
  };
}

/** `status | add ADDRESS` has two, with their arguments; a usage that begins with an argument has none. */
function verbsOf(usage: string): readonly (readonly [verb: string, rest: string])[] {
  return usage.split(" | ").map((part) => part.split(" ")).filter(([word]) => /^[a-z]+$/.test(word!)).map(
    ([word, ...rest]) => [word!, rest.join(" ")],
  );
}

export interface Node {
  /** `agent`, `agent ctl`, `agent ctl list`. */
  readonly path: string;
  readonly command: ManualCommand;
}

/** The command and all below it, each with the words that lead to it. */
export function nodesOf(command: ManualCommand, above = ""): readonly Node[] {
  const path = `${above}${command.name}`;
  return [{ path, command }, ...command.commands.flatMap((below) => nodesOf(below, `${path} `))];
}

export function takesFile({ value }: Pick<ManualOption, "value">): boolean {
  return value !== null && /^(FILE|DIRECTORY)$/.test(value);
}

/** Its arguments are files of this host. */
export function argumentsAreFiles({ usage }: ManualCommand): boolean {
  return /\bFILES?\b/.test(usage);
}

/** A value that is the name of a member. */
export function takesMember({ value }: Pick<ManualOption, "value">): boolean {
  return value === "MEMBER";
}

/** Which names its arguments may be, with commas between; "": none. Of `raft`, members by name or address. */
export function namesOfArguments({ usage }: ManualCommand): string {
  return [
    /\bCLUSTER_NAMES?\b/.test(usage) ? ["clusters"] : [],
    /\b(MEMBER(_NAMES)?|NAME)\b/.test(usage) ? ["members"] : [],
  ]
    .flat().join(",");
}
