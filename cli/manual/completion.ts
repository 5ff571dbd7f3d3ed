/**
 * `agent completion SHELL`: a script for the shell, which asks the program for names of members and clusters
 * alone (complete.ts). The three have one shape: the words before the cursor lead to a node, by its commands;
 * then come its commands, its options, or the values of the option before.
 */
import { completionForBash } from "./completion_bash.ts";
import { completionForFish } from "./completion_fish.ts";
import { completionForZsh } from "./completion_zsh.ts";
import type { ManualCommand } from "./manual.ts";

export const SHELLS: { readonly [shell: string]: (manual: ManualCommand) => string } = {
  bash: completionForBash,
  zsh: completionForZsh,
  fish: completionForFish,
};
