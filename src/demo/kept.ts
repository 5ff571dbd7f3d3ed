/**
 * The processes of a demonstration that was left running, also of agents that somebody started by hand on its
 * files, from another directory. A shell or an editor that merely looks at the directory is none of them.
 */
import { basename, isAbsolute, resolve } from "node:path";
import {
  executable,
  isDead,
  listPids,
  type ProcessStat,
  readProcess,
  workingDirectory,
} from "../lib/process_table.ts";
import { commandLine } from "./processes.ts";

export interface SeenProcess extends Pick<ProcessStat, "pid" | "name" | "parentPid" | "terminal"> {
  /** null: it may not be looked at. */
  readonly directory: string | null;
  /** The executable; null: it may not be looked at. */
  readonly program: string | null;
  readonly command: readonly string[];
}

export interface KeptProcesses {
  readonly theirs: readonly SeenProcess[];
  /** Works in the directory, at a terminal or above this program: a person's own. */
  readonly spared: readonly SeenProcess[];
}

/** What runs a member, and what it starts for itself. */
const COMMANDS: ReadonlySet<string> = new Set(["run", "witness", "guard", "__sync_probe"]);

/** Pure. `self`: this program, which ends neither itself nor what started it. */
export function keptProcesses(all: readonly SeenProcess[], directory: string, self: number): KeptProcesses {
  const byPid = new Map(all.map((one) => [one.pid, one]));
  const callers = new Set<number>();
  for (let pid = self; byPid.has(pid) && !callers.has(pid); pid = byPid.get(pid)!.parentPid) callers.add(pid);
  const own = programName(byPid.get(self)?.program ?? null);
  const agents = new Set(
    all.filter((one) => !callers.has(one.pid) && isAgent(one, own) && runsMember(one, directory))
      .map((one) => one.pid),
  );
  // An agent's callbacks and copies may work anywhere.
  for (let before = -1; before !== agents.size;) {
    before = agents.size;
    for (const { pid, parentPid } of all) if (agents.has(parentPid) && !callers.has(pid)) agents.add(pid);
  }
  const theirs: SeenProcess[] = [];
  const spared: SeenProcess[] = [];
  for (const one of all) {
    if (agents.has(one.pid)) theirs.push(one);
    else if (!isIn(one.directory?.replace(/ \(deleted\)$/, "") ?? "", directory)) continue;
    // PostgreSQL may have been started by hand as well.
    else if (!callers.has(one.pid) && (one.terminal === 0 || one.name === "postgres")) theirs.push(one);
    else if (one.pid !== self) spared.push(one);
  }
  return { theirs, spared };
}

/**
 * By its executable, whose name may have a version. What only names an agent's command is a person's own: a
 * `grep run`, or tmux, which keeps the words that it was started with and has all sessions below it.
 */
function isAgent({ program }: SeenProcess, own: string): boolean {
  const name = programName(program);
  return name !== "" && (name === own || name.startsWith("agent"));
}

function programName(program: string | null): string {
  return basename(program?.replace(/ \(deleted\)$/, "") ?? "");
}

/** A path as it was given may be relative to where the process works. */
function runsMember({ command, directory }: SeenProcess, kept: string): boolean {
  const at = command.findIndex((word, index) => index > 0 && COMMANDS.has(word));
  if (at < 0) return false;
  return command.slice(at + 1).some((word) => {
    const path = word.replace(/^--[a-z-]+=/, "");
    if (path === "" || path.startsWith("-") || (directory === null && !isAbsolute(path))) return false;
    return isIn(resolve(directory ?? "/", path), kept);
  });
}

function isIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

export function seenProcesses(): SeenProcess[] {
  const seen: SeenProcess[] = [];
  for (const pid of listPids()) {
    const stat = readProcess(pid);
    if (stat === null || isDead(stat)) continue;
    seen.push({
      ...stat,
      directory: workingDirectory(pid),
      program: executable(pid),
      command: commandLine(pid),
    });
  }
  return seen;
}
