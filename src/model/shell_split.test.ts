import { expect, test } from "bun:test";
import { shellSplit } from "./shell_split.ts";

const TABLE: readonly (readonly [string, readonly string[] | null])[] = [
  ["  a  b ", ["a", "b"]],
  ["sh -c 'echo \"$1\" | cat'", ["sh", "-c", 'echo "$1" | cat']],
  ['a "b c"d \'\' ""', ["a", "b cd", "", ""]],
  ['a\\ b "x\\"y" "\\n" \'\\\'', ["a b", 'x"y', "\\n", "\\"]],
  ["$HOME `id`", ["$HOME", "`id`"]],
  ["", []],
  ["'open", null],
];
for (const [command, words] of TABLE) {
  test(`${JSON.stringify(command)} is split into ${JSON.stringify(words)}`, () => {
    expect(shellSplit(command)).toEqual(words as string[]);
  });
}
