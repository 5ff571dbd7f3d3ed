/** Completion in the shells themselves, where they are installed; bash is everywhere. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DESCRIPTIONS, programCommands } from "../commands.ts";
import { COMMANDS } from "../ctl/registry.ts";
import { SHELLS } from "./completion.ts";
import { readManual } from "./manual.ts";

let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "completion-"));
  writeFileSync(join(directory, "a file.yml"), "");
  for (const name of ["agent", "patronictl"]) {
    writeFileSync(join(directory, name), STUB, { mode: 0o755 });
  }
  const manual = await readManual(programCommands(), DESCRIPTIONS);
  for (const [shell, write] of Object.entries(SHELLS)) writeFileSync(join(directory, shell), write(manual));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** In the place of the program: answers that name what it was asked, with the file it was told of. */
const STUB = `#!/bin/sh
[ "$1" = __complete ] || exit 1
case "$*" in *"-c here.yml"*) echo node-here ;; esac
case "$2" in *members*) echo node1; echo node2 ;; esac
case "$2" in *clusters*) echo demo ;; esac
`;

/** The words before the cursor, the last of them unfinished, and some that must and must not be proposed. */
const CASES: readonly (readonly [words: string, some: readonly string[], none: readonly string[]])[] = [
  ["agent c", ["ctl", "completion"], ["run"]],
  ["agent validate-config --ig", ["--ignore-listen-port"], ["--print"]],
  ["agent ctl ", Object.keys(COMMANDS), ["run"]],
  ["agent ctl li", ["list"], ["topology"]],
  ["agent ctl -c node1.yml -k list --f", ["--format"], ["--force"]],
  ["agent ctl list -f ", ["pretty", "tsv", "json", "yaml", "yml"], ["--format"]],
  ["agent ctl list --format js", ["json"], ["tsv"]],
  ["agent ctl list --format=js", ["json"], ["tsv"]],
  ["agent ctl -k switchover --candidate=no", ["node1", "node2"], ["demo"]],
  ["agent ctl restart demo node1 --ro", ["--role", "--rolling"], []],
  ["agent ctl raft ", ["status", "transfer", "dump"], ["list"]],
  ["agent ctl raft status --f", ["--format"], ["--dir"]],
  ["/usr/bin/patronictl swi", ["switchover"], ["list"]],
  ["patronictl query -r sta", ["standby", "standby-leader"], ["leader"]],
  ["agent ctl switchover --candidate no", ["node1", "node2"], ["demo"]],
  ["agent ctl -c here.yml switchover --leader no", ["node-here", "node1"], ["demo"]],
  ["agent ctl events -m node2", ["node2"], ["node1"]],
  ["patronictl restart ", ["demo", "node1", "node2"], []],
  ["agent ctl reinit demo no", ["node1", "node2"], ["demo"]],
  ["agent ctl pause ", ["demo"], ["node1"]],
  ["agent ctl raft transfer ", ["node1"], ["demo"]],
  ["agent ctl raft status ", [], ["node1", "demo"]],
  ["/nowhere/agent ctl switchover --candidate no", [], ["node1"]],
];

interface Program {
  readonly setUp: string;
  readonly propose: (words: readonly string[]) => string;
}
const PROGRAMS: { readonly [shell: string]: Program } = {
  bash: {
    setUp: "source ./bash; compopt() { echo FILES; }",
    propose: (line) => {
      // As bash does: "=" is a word of its own.
      const words = line.flatMap((word) => word.split(/(=)/));
      return `COMP_WORDS=(${words.map(quoted).join(" ")}); COMP_CWORD=${words.length - 1}; COMPREPLY=()
COMP_LINE=${quoted(line.join(" "))}; COMP_POINT=\${#COMP_LINE}; _agent; printf '%s\\n' "\${COMPREPLY[@]}"`;
    },
  },
  zsh: {
    setUp: `compdef() { :; }; source ./zsh
_describe() { print -l -- "\${(@P)2}" | sed 's/:.*//'; }; compadd() { print -l -- $values; }
_files() { print FILES; }; compset() { :; }`,
    propose: (words) => `words=(${words.map(quoted).join(" ")}); CURRENT=${words.length}; _agent`,
  },
  fish: {
    setUp: "source ./fish",
    propose: (words) => `complete -C ${quoted(words.join(" "))} | string replace -r '\\t.*' ''`,
  },
};

function quoted(word: string): string {
  return `'${word}'`;
}

/** Ends a hang. In fish every line takes most of a second where the machine is busy. */
const LIMIT_MS = 120_000;

const NEXT = "--- the next line ---";

/**
 * What the shell would propose at each line, among words that begin otherwise where the shell is to sort
 * those out. One shell for all: a start takes seconds on a busy machine.
 */
async function proposed(shell: string, lines: readonly string[]): Promise<readonly (readonly string[])[]> {
  const { setUp, propose } = PROGRAMS[shell]!;
  const script = lines.map((line) => `${propose(line.split(" "))}\necho '${NEXT}'`);
  const child = Bun.spawn([shell, "-c", [setUp, ...script].join("\n")], {
    cwd: directory,
    env: { PATH: `${directory}:${process.env.PATH!}`, HOME: directory },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(err).toBe("");
  const parts = out.split(`${NEXT}\n`).slice(0, -1);
  expect(parts).toHaveLength(lines.length);
  return parts.map((part, index) =>
    part.split("\n").filter((word) =>
      word.startsWith(lines[index]!.split(" ").at(-1)!) || word === "FILES" ||
      word.startsWith(lines[index]!.split(/[ =]/).at(-1)!)
    ).map((word) => word.replace(/^--[a-z-]+=/, ""))
  );
}

for (const shell of Object.keys(SHELLS)) {
  test.skipIf(Bun.which(shell) === null)(
    `${shell} completes commands, options and their values`,
    async () => {
      const all = await proposed(shell, CASES.map(([line]) => line));
      for (const [index, [line, some, none]] of CASES.entries()) {
        const found = all[index]!;
        expect([line, some.filter((word) => !found.includes(word))]).toEqual([line, []]);
        expect([line, none.filter((word) => found.includes(word))]).toEqual([line, []]);
      }
    },
    LIMIT_MS,
  );

  test.skipIf(Bun.which(shell) === null)(`${shell} completes files where a file is expected`, async () => {
    const lines = ["agent run ", "agent ctl -c ", "agent ctl edit-config --apply ", "agent ctl dsn "];
    const isFiles = (words: readonly string[]) =>
      words.some((word) => word === "FILES" || word.includes("file.yml"));
    const found = (await proposed(shell, lines)).map(isFiles);
    expect(found).toEqual([true, true, true, false]);
  }, LIMIT_MS);
}
