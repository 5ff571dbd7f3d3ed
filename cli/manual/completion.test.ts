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

const PROGRAMS: { readonly [shell: string]: (words: readonly string[]) => string } = {
  bash: (words) =>
    `source ./bash; COMP_WORDS=(${words.map(quoted).join(" ")}); COMP_CWORD=${words.length - 1}
COMP_LINE=${quoted(words.join(" "))}; COMP_POINT=\${#COMP_LINE}
compopt() { echo FILES; }; _agent; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: (words) =>
    `compdef() { :; }; source ./zsh
_describe() { print -l -- "\${(@P)2}" | sed 's/:.*//'; }; compadd() { print -l -- $values; }
_files() { print FILES; }; words=(${words.map(quoted).join(" ")}); CURRENT=${words.length}; _agent`,
  fish: (words) => `source ./fish; complete -C ${quoted(words.join(" "))} | string replace -r '\\t.*' ''`,
};

function quoted(word: string): string {
  return `'${word}'`;
}

/** What the shell would propose, among words that begin otherwise where the shell is to sort those out. */
async function proposed(shell: string, line: string): Promise<readonly string[]> {
  const words = line.split(" ");
  const child = Bun.spawn([shell, "-c", PROGRAMS[shell]!(words)], {
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
  return out.split("\n").filter((word) => word.startsWith(words.at(-1)!) || word === "FILES");
}

for (const shell of Object.keys(SHELLS)) {
  test.skipIf(Bun.which(shell) === null)(
    `${shell} completes commands, options and their values`,
    async () => {
      for (const [line, some, none] of CASES) {
        const found = await proposed(shell, line);
        expect([line, some.filter((word) => !found.includes(word))]).toEqual([line, []]);
        expect([line, none.filter((word) => found.includes(word))]).toEqual([line, []]);
      }
    },
  );

  test.skipIf(Bun.which(shell) === null)(`${shell} completes files where a file is expected`, async () => {
    for (const line of ["agent run ", "agent ctl -c ", "agent ctl edit-config --apply "]) {
      const found = await proposed(shell, line);
      expect([line, found.some((word) => word === "FILES" || word.includes("file.yml"))]).toEqual([
        line,
        true,
      ]);
    }
    expect((await proposed(shell, "agent ctl dsn ")).some((word) => word.includes("file.yml"))).toBe(false);
  });
}
