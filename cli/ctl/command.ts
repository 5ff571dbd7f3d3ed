/** A command of `agent ctl`, described as data, from which parsing and help follow. */
import type { ClusterAccess } from "./access.ts";
import type { Io } from "./io.ts";

export interface OptionSpec {
  /** Names without dashes; the first is the one under which the value is found. */
  readonly names: readonly string[];
  readonly short?: string;
  /** Placeholder of the value; absent: a flag. */
  readonly value?: string;
  readonly multiple?: boolean;
  /** Everything that may be given. */
  readonly choices?: readonly string[];
  /** @default listed in the help */
  readonly hidden?: boolean;
  /** The verbs (`add` of `raft add`) with which it has an effect. @default all */
  readonly of?: readonly string[];
  readonly help: string;
}

export interface Arguments {
  readonly positionals: readonly string[];
  flag(name: string): boolean;
  value(name: string): string | null;
  values(name: string): readonly string[];
}

export interface Context {
  readonly io: Io;
  readonly arguments: Arguments;
  /** The cluster that the configuration names. */
  readonly cluster: ClusterAccess;
}

export interface Command {
  /** Positional arguments as the usage line shows them. */
  readonly usage: string;
  /** @default any number */
  readonly maxPositionals?: number;
  readonly options: readonly OptionSpec[];
  /** What it does, beyond the summary. */
  readonly description: string;
  readonly examples: readonly string[];
  /** Returns the exit code. */
  run(context: Context): Promise<number>;
}

export const FORMAT: OptionSpec = {
  names: ["format"],
  short: "f",
  value: "FORMAT",
  choices: ["pretty", "tsv", "json", "yaml", "yml"],
  help: "Output format (pretty, tsv, json, yaml)",
};
export const WATCH_SECONDS: OptionSpec = {
  names: ["watch"],
  short: "w",
  value: "SECONDS",
  help: "Auto update the screen every so many seconds",
};
export const WATCH: readonly OptionSpec[] = [
  { names: ["W"], short: "W", help: "Auto update the screen every 2 seconds" },
  WATCH_SECONDS,
];
export const FORCE: OptionSpec = { names: ["force"], help: "Do not ask for confirmation at any point" };
export const DRY_RUN: OptionSpec = {
  names: ["dry-run"],
  help: "Only say what would happen, why not, and the loss to expect; exit code 1 if it is not possible now",
};
export const OVERRIDE: OptionSpec = {
  names: ["override"],
  help: "Make the change although members find that it could never work",
};
export const ROLE: OptionSpec = {
  names: ["role"],
  short: "r",
  value: "ROLE",
  choices: ["leader", "primary", "standby-leader", "replica", "standby", "any"],
  help: "Only members with this role (leader, primary, standby-leader, replica, standby, any)",
};
