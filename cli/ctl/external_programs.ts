/** The user's editor and pager. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Colour, coloured, showsColours } from "./colour.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";

/** Lets the user edit `text`; returns the edited text. Throws CtlError. */
export function edit(io: Io, text: string, clusterName: string): string {
  const editor = io.environment.EDITOR ?? firstInPath(io, ["editor", "vi"]);
  if (!editor) throw new CtlError("EDITOR environment variable is not set. editor or vi are not available");
  const directory = mkdtempSync(join(tmpdir(), "agent-ctl-"));
  const file = join(directory, `${clusterName.replaceAll("/", "_")}-config.yaml`);
  try {
    writeFileSync(file, text, { mode: 0o600 });
    const [program = editor, ...args] = editor.split(/\s+/);
    const { status, error } = spawnSync(program, [...args, file], { stdio: "inherit" });
    if (error) throw new CtlError(`cannot start the editor ${program}: ${error.message}`);
    if (status !== 0) throw new CtlError(`Editor exited with return code ${status}`);
    return readFileSync(file, "utf8");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Shows a difference through the pager when it goes to a terminal, else as it is. */
export function page(io: Io, lines: readonly string[]): void {
  const pager = io.isTerminal ? firstInPath(io, [io.environment.PAGER ?? "", "less", "more"]) : null;
  if (pager === null) {
    for (const line of lines) io.out(line);
    return;
  }
  const args = basename(pager) === "less" ? ["-F", "-R", "-X"] : [];
  const painted = showsColours(io)
    ? lines.map((line) => {
      const colour = colourOf(line);
      return colour === null ? line : coloured(line, colour);
    })
    : lines;
  const input = `${painted.join("\n")}\n`;
  spawnSync(pager, args, { input, stdio: ["pipe", "inherit", "inherit"] });
}

function colourOf(line: string): Colour | null {
  if (line.startsWith("+")) return "added";
  if (line.startsWith("-")) return "removed";
  return line.startsWith("@@") ? "place" : null;
}

function firstInPath({ environment }: Io, names: readonly string[]): string | null {
  const directories = (environment.PATH ?? "").split(":");
  for (const name of names) {
    if (name === "") continue;
    const paths = name.includes("/") ? [name] : directories.map((directory) => join(directory, name));
    const found = paths.find(isExecutable);
    if (found !== undefined) return found;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
